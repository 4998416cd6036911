#include "tests/differential/kernel_target.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <thread>
#include <utility>

#include <sys/prctl.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sched.h>
#include <unistd.h>

#include "tests/differential/command.h"

namespace xvs::test {
namespace {

// The runner gives way to all that the kernel does, so a packet that was sent has been forwarded.
// The rest is for what comes by a timer's next tick; after an edit with expire_nodest_conn, by a
// queue of work a tick later.
constexpr int kQuietMs = 4;
constexpr int kWorkQueueMs = 40;

constexpr std::array kTappedProtocols{net::IpProtocol::Icmp,
                                      net::IpProtocol::Icmpv6,
                                      net::IpProtocol::Tcp,
                                      net::IpProtocol::Udp,
                                      net::IpProtocol::Sctp,
                                      net::IpProtocol::Ipv4,
                                      net::IpProtocol::Ipv6};

std::string_view director_interface(Side side) {
    return side == Side::Client ? "c0" : "r0";
}

std::string far_interface(Side side, unsigned number) {
    return fmt::format("{}{}", side == Side::Client ? "c" : "r", number);
}

void write_file(const std::string& path, const std::string& value) {
    std::ofstream file(path);
    file << value << std::flush;
    if (!file) give_up(path, errno);
}

void run_or_give_up(const std::vector<std::string>& arguments, const std::string& input) {
    const CommandOutput output = run_command(arguments, input);
    if (output.exit_status == 0) return;
    give_up(fmt::format("{}: {}", fmt::join(arguments, " "), output.error), EINVAL);
}

// Forwards between its links, answers no redirects, and limits no ICMP.
void set_sysctls() {
    const std::string v4 = "/proc/sys/net/ipv4/";
    const std::string v6 = "/proc/sys/net/ipv6/";
    write_file(v4 + "ip_forward", "1");
    write_file(v4 + "icmp_ratelimit", "0");
    for (const char* name : {"all", "default"}) {
        write_file(v4 + "conf/" + name + "/rp_filter", "0");
        write_file(v4 + "conf/" + name + "/send_redirects", "0");
        write_file(v6 + "conf/" + name + "/forwarding", "1");
        write_file(v6 + "conf/" + name + "/accept_dad", "0");
    }
    write_file(v6 + "icmp/ratelimit", "0");
}

std::string links_and_addresses(pid_t far, unsigned number) {
    std::string batch = "link set lo up\n";
    for (const DirectorLink& link : topology::kDirectorLinks) {
        const auto interface = director_interface(link.side);
        batch += fmt::format("link add {} address {} mtu {} type veth peer name {} netns {}\n",
                             interface,
                             link.mac.to_string(),
                             kDefaultMtu,
                             far_interface(link.side, number),
                             far);
        batch +=
            fmt::format("addr add {}/{} dev {}\n", link.v4.to_string(), link.v4_prefix, interface);
        batch += fmt::format(
            "addr add {}/{} dev {} nodad\n", link.v6.to_string(), link.v6_prefix, interface);
        batch += fmt::format("link set {} up\n", interface);
    }
    for (const net::IpAddress& vip : topology::kVips) {
        const bool is_v4 = vip.family() == net::Family::Ipv4;
        batch += fmt::format("addr add {}/{} dev lo\n", vip.to_string(), is_v4 ? 32 : 128);
    }
    for (const TestHost& host : topology::kHosts) {
        for (const net::IpAddress& address : {host.v4, host.v6}) {
            batch += fmt::format("neigh add {} lladdr {} nud permanent dev {}\n",
                                 address.to_string(),
                                 host.mac.to_string(),
                                 director_interface(host.side));
        }
    }
    return batch;
}

void forbid_ipv6_by_default() {
    write_file("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
}

// The director's stack has no sockets that would answer. What it says because of that must not
// come near IPVS, which would translate it and take it for the connection's end. What came in by a
// link is told from it by a mark.
std::string silence() {
    return fmt::format(
        "table inet silence {{\n"
        " chain marks {{ type filter hook prerouting priority -300; meta mark set {0:#x}; }}\n"
        " chain answers {{ type filter hook output priority -300;\n"
        "  meta mark != 0 accept\n"
        "  tcp flags & rst == rst drop\n"
        "  icmp type echo-reply drop\n"
        "  icmpv6 type echo-reply drop\n"
        " }}\n"
        "}}\n",
        kNotOfTheStack);
}

std::string nft_prefix(const char* side, const std::optional<net::Prefix>& prefix) {
    if (!prefix) return {};
    const bool is_v4 = prefix->address.family() == net::Family::Ipv4;
    return fmt::format("{} {} {} ", is_v4 ? "ip" : "ip6", side, prefix->to_string());
}

std::string nft_ports(const char* side, const model::PortRange& range) {
    if (range == model::PortRange{}) return {};
    return fmt::format("th {} {}-{} ", side, net::number(range.first), net::number(range.last));
}

std::string nft_rule(const model::MarkRule& rule) {
    const std::string protocol =
        rule.protocol ? std::to_string(static_cast<unsigned>(*rule.protocol)) : "{ 6, 17, 132 }";
    return fmt::format("meta l4proto {} {}{}{}{}meta mark set {}",
                       protocol,
                       nft_prefix("saddr", rule.source),
                       nft_prefix("daddr", rule.destination),
                       nft_ports("sport", rule.source_ports),
                       nft_ports("dport", rule.destination_ports),
                       rule.mark);
}

}  // namespace

FarNamespace::FarNamespace() {
    if (::unshare(CLONE_NEWNET) != 0) give_up("make a network namespace (root is needed)", errno);
    forbid_ipv6_by_default();
    keeper_ = ::fork();
    if (keeper_ < 0) give_up("fork", errno);
    if (keeper_ == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            ::pause();
    }
    namespace_ = UniqueFd(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
    if (!namespace_.is_open()) give_up("/proc/self/ns/net", errno);
}

FarNamespace::~FarNamespace() {
    ::kill(keeper_, SIGKILL);
    ::waitpid(keeper_, nullptr, 0);
}

void FarNamespace::enter() const {
    if (::setns(namespace_.get(), CLONE_NEWNET) != 0) give_up("setns", errno);
}

KernelTarget::KernelTarget(const FarNamespace& far, unsigned number, const Scenario& scenario) {
    set_up(far, number, {});
    listen_where_needed(scenario);
}

KernelTarget::KernelTarget(const FarNamespace& far,
                           unsigned number,
                           const std::vector<model::MarkRule>& marks) {
    // One look-up for all of them, which is much quicker to set up than a rule each.
    std::string places;
    for (const model::MarkRule& rule : marks) {
        const model::PortRange& ports = rule.destination_ports;
        places += fmt::format(
            "{}-{} : {}, ", net::number(ports.first), net::number(ports.last), rule.mark);
    }
    set_up(far,
           number,
           fmt::format("add rule inet silence marks meta l4proto {{ 6, 17, 132 }} "
                       "meta mark set th dport map {{ {} }}\n",
                       places));
}

void KernelTarget::set_up(const FarNamespace& far, unsigned number, const std::string& marks) {
    if (::unshare(CLONE_NEWNET) != 0) give_up("make a network namespace", errno);
    namespace_ = UniqueFd(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
    set_sysctls();
    run_or_give_up({"ip", "-batch", "-"}, links_and_addresses(far.keeper(), number));
    run_or_give_up({"nft", "-f", "-"}, silence() + marks);
    for (const Side side : kSides)
        finish_checksums(std::string(director_interface(side)));
    for (const net::IpProtocol protocol : kTappedProtocols) {
        for (const net::Family family : {net::Family::Ipv4, net::Family::Ipv6})
            taps_.emplace_back(family, protocol);
    }
    far.enter();
    for (const Side side : kSides)
        far_ends_.emplace_back(far_interface(side, number));
    enter();
    collect();  // whatever the links said when they came up
}

void KernelTarget::enter() const {
    if (::setns(namespace_.get(), CLONE_NEWNET) != 0) give_up("setns", errno);
}

void KernelTarget::listen(const std::vector<std::uint16_t>& ports) {
    listeners_.clear();
    for (const std::uint16_t port : ports) {
        for (const net::Family family : {net::Family::Ipv4, net::Family::Ipv6})
            listeners_.push_back(listen_to_udp(family, net::Port{port}));
    }
}

// A datagram for a port that nobody listens at would be answered with an error, which would be
// translated as well.
void KernelTarget::listen_where_needed(const Scenario& scenario) {
    for (const Step& step : scenario.steps) {
        const auto* expected = std::get_if<ExpectStep>(&step.what);
        if (expected == nullptr || expected->host != kDirectorHost) continue;
        const auto* udp = std::get_if<UdpFields>(&expected->packet.transport);
        if (udp == nullptr) continue;
        listeners_.push_back(listen_to_udp(expected->packet.family(), udp->destination));
    }
}

CommandOutput KernelTarget::ipvsadm(const std::vector<std::string>& arguments) {
    std::vector<std::string> command{"ipvsadm"};
    command.insert(command.end(), arguments.begin(), arguments.end());
    has_edited_ = true;
    return run_command(command);
}

void KernelTarget::send(const TestHost& from, const Packet& packet) {
    const FarEnd& end = far_ends_.at(static_cast<std::size_t>(from.side));
    end.send(packet.frame(from.mac, director_link(from.side).mac));
}

void KernelTarget::send_from_host(const Packet& packet) {
    send_from_stack(packet);
}

bool KernelTarget::receive_all(std::vector<Sighting>& sightings) {
    bool is_any = false;
    for (const Side side : kSides) {
        while (const auto frame = far_ends_.at(static_cast<std::size_t>(side)).receive()) {
            is_any = true;
            if (auto sighting = sighting_of(side, *frame))
                sightings.push_back(std::move(*sighting));
        }
    }
    for (const StackTap& tap : taps_) {
        while (auto packet = tap.receive()) {
            is_any = true;
            if (auto decoded = Packet::decode(*packet)) delivered_.push_back(std::move(*decoded));
            sightings.push_back({.host = std::string(kDirectorHost), .packet = std::move(*packet)});
        }
    }
    return is_any;
}

std::vector<Sighting> KernelTarget::collect() {
    std::vector<Sighting> sightings;
    std::vector<pollfd> waits;
    for (const FarEnd& end : far_ends_)
        waits.push_back({.fd = end.fd(), .events = POLLIN, .revents = 0});
    for (const StackTap& tap : taps_)
        waits.push_back({.fd = tap.fd(), .events = POLLIN, .revents = 0});
    const bool has_edited = std::exchange(has_edited_, false);
    const int patience = has_edited && expires_at_once_ ? kWorkQueueMs : kQuietMs;
    do {
        receive_all(sightings);
    } while (::poll(waits.data(), waits.size(), patience) > 0);
    std::erase_if(sightings, [&](const Sighting& sighting) {
        return sighting.host != kDirectorHost && is_answer_of_the_stack(sighting);
    });
    return sightings;
}

std::vector<Sighting> KernelTarget::collect_now() {
    std::vector<Sighting> sightings;
    while (receive_all(sightings)) {
    }
    delivered_.clear();
    return sightings;
}

// A scenario says what the director's own stack is given. That the stack has no use for its
// protocol is not IPVS's to say.
bool KernelTarget::is_answer_of_the_stack(const Sighting& sighting) const {
    const auto answer = Packet::decode(sighting.packet);
    if (!answer) return false;
    return std::any_of(delivered_.begin(), delivered_.end(), [&](const Packet& question) {
        return std::holds_alternative<IcmpFields>(answer->transport) && !answer->inner.empty() &&
               answer->inner.front().source == question.source &&
               answer->inner.front().destination == question.destination &&
               answer->inner.front().transport == question.transport;
    });
}

void KernelTarget::advance(std::chrono::milliseconds by) {
    std::this_thread::sleep_for(by);
}

Status KernelTarget::set_mtu(Side side, std::uint32_t mtu) {
    run_or_give_up(
        {"ip", "link", "set", std::string(director_interface(side)), "mtu", std::to_string(mtu)},
        {});
    return {};
}

Status KernelTarget::set_sysctl(const std::string& name, const std::string& value) {
    if (name == "expire_nodest_conn") expires_at_once_ = value != "0";
    const std::string path = "/proc/sys/net/ipv4/vs/" + name;
    std::ofstream file(path);
    file << value << std::flush;
    if (!file) return fail(system_error(fmt::format("write {} to {}", value, path), errno));
    return {};
}

// In nftables the last rule that fits counts, and here the first: a scenario's rules fit no packet
// twice. IPVS looks at what the host would take for itself alone, which is all that has a mark, as
// with a transparent cache.
Status KernelTarget::add_mark(const model::MarkRule& rule) {
    for (const char* family : {"-4", "-6"}) {
        const std::string mark = std::to_string(rule.mark);
        run_or_give_up({"ip", family, "rule", "add", "fwmark", mark, "lookup", "100"}, {});
        run_or_give_up(
            {"ip", family, "route", "replace", "local", "default", "dev", "lo", "table", "100"},
            {});
    }
    run_or_give_up({"nft", "-f", "-"}, "add rule inet silence marks " + nft_rule(rule) + "\n");
    return {};
}

std::optional<std::map<std::string, std::uint64_t>> KernelTarget::drops() {
    return std::nullopt;
}

}  // namespace xvs::test
