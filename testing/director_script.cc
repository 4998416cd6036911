#include "testing/director_script.h"

#include <array>
#include <memory>

#include <fmt/format.h>

#include "testing/carried_packets.h"
#include "testing/director.h"
#include "testing/director_listing.h"
#include "testing/director_words.h"
#include "testing/kept_storage.h"
#include "testing/literals.h"
#include "testing/packet_text.h"
#include "testing/script_bytes.h"
#include "testing/server_book.h"

namespace xvs::test {
namespace {

using namespace std::chrono_literals;
using namespace xvs::test::literals;  // NOLINT(google-build-using-namespace): literals only

class Life {
public:
    // Raw packets may have any checksum, so only lives without them are checked for that.
    Life(std::span<const std::uint8_t> script, std::uint32_t workers)
        : script_(script),
          workers_(workers),
          kind_(script_.next()),
          director_(first_director()),
          has_raw_packets_((kind_ & 1) != 0) {
        if ((kind_ & 8) != 0) (void)director_->engine.set_sysctl("cache_bypass", "1");
        for (const std::string service : kServices) {
            const bool has_others = (kind_ & 16) != 0;
            const auto& servers = is_of_ipv6(service) != has_others ? kServers6 : kServers;
            const char* const clamp = (kind_ & 32) != 0 ? " --mss-clamp" : "";
            edit(fmt::format("-A {} -s {}{}", service, script_.one_of(kSchedulers), clamp));
            // What cache_bypass is for.
            if ((kind_ & 4) != 0 && service.starts_with("-f")) continue;
            for (const std::size_t i : {0U, 1U})
                edit(fmt::format(
                    "-a {} -r {}:80 {}", service, servers[i], script_.one_of(kMethods)));
        }
    }

    std::string run() {
        for (unsigned steps = 0; !script_.is_over() && problems_.empty(); ++steps) {
            step();
            problems_ += servers_.check(*director_);
            if (steps % 16 == 0) audit();
        }
        audit();
        if (problems_.empty()) end();
        return problems_;
    }

private:
    void step() {
        switch (script_.below(48)) {
            case 0:
                return edit(fmt::format("-A {}{}", script_.one_of(kServices), service_options()));
            case 1:
                return edit(fmt::format("-E {}{}", script_.one_of(kServices), service_options()));
            case 2:
                if (script_.below(4) != 0) return;
                return edit(fmt::format("-D {}", script_.one_of(kServices)));
            case 3:
            case 4:
                return edit("-a " + server());
            case 5:
                return edit("-e " + server());
            case 6:
                return edit(remove_server());
            case 7:
                return flush_or_zero();
            case 8:
                return pass_time();
            case 9:
                return change_ways();
            case 10:
            case 11:
            case 12:
            case 13:
                return has_raw_packets_ ? send_raw() : pass_time();
            case 14:
            case 15:
            case 16:
                return send_icmp();
            case 17:
                return restart();
            case 18:
                return set_sysctl();
            case 19:
                return edit_access();
            case 20:
            case 21:
                return send_tunnel_error();
            case 22:
                return flood();
            default:
                return send();
        }
    }

    void flush_or_zero() {
        if (script_.below(8) == 0) return edit("-C");
        servers_.zeroed();
        edit("-Z");
    }

    [[nodiscard]] bool has_stocks() const { return (kind_ & 2) != 0; }

    std::unique_ptr<Director> first_director() {
        DirectorParts parts{.connections = 64, .storage = &storage_};
        parts.workers = workers_;
        parts.cpus = has_stocks() ? 1 : 0;
        parts.stock = has_stocks() ? kStock : 0;
        return std::make_unique<Director>("", parts);
    }

    // The director dies, and another one goes on with its tables: to those who manage it nothing
    // has changed.
    void restart() {
        const std::string before = listing(*director_);
        DirectorParts parts{.storage = &storage_, .former = director_.get()};
        parts.stock = has_stocks() ? kStock : 0;
        parts.workers = workers_ == 1 ? 1 : 1 + script_.below(3);
        auto next = std::make_unique<Director>("", parts);
        director_ = std::move(next);
        const std::string after = listing(*director_);
        if (after != before) problems_ += "listed before:\n" + before + "and after:\n" + after;
        check(director_->advance(engine::Engine::kTimerInterval));
        audit();
    }

    void set_sysctl() {
        const std::string name = script_.one_of(kSysctls);
        (void)director_->engine.set_sysctl(name, std::to_string(script_.below(4)));
        // What it means for connections is done in the bursts that come next.
        check(director_->advance(engine::Engine::kTimerInterval));
    }

    // Whether it is refused is the unit tests' matter.
    void edit(const std::string& line) { (void)director_->ipvsadm(line); }

    static bool is_of_ipv6(const std::string& service) {
        return service.find('[') != std::string::npos || service.find("-6") != std::string::npos;
    }

    std::string service_options() {
        std::string options = fmt::format(" -s {}", script_.one_of(kSchedulers));
        const unsigned drawn = script_.next();
        const unsigned kind = drawn % 4;
        if ((drawn & 0x30) == 0x30) options += " --mss-clamp";
        if (kind == 1) options += " -p 50";
        if (kind == 2) options += " -o";
        return options;
    }

    // Now and then one of the other family, which a tunnel reaches.
    std::string server_address(const std::string& service) {
        const unsigned drawn = script_.next();
        const bool is_other = drawn / 4 % 4 == 3;
        return is_of_ipv6(service) != is_other ? kServers6[drawn % 4] : kServers[drawn % 4];
    }

    std::string server() {
        const std::string service = script_.one_of(kServices);
        const std::string address = server_address(service);
        std::string line = fmt::format("{} -r {}:{} {} -w {}",
                                       service,
                                       address,
                                       script_.below(2) == 0 ? 80 : 8080,
                                       script_.one_of(kMethods),
                                       script_.below(4));
        if (const unsigned upper = script_.below(8); upper >= 5)
            line += fmt::format(" -x {}", upper);
        return line;
    }

    // A prefix of the clients' and others', for all services or one.
    void edit_access() {
        constexpr std::array kEdits{"--deny", "--delete-deny", "--allow", "--delete-allow"};
        constexpr std::array kPrefixes{"198.51.100.7", "198.51.100.0/29"};
        constexpr std::array kPrefixes6{"2001:db8:1::7", "2001:db8:1::/64"};
        const std::string service = script_.one_of(kServices);
        const std::string prefix =
            is_of_ipv6(service) ? script_.one_of(kPrefixes6) : script_.one_of(kPrefixes);
        const std::string whose = script_.below(2) == 0 ? " " + service : "";
        edit(fmt::format("{} {}{}", script_.one_of(kEdits), prefix, whose));
    }

    std::string remove_server() {
        const std::string service = script_.one_of(kServices);
        return fmt::format(
            "-d {} -r {}:{}", service, server_address(service), script_.below(2) == 0 ? 80 : 8080);
    }

    void pass_time() {
        const unsigned kind = script_.below(4);
        if (kind == 0) edit(fmt::format("--set {} {} {}", script_.below(99), script_.below(99), 9));
        const Nanoseconds by = kind == 1 ? 1s * script_.next() : 10ms * script_.next();
        check(director_->advance(by));
    }

    void change_ways() {
        const TestHost& host = topology::kHosts[script_.below(topology::kHosts.size())];
        const net::IpAddress address = script_.below(2) == 0 ? host.v4 : host.v6;
        const std::uint32_t hop = director_->router.next_hop_of(address);
        flow::NextHopTable& hops = director_->tables->next_hops();
        switch (script_.below(5)) {
            case 0:
                if (script_.below(8) == 0) hops.invalidate(hop);
                return;
            case 1:
                return hops.unresolve(hop);
            case 2:
                hops.resolve(hop, host.mac, director_link(host.side).mac);
                return director_->engine.neighbour_resolved();
            case 3:
                hops[hop].mtu = 600 + 4 * script_.next();
                return;
            default:
                if (script_.below(2) == 0) return director_->router.add_local("203.0.113.9"_ip);
                return director_->router.remove_local("203.0.113.9"_ip);
        }
    }

    struct Ends {
        net::Endpoint from;
        net::Endpoint to;
        model::Protocol protocol = model::Protocol::Tcp;
        Side side = Side::Client;
    };

    // Often ends that a packet had before, or the other way round.
    Ends ends() {
        const unsigned choice = script_.below(4);
        if (!met_.empty() && choice != 0) return script_.one_of(met_);
        const Ends made = new_ends();
        remember(made);
        return made;
    }

    void remember(const Ends& ends) {
        constexpr std::size_t kMost = 8;
        if (met_.size() < kMost) {
            met_.push_back(ends);
        } else {
            met_[next_met_++ % kMost] = ends;
        }
    }

    // Whoever got it may answer.
    void remember_answer(const Sent& sent) {
        const auto packet = Packet::decode(sent.packet);
        const TestHost* host = find_host(sent.to);
        if (packet) carried_.remember(sent, *packet);
        if (!packet || host == nullptr || packet->part) return;
        const auto answer = [&](const auto& fields, model::Protocol protocol) {
            remember({{.address = packet->destination, .port = fields.destination},
                      {.address = packet->source, .port = fields.source},
                      protocol,
                      host->side});
        };
        if (const auto* tcp = std::get_if<TcpFields>(&packet->transport))
            answer(*tcp, model::Protocol::Tcp);
        if (const auto* udp = std::get_if<UdpFields>(&packet->transport))
            answer(*udp, model::Protocol::Udp);
        if (const auto* sctp = std::get_if<SctpFields>(&packet->transport))
            answer(*sctp, model::Protocol::Sctp);
    }

    Ends new_ends() {
        const bool is_ipv6 = script_.below(2) == 1;
        const TestHost& client = *find_host(script_.below(2) == 0 ? "client" : "real1");
        const TestHost& real = *find_host(script_.below(2) == 0 ? "real1" : "real2");
        constexpr std::array kProtocols{model::Protocol::Tcp,
                                        model::Protocol::Udp,
                                        model::Protocol::Tcp,
                                        model::Protocol::Udp,
                                        model::Protocol::Sctp};
        const model::Protocol protocol = script_.one_of(kProtocols);
        constexpr std::array<std::uint16_t, 8> kPorts{80, 53, 21, 8080, 20, 30000, 40000, 40001};
        const std::uint16_t usual = protocol == model::Protocol::Udp ? 53 : 80;
        const unsigned drawn = script_.next();
        const unsigned vip = drawn % 2;
        if (drawn / 32 == 6)
            return {{client.v4, net::Port{40000}},
                    "192.0.2.1:21"_ep,
                    model::Protocol::Tcp,
                    client.side};
        const net::Endpoint from{.address = is_ipv6 ? client.v6 : client.v4,
                                 .port = net::Port{static_cast<std::uint16_t>(
                                     script_.below(32) == 0 ? 20 : 40000 + script_.below(8))}};
        const net::Endpoint service{
            .address = drawn / 32 == 7 ? origin(is_ipv6) : topology::kVips[vip + (is_ipv6 ? 2 : 0)],
            .port = net::Port{script_.below(4) == 0 ? script_.one_of(kPorts) : usual}};
        const net::Endpoint server{
            .address = is_ipv6 ? real.v6 : real.v4,
            .port = net::Port{script_.below(4) == 0 ? script_.one_of(kPorts) : usual}};
        if (script_.below(3) == 0) return {server, from, protocol, Side::Real};
        return {from, service, protocol, client.side};
    }

    // What no VIP is, and a mark may balance.
    net::IpAddress origin(bool is_ipv6) {
        const TestHost& host = *find_host("real3");
        if (script_.below(2) == 0) return is_ipv6 ? host.v6 : host.v4;
        return is_ipv6 ? "2001:db8:9::7"_ip : "203.0.113.7"_ip;
    }

    Packet bare_packet(const Ends& ends) {
        if (ends.protocol == model::Protocol::Udp) return Packet::udp(ends.from, ends.to);
        if (ends.protocol == model::Protocol::Sctp)
            return Packet::sctp(ends.from, ends.to, {script_.one_of(kChunks)});
        const Packet packet = Packet::tcp(ends.from, ends.to).flags(script_.one_of(kFlags));
        const bool is_ftp = ends.to.port == net::Port{21} || ends.from.port == net::Port{21};
        if (!is_ftp || script_.below(2) == 0) return packet;
        return packet.flags("P.").seq(1 + script_.below(64)).payload(script_.one_of(kFtpLines));
    }

    Packet packet(const Ends& ends) {
        const Packet plain = bare_packet(ends);
        const unsigned what = script_.next();
        Packet made = plain;
        if (ends.protocol != model::Protocol::Sctp && plain.data.empty())
            made = plain.length((what & 0x80) != 0 ? 900 + script_.next() : script_.next());
        if ((what & 1) != 0 && script_.below(4) == 0)
            made = made.ttl(static_cast<std::uint8_t>(script_.below(4)));
        const bool is_ipv4 = made.family() == net::Family::Ipv4;
        if ((what & 2) != 0 && is_ipv4) made = made.df();
        if ((what & 4) != 0 && is_ipv4) made = made.ip_options(Bytes(4, std::byte{1}));
        if ((what & 4) != 0 && !is_ipv4) made = made.extension(net::IpProtocol::DestinationOptions);
        if ((what & 8) != 0 && ends.protocol == model::Protocol::Udp && is_ipv4)
            made = made.no_checksum();
        if ((what & 16) != 0) made = made.tos(static_cast<std::uint8_t>(script_.next()));
        return made;
    }

    Arrival arrival(Side side) {
        const bool is_own = script_.below(8) == 0;
        const unsigned mark = script_.below(8);
        return {.side = side,
                .reason = is_own ? XVS_REASON_EGRESS : XVS_REASON_SERVICE,
                .fwmark = mark >= 6 ? mark + 1 : 0};
    }

    void send() {
        const Ends which = ends();
        const Packet whole = packet(which);
        const Arrival how = arrival(which.side);
        if (script_.below(4) != 0) {
            check(director_->receives(whole, how));
            return;
        }
        const Packet numbered = whole.length(100U + script_.next()).ip_id(script_.below(4));
        const Packet first = Packet::fragment(numbered, 0, 48);
        const Packet second = Packet::fragment(numbered, 48, 4096);
        const unsigned drawn = script_.next();
        const bool is_reversed = (drawn & 1) != 0;
        Arrival then = how;
        if ((drawn & 6) == 6) then.fwmark = how.fwmark == 0 ? 7 : 0;
        check(director_->receives(is_reversed ? second : first, how));
        check(director_->receives(is_reversed ? first : second, then));
    }

    // So many clients that tables get full.
    void flood() {
        const unsigned most = script_.below(64);
        const unsigned first = 1024 + 64 * script_.next();
        const net::Endpoint service{topology::kVips[script_.below(2)], net::Port{80}};
        const char* const flags = script_.one_of(kFlags);
        for (unsigned i = 0; i < most; ++i) {
            const net::Endpoint from{find_host("client3")->v4,
                                     net::Port{static_cast<std::uint16_t>(first + i)}};
            check(director_->receives(Packet::tcp(from, service).flags(flags)));
        }
    }

    // Of a router between the director and a real server.
    void send_tunnel_error() {
        if (carried_.is_empty()) return;
        const Packet error = carried_.error(script_, has_raw_packets_ || script_.below(4) == 0);
        check(director_->receives(error, {.side = Side::Real}));
    }

    void send_icmp() {
        const Ends which = ends();
        const Packet quoted = packet({which.to, which.from, which.protocol, which.side});
        const Packet error =
            Packet::icmp_error(which.from.address, which.to.address, "port unreachable", quoted);
        check(director_->receives(script_.below(4) == 0 ? error.bad_checksum() : error,
                                  arrival(which.side)));
    }

    // A packet with some bytes overwritten, cut, or with an offload that may be nonsense.
    void send_raw() {
        const Ends which = ends();
        const Packet whole = packet(which);
        Bytes bytes = whole.bytes();
        const unsigned changes = script_.below(4);
        for (unsigned i = 0; i < changes && !bytes.empty(); ++i)
            bytes[(script_.next() * 3) % std::min<std::size_t>(bytes.size(), 80)] =
                static_cast<std::byte>(script_.next());
        if (script_.below(4) == 0) bytes.resize(script_.below(bytes.size() + 1));
        Arrival how = arrival(which.side);
        how.offload.segmentation = static_cast<engine::Segmentation>(script_.below(4));
        how.offload.segment_size = static_cast<std::uint16_t>(script_.next() * 7);
        how.offload.has_partial_checksum = script_.below(2) == 1;
        how.offload.checksum_start = static_cast<std::uint16_t>(script_.next());
        how.offload.checksum_offset = static_cast<std::uint16_t>(script_.below(32));
        // With the header's checksum right, the rest is looked at.
        if (script_.below(4) != 0 && bytes.size() >= 20 && whole.family() == net::Family::Ipv4) {
            if (const auto ip = net::Ipv4Writer::parse_quoted(bytes)) ip->update_checksum();
        }
        (void)director_->receives(
            bytes,
            how,
            whole.family() == net::Family::Ipv4 ? net::EtherType::Ipv4 : net::EtherType::Ipv6);
        (void)director_->given_to_host();
    }

    // What came with right checksums leaves with right ones.
    void check(const std::vector<Sent>& sent) {
        check_all(sent);
        check_all(director_->given_to_host());
    }

    void check_all(const std::vector<Sent>& sent) {
        for (const Sent& each : sent) {
            remember_answer(each);
            if (has_raw_packets_) continue;
            const auto decoded = Packet::decode(each.packet);
            if (!decoded || is_error_with_bad_checksum(*decoded)) continue;
            if (decoded->has_bad_checksum || decoded->has_bad_ip_checksum)
                problems_ += "a wrong checksum: " + to_text(*decoded) + "\n";
        }
    }

    // The script itself sends such errors; they may be the host's.
    static bool is_error_with_bad_checksum(const Packet& packet) {
        return std::holds_alternative<IcmpFields>(packet.transport) && packet.has_bad_checksum;
    }

    // What an edit changes for all connections, such as the first service of a family, is done by
    // and by.
    void audit() {
        constexpr int kMostPortions = 64;
        int portions = 0;
        do
            director_->engine.run_timers();
        while (director_->engine.has_work_left() && ++portions < kMostPortions);
        problems_ += director_->inconsistencies();
    }

    // Long enough for every timeout, one after the other.
    void end() {
        edit("-C");
        for (int second = 0; second < 1500; ++second) {
            director_->clock.advance(1s);
            director_->engine.run_timers();
        }
        (void)director_->advance(1s);
        problems_ += director_->inconsistencies() + director_->leftovers() +
                     ServerBook::check_end(*director_);
    }

    static constexpr std::uint32_t kStock = 8;

    ScriptBytes script_;
    KeptStorage storage_;
    std::uint32_t workers_;
    unsigned kind_;
    std::unique_ptr<Director> director_;
    ServerBook servers_;
    std::string problems_;
    CarriedPackets carried_;
    std::vector<Ends> met_;
    std::size_t next_met_ = 0;
    bool has_raw_packets_ = false;
};

}  // namespace

std::string run_director_script(std::span<const std::uint8_t> script, std::uint32_t workers) {
    return Life(script, workers).run();
}

}  // namespace xvs::test
