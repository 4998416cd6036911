#include "tests/differential/duel.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <thread>

#include <fmt/format.h>

#include "cli/parser.h"
#include "testing/packet_text.h"
#include "testing/run_edit.h"

namespace xvs::test {
namespace {

using namespace std::chrono_literals;

// Of what a story takes between two waits: timeouts of a second end within more.
constexpr auto kLongestSpell = 600ms;
// The kernel's queue of work begins a tick of 10 ms later.
constexpr auto kWorkQueue = 30ms;
constexpr std::int64_t kTolerance = 1;  // seconds, of what is listed in whole ones

struct DefaultSysctl {
    const char* name;
    const char* value;
};

// Those that stories set.
constexpr std::array kDefaults{DefaultSysctl{"conn_reuse_mode", "1"},
                               DefaultSysctl{"expire_nodest_conn", "0"},
                               DefaultSysctl{"expire_quiescent_template", "0"},
                               DefaultSysctl{"sloppy_tcp", "0"},
                               DefaultSysctl{"nat_icmp_send", "0"},
                               DefaultSysctl{"schedule_icmp", "0"},
                               DefaultSysctl{"pmtu_disc", "1"},
                               DefaultSysctl{"secure_tcp", "0"}};

std::vector<model::MarkRule> parsed_mark_rules() {
    std::vector<model::MarkRule> rules;
    for (const std::string& line : all_mark_rules()) {
        auto rule = model::parse_mark_rule(line);
        if (!rule) give_up(rule.error().context, EINVAL);
        rules.push_back(*std::move(rule));
    }
    return rules;
}

control::netlink::Client connect_to_kernel() {
    auto client = control::netlink::Client::connect(0);
    if (!client) give_up("connect to IPVS: " + client.error().context, EINVAL);
    return *std::move(client);
}

bool is_from_a_link(const Packet& packet) {
    return std::any_of(topology::kDirectorLinks.begin(),
                       topology::kDirectorLinks.end(),
                       [&](const DirectorLink& link) {
                           return packet.source == link.v4 || packet.source == link.v6;
                       });
}

// Whether it comes, or may come, from the director itself.
bool is_own_error(const Packet& packet) {
    if (!std::holds_alternative<IcmpFields>(packet.transport)) return false;
    const auto& vips = topology::kVips;
    return std::find(vips.begin(), vips.end(), packet.source) != vips.end() ||
           is_from_a_link(packet);
}

// A piece of an outer packet, which was cut after it was made: its number is the sender's choice,
// and of GUE the port, by which the checksum differs.
void free_piece(Packet& packet) {
    constexpr std::array<std::size_t, 4> kChosen{0, 1, 6, 7};
    packet.identification.reset();
    if (packet.family() == net::Family::Ipv6) packet.label.reset();
    const auto* raw = std::get_if<RawFields>(&packet.transport);
    const bool is_udp = raw != nullptr && raw->protocol == net::IpProtocol::Udp;
    if (!is_udp || packet.part->offset != 0) return;
    for (const std::size_t at : kChosen) {
        if (at < packet.data.size()) packet.data[at] = std::byte{0};
    }
}

// With the fields left free that the sender chooses: of outer headers and of the director's own
// ICMP errors.
std::string text_of(const Sighting& sighting) {
    auto packet = Packet::decode(sighting.packet);
    if (!packet) return fmt::format("{} < {}", sighting.host, to_text(sighting.packet));
    auto* tunnel = std::get_if<IpInIpFields>(&packet->transport);
    if (tunnel != nullptr && tunnel->tunnel == IpInIpFields::Tunnel::Gue) tunnel->source.reset();
    if (tunnel != nullptr || is_own_error(*packet)) {
        if (packet->family() == net::Family::Ipv4) packet->identification.reset();
        if (packet->family() == net::Family::Ipv6) packet->label.reset();
    }
    if (packet->part && is_from_a_link(*packet)) free_piece(*packet);
    return fmt::format("{} < {}", sighting.host, to_text(*packet));
}

std::vector<std::string> texts_of(const std::vector<Sighting>& sightings) {
    std::vector<std::string> texts;
    for (const Sighting& sighting : sightings)
        texts.push_back(text_of(sighting));
    std::sort(texts.begin(), texts.end());
    return texts;
}

std::string listed(const std::vector<std::string>& lines) {
    std::string text;
    for (const std::string& line : lines)
        text += "    " + line + (line.ends_with('\n') ? "" : "\n");
    return text.empty() ? "    nothing\n" : text;
}

std::string code_of(const Status& status) {
    return status ? "accepted" : fmt::format("refused, {}", static_cast<int>(status.error().code));
}

}  // namespace

Opponent::Opponent(const FarNamespace& far, unsigned number)
    : kernel(far, number, parsed_mark_rules()), client(connect_to_kernel()) {}

bool Opponent::is_clean() {
    kernel.enter();
    for (int tries = 0; tries < 5; ++tries) {
        std::ifstream file("/proc/net/ip_vs_conn");
        std::string line;
        std::getline(file, line);
        if (!std::getline(file, line)) return true;
        std::this_thread::sleep_for(kWorkQueue);
    }
    return false;
}

Duel::Duel(Opponent& opponent, std::uint64_t seed, Story story)
    : opponent_(opponent), story_(std::move(story)) {
    opponent_.kernel.enter();
    for (const DefaultSysctl& sysctl : kDefaults)
        static_cast<void>(opponent_.kernel.set_sysctl(sysctl.name, sysctl.value));
    opponent_.kernel.listen(udp_ports(seed));
    opponent_.kernel.collect_now();
}

Duel::~Duel() {
    opponent_.kernel.enter();
    static_cast<void>(opponent_.kernel.set_sysctl("expire_nodest_conn", "1"));
    static_cast<void>(opponent_.client.flush());
}

Duel::State Duel::go_on() {
    opponent_.kernel.enter();
    const auto began = Clock::now();
    const bool was_waiting = due_ != Clock::time_point{};
    due_ = {};
    catch_up();
    if (was_waiting) {
        scenario_ += fmt::format("advance {}ms\n", kWait.count());
        compare_packets(opponent_.kernel.collect_now(), engine_.collect(), StoryStep::kNoFlow);
        compare_tables(counts_agree_);
        has_sent_ = false;
    }
    while (difference_.empty() && next_ < story_.size()) {
        const StoryStep& step = story_[next_++];
        if (step.kind == StoryStep::Kind::Wait) {
            due_ = Clock::now() + kWait;
            break;
        }
        catch_up();
        take(step);
        if (difference_.empty()) compare_tables(false);
    }
    was_slow_ = was_slow_ || Clock::now() - began > kLongestSpell;
    if (!difference_.empty()) return State::Differs;
    return due_ == Clock::time_point{} ? State::Over : State::Waiting;
}

// The engine's clock stands still but for this.
void Duel::catch_up() {
    const auto now = Clock::now();
    engine_.advance(std::chrono::duration_cast<std::chrono::milliseconds>(now - engine_now_));
    engine_now_ += std::chrono::duration_cast<std::chrono::milliseconds>(now - engine_now_);
}

void Duel::take(const StoryStep& step) {
    switch (step.kind) {
        case StoryStep::Kind::Line:
            return take_line(step.text, step.flow);
        case StoryStep::Kind::Answer:
            return answer(step);
        case StoryStep::Kind::Error:
            return report_error(step);
        case StoryStep::Kind::Wait:
            return;
    }
}

void Duel::take_line(const std::string& line, unsigned flow) {
    const auto parsed = parse_scenario("story", line);
    if (!parsed) return differ(parsed.error().context);
    const auto& what = parsed->steps.front().what;
    if (const auto* service = std::get_if<ServiceStep>(&what)) return edit(line, *service);
    if (const auto* sysctl = std::get_if<SysctlStep>(&what)) {
        scenario_ += line + "\n";
        return set_sysctl(*sysctl);
    }
    if (const auto* mark = std::get_if<MarkStep>(&what)) {
        scenario_ += line + "\n";
        static_cast<void>(engine_.add_mark(mark->rule));  // the kernel has them all
        return;
    }
    send(line, std::get<SendStep>(what), flow);
}

void Duel::edit(const std::string& line, const ServiceStep& step) {
    const auto command = cli::parse_command("ipvsadm", step.arguments);
    if (!command) return differ("the command is wrong: " + command.error().message);
    const Status kernel = run_edit(opponent_.client, *command);
    const Status engine = run_edit(engine_.manager(), *command);
    if (expires_at_once_) {
        std::this_thread::sleep_for(kWorkQueue);
        catch_up();
    }
    // What the kernel has not summed up yet, some two seconds' worth, stays with a real server that
    // comes back in a new service.
    if (command->verb == cli::Verb::DeleteService && has_sent_) counts_agree_ = false;
    scenario_ += (kernel ? "" : "# refused: ") + line + "\n";
    if (code_of(kernel) == code_of(engine)) return;
    differ(fmt::format(
        "{}\n  the kernel: {}\n  the engine: {}\n", line, code_of(kernel), code_of(engine)));
}

void Duel::set_sysctl(const SysctlStep& step) {
    if (step.name == "expire_nodest_conn") expires_at_once_ = step.value != "0";
    const Status kernel = opponent_.kernel.set_sysctl(step.name, step.value);
    const Status engine = engine_.set_sysctl(step.name, step.value);
    if (kernel.has_value() != engine.has_value())
        differ(fmt::format("sysctl {}={}: only one took it\n", step.name, step.value));
}

void Duel::answer(const StoryStep& step) {
    const auto found = delivered_.find(step.flow);
    if (found == delivered_.end()) return;
    const Packet& request = found->second.packet;
    Packet reply = request;
    if (const auto* tcp = std::get_if<TcpFields>(&request.transport)) {
        reply = Packet::tcp({request.destination, tcp->destination}, {request.source, tcp->source})
                    .flags(step.text)
                    .length(step.length);
    } else if (const auto* udp = std::get_if<UdpFields>(&request.transport)) {
        reply = Packet::udp({request.destination, udp->destination}, {request.source, udp->source})
                    .length(step.length);
    } else if (const auto* sctp = std::get_if<SctpFields>(&request.transport)) {
        reply = Packet::sctp({request.destination, sctp->destination},
                             {request.source, sctp->source},
                             step.chunks)
                    .length(step.length);
    } else {
        return;
    }
    const TestHost* from = found->second.to;
    send(fmt::format("{} > {}", from->name, to_text(reply)),
         {.from = from, .packet = reply},
         StoryStep::kNoFlow);
}

void Duel::report_error(const StoryStep& step) {
    const auto found = delivered_.find(step.flow);
    if (found == delivered_.end()) return;
    const Packet& request = found->second.packet;
    const Packet error =
        Packet::icmp_error(request.destination, request.source, step.text, request);
    const TestHost* from = found->second.to;
    send(fmt::format("{} > {}", from->name, to_text(error)),
         {.from = from, .packet = error},
         StoryStep::kNoFlow);
}

void Duel::send(const std::string& line, const SendStep& step, unsigned flow) {
    has_sent_ = true;
    opponent_.kernel.send(*step.from, step.packet);
    engine_.send(*step.from, step.packet);
    scenario_ += line + "\n";
    compare_packets(opponent_.kernel.collect_now(), engine_.collect(), flow);
}

// The engine limits its errors as a kernel with the usual settings does. This kernel's limits are
// off, since all stories together would meet them: what comes after a receiver may have had its
// share is not compared, nor what counts it.
void Duel::allow_for_limit(std::vector<Sighting>& sightings) {
    const auto count = std::erase_if(sightings, [&](const Sighting& sighting) {
        const auto packet = Packet::decode(sighting.packet);
        return packet && is_own_error(*packet) &&
               errors_to_[packet->family()] >= engine::IcmpRateLimit::kReceiverBurst;
    });
    if (count > 0) counts_agree_ = false;
}

void Duel::compare_packets(std::vector<Sighting> kernel,
                           std::vector<Sighting> engine,
                           unsigned flow) {
    allow_for_limit(kernel);
    allow_for_limit(engine);
    const auto expected = texts_of(kernel);
    const auto actual = texts_of(engine);
    for (const std::string& each : expected)
        scenario_ += each + "\n";
    if (expected != actual) {
        return differ(fmt::format(
            "  the kernel sent\n{}  the engine sent\n{}", listed(expected), listed(actual)));
    }
    for (const Sighting& sighting : kernel) {
        const auto packet = Packet::decode(sighting.packet);
        if (packet && is_own_error(*packet)) ++errors_to_[packet->family()];
    }
    if (flow == StoryStep::kNoFlow) return;
    for (const Sighting& sighting : kernel) {
        const TestHost* host = find_host(sighting.host);
        auto packet = Packet::decode(sighting.packet);
        if (host == nullptr || host->side != Side::Real || !packet) continue;
        // ADR-0007: answers of DR, TUN and the local node are not the director's.
        const bool is_translated =
            packet->destination == host->v4 || packet->destination == host->v6;
        const bool has_ports = std::holds_alternative<TcpFields>(packet->transport) ||
                               std::holds_alternative<UdpFields>(packet->transport) ||
                               std::holds_alternative<SctpFields>(packet->transport);
        if (is_translated && has_ports)
            delivered_[flow] = {.to = host, .packet = *std::move(packet)};
    }
}

// A connection that the kernel ends at once ends at the next tick of its clock: what differs is
// looked at again a little later.
void Duel::compare_tables(bool with_statistics) {
    for (const bool is_last : {false, true}) {
        const std::string difference = difference_of_tables(with_statistics);
        if (difference.empty()) return;
        if (is_last) return differ(difference);
        std::this_thread::sleep_for(kWorkQueue);
        catch_up();
    }
}

std::string Duel::difference_of_tables(bool with_statistics) {
    const Tables kernel = read_tables(opponent_.client);
    const Tables engine = read_tables(engine_.manager());
    if (kernel.services != engine.services) {
        return fmt::format("  the kernel lists\n{}  the engine lists\n{}",
                           listed(kernel.services),
                           listed(engine.services));
    }
    if (with_statistics && kernel.statistics != engine.statistics) {
        return fmt::format("  the kernel counts\n{}  the engine counts\n{}",
                           listed(kernel.statistics),
                           listed(engine.statistics));
    }
    return difference_of_connections(kernel, engine);
}

std::string Duel::difference_of_connections(const Tables& kernel, const Tables& engine) {
    bool is_same = kernel.connections.size() == engine.connections.size();
    for (std::size_t i = 0; is_same && i < kernel.connections.size(); ++i) {
        const ListedConnection& one = kernel.connections[i];
        const ListedConnection& other = engine.connections[i];
        is_same =
            one.line == other.line && std::abs(one.expires_in_s - other.expires_in_s) <= kTolerance;
    }
    if (is_same) return {};
    const auto lines = [](const Tables& tables) {
        std::vector<std::string> all;
        for (const ListedConnection& each : tables.connections)
            all.push_back(fmt::format("{} {}", each.line, each.expires_in_s));
        return listed(all);
    };
    return fmt::format(
        "  the kernel has connections\n{}  the engine has\n{}", lines(kernel), lines(engine));
}

void Duel::differ(std::string what) {
    if (difference_.empty()) difference_ = std::move(what);
}

}  // namespace xvs::test
