#include "tests/differential/random_story.h"

#include <array>
#include <string_view>

#include <fmt/format.h>

#include "base/random_test.h"
#include "net/sctp.h"
#include "testing/topology.h"

namespace xvs::test {
namespace {

constexpr std::array<std::string_view, 13> kSchedulers{
    "rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "mh", "sed", "nq", "fo", "ovf"};
constexpr std::array<std::string_view, 3> kMethods{"-m", "-g", "-i"};
// What a client sends, and a real server answers.
constexpr std::array<std::string_view, 12> kClientFlags{
    "S", "S", "S", "S", ".", ".", "P.", "F.", "F.", "R", "S.", "none"};
constexpr std::array<std::string_view, 8> kServerFlags{
    "S.", "S.", ".", "P.", "F.", "F.", "R.", "S"};
// SCTP: those that open an association are the most.
constexpr std::array<std::string_view, 14> kClientChunks{"INIT",
                                                         "INIT",
                                                         "INIT",
                                                         "COOKIE ECHO",
                                                         "COOKIE ECHO",
                                                         "COOKIE ECHO, DATA",
                                                         "DATA",
                                                         "SACK",
                                                         "HEARTBEAT",
                                                         "SHUTDOWN",
                                                         "SHUTDOWN ACK",
                                                         "SHUTDOWN COMPLETE",
                                                         "ABORT",
                                                         "ERROR"};
constexpr std::array<std::uint8_t, 11> kServerChunks{net::sctp_chunk::kInitAck,
                                                     net::sctp_chunk::kInitAck,
                                                     net::sctp_chunk::kCookieAck,
                                                     net::sctp_chunk::kCookieAck,
                                                     net::sctp_chunk::kData,
                                                     net::sctp_chunk::kInit,
                                                     net::sctp_chunk::kShutdown,
                                                     net::sctp_chunk::kShutdownAck,
                                                     net::sctp_chunk::kShutdownComplete,
                                                     net::sctp_chunk::kAbort,
                                                     net::sctp_chunk::kHeartbeat};
constexpr std::array<std::string_view, 6> kTunnels{"",
                                                   "",
                                                   " --tun-type gre",
                                                   " --tun-type gre --tun-csum",
                                                   " --tun-type gue --tun-port 6080",
                                                   " --tun-type gue --tun-port 6081 --tun-csum"};
constexpr std::array<std::string_view, 19> kSysctls{"conn_reuse_mode=0",
                                                    "conn_reuse_mode=1",
                                                    "conn_reuse_mode=2",
                                                    "conn_reuse_mode=3",
                                                    "expire_nodest_conn=1",
                                                    "expire_nodest_conn=0",
                                                    "expire_quiescent_template=1",
                                                    "expire_quiescent_template=0",
                                                    "sloppy_tcp=1",
                                                    "sloppy_tcp=0",
                                                    "sloppy_sctp=1",
                                                    "sloppy_sctp=0",
                                                    "nat_icmp_send=1",
                                                    "nat_icmp_send=0",
                                                    "schedule_icmp=1",
                                                    "schedule_icmp=0",
                                                    "pmtu_disc=0",
                                                    "secure_tcp=3",
                                                    "secure_tcp=0"};
constexpr std::array<std::string_view, 6> kMasks4{
    "255.255.255.0", "255.255.255.0", "255.255.255.254", "255.0.0.0", "0.0.0.0", "0.0.0.255"};
constexpr std::array<std::string_view, 6> kMasks6{"64", "64", "1", "48", "127", "128"};
constexpr std::array<std::string_view, 3> kErrors4{
    "port unreachable", "host unreachable", "time exceeded"};
constexpr std::array<std::string_view, 2> kErrors6{"port unreachable", "time exceeded"};

constexpr unsigned kMostServices = 3;
constexpr unsigned kPortsOfMark = 4;
// With headers no more than the links' 1,500 bytes, but more than some tunnels take.
constexpr unsigned kLongPacket = 1380;

unsigned place_of(std::uint64_t seed) {
    return static_cast<unsigned>(seed % kStoriesApart);
}

unsigned service_port(unsigned place, unsigned number) {
    return 100 + 4 * place + number;
}

unsigned first_marked_port(unsigned place, unsigned number) {
    return 300 + kPortsOfMark * (4 * place + number);
}

unsigned mark_of(unsigned place, unsigned number) {
    return 100 + 4 * place + number;
}

std::string mark_rule(unsigned place, unsigned number) {
    const unsigned first = first_marked_port(place, number);
    return fmt::format("{} --dport {}-{}", mark_of(place, number), first, first + kPortsOfMark - 1);
}

enum class Protocol : std::uint8_t { Tcp, Udp, Sctp };

std::string_view service_option(Protocol protocol) {
    switch (protocol) {
        case Protocol::Tcp:
            return "-t";
        case Protocol::Udp:
            return "-u";
        case Protocol::Sctp:
            break;
    }
    return "--sctp-service";
}

std::string_view quoted_transport(Protocol protocol) {
    switch (protocol) {
        case Protocol::Tcp:
            return "Flags [.]";
        case Protocol::Udp:
            return "UDP";
        case Protocol::Sctp:
            break;
    }
    return "SCTP [DATA]";
}

struct Service {
    std::string name;  // "-t 192.0.2.1:80"
    bool is_v6 = false;
    Protocol protocol = Protocol::Tcp;
    bool is_marked = false;
    bool is_any_port = false;
    unsigned number = 0;
    unsigned vip = 0;  // 0 or 1
};

struct Flow {
    const TestHost* client = nullptr;
    bool is_v6 = false;
    Protocol protocol = Protocol::Tcp;
    std::string from;  // as packets are printed
    std::string to;
    std::string client_address;
    std::string vip;
};

class Teller {
public:
    explicit Teller(std::uint64_t seed) : random_(seed), place_(place_of(seed)) {}

    Story tell() {
        line("service --set 1 1 1");
        const unsigned services = 1 + random_.below(kMostServices);
        for (unsigned i = 0; i < services; ++i)
            add_service(i);
        const unsigned flows = 2 + random_.below(6);
        for (unsigned i = 0; i < flows; ++i)
            add_flow();
        if (one_in(3)) set_sysctl();
        const unsigned steps = 12 + random_.below(28);
        for (unsigned i = 0; i < steps; ++i)
            step();
        story_.push_back({.kind = StoryStep::Kind::Wait, .text = {}});
        return std::move(story_);
    }

private:
    bool one_in(unsigned count) { return random_.below(count) == 0; }

    template <class Choices>
    auto one_of(const Choices& choices) {
        return choices[random_.below(static_cast<std::uint32_t>(choices.size()))];
    }

    void line(std::string text, unsigned flow = StoryStep::kNoFlow) {
        story_.push_back({.kind = StoryStep::Kind::Line, .flow = flow, .text = std::move(text)});
    }

    static std::string in_brackets(const net::IpAddress& address) {
        return address.family() == net::Family::Ipv6 ? "[" + address.to_string() + "]"
                                                     : address.to_string();
    }

    static const net::IpAddress& vip_of(const Service& service) {
        return topology::kVips[service.vip + (service.is_v6 ? 2 : 0)];
    }

    std::string scheduler() {
        const std::string_view name = one_of(kSchedulers);
        std::string text = fmt::format("-s {}", name);
        if ((name != "sh" && name != "mh") || one_in(2)) return text;
        const unsigned which = random_.below(3);
        text += " -b ";
        if (which != 1) text += fmt::format("{}-fallback", name);
        if (which == 2) text += ",";
        if (which != 0) text += fmt::format("{}-port", name);
        return text;
    }

    std::string persistence(bool is_v6) {
        std::string text = one_in(2) ? " -p 300" : " -p 2";
        if (one_in(3)) text += fmt::format(" -M {}", is_v6 ? one_of(kMasks6) : one_of(kMasks4));
        return text;
    }

    std::string service_options(const Service& service) {
        std::string text = " " + scheduler();
        if (service.is_any_port || one_in(4)) {
            text += persistence(service.is_v6);
        }
        if (service.protocol == Protocol::Udp && one_in(4)) text += " -o";
        return text;
    }

    Protocol protocol() {
        if (one_in(5)) return Protocol::Sctp;
        return one_in(3) ? Protocol::Udp : Protocol::Tcp;
    }

    void add_service(unsigned number) {
        Service service;
        service.number = number;
        service.is_v6 = one_in(3);
        service.protocol = protocol();
        service.vip = random_.below(2);
        const unsigned kind = random_.below(10);
        service.is_marked = kind < 2;
        service.is_any_port = kind == 2;
        if (service.is_marked) {
            service.name =
                fmt::format("-f {}{}", mark_of(place_, number), service.is_v6 ? " -6" : "");
            line("mark " + mark_rule(place_, number));
        } else {
            service.name = fmt::format("{} {}:{}",
                                       service_option(service.protocol),
                                       in_brackets(vip_of(service)),
                                       service.is_any_port ? 0 : service_port(place_, number));
        }
        line("service -A " + service.name + service_options(service));
        services_.push_back(service);
        const unsigned servers = random_.below(5);
        for (unsigned i = 0; i < servers; ++i)
            line(server("-a", services_.back()));
    }

    std::string real_server(const Service& service) {
        const TestHost& host = topology::kHosts[3 + random_.below(4)];
        // A tunnel may lead to the other family.
        const bool is_other = method(service) == "-i" && one_in(6);
        const std::string text = in_brackets(service.is_v6 != is_other ? host.v6 : host.v4);
        const bool has_port = !service.is_marked && !service.is_any_port;
        return fmt::format("{}:{}", text, has_port ? service_port(place_, service.number) : 0);
    }

    // A real server keeps its method through edits: ADR-0023.
    std::string_view method(const Service& service) {
        return kMethods[(place_ + service.number) % kMethods.size()];
    }

    unsigned weight() {
        if (one_in(6)) return 0;
        return 1 + random_.below(one_in(6) ? 65535 : 4);
    }

    std::string server(std::string_view command, const Service& service) {
        std::string text = fmt::format(
            "service {} {} -r {} {}", command, service.name, real_server(service), method(service));
        if (method(service) == "-i") text += one_of(kTunnels);
        text += fmt::format(" -w {}", weight());
        if (one_in(6)) {
            const unsigned upper = 1 + random_.below(4);
            text += fmt::format(" -x {}", upper);
            if (one_in(2)) text += fmt::format(" -y {}", random_.below(upper + 1));
        }
        return text;
    }

    void add_flow() {
        const Service& service = one_of(services_);
        Flow flow;
        flow.client = &topology::kHosts[random_.below(3)];
        flow.is_v6 = service.is_v6;
        flow.protocol = service.is_marked ? protocol() : service.protocol;
        unsigned port = service_port(place_, service.number);
        if (service.is_marked)
            port = first_marked_port(place_, service.number) + random_.below(kPortsOfMark);
        if (service.is_any_port) port = service_port(place_, random_.below(4));
        if (one_in(12)) port = service_port(place_, 3);
        const auto& vip = service.is_marked
                              ? topology::kVips[random_.below(2) + (flow.is_v6 ? 2 : 0)]
                              : vip_of(service);
        flow.client_address = (flow.is_v6 ? flow.client->v6 : flow.client->v4).to_string();
        flow.vip = vip.to_string();
        flow.from =
            fmt::format("{}.{}", flow.client_address, 40000 + 16 * place_ + random_.below(8));
        flow.to = fmt::format("{}.{}", flow.vip, port);
        flows_.push_back(flow);
    }

    void step() {
        switch (random_.below(20)) {
            case 0:
                return line(server("-a", one_of(services_)));
            case 1:
                return line(server("-e", one_of(services_)));
            case 2: {
                const Service& service = one_of(services_);
                return line(fmt::format("service -d {} -r {}", service.name, real_server(service)));
            }
            case 3:
                return edit_service();
            case 4:
                return set_sysctl();
            case 5:
                return one_in(2) ? wait() : request();
            case 6:
                return client_error();
            case 7:
            case 8:
            case 9:
            case 10:
                return answer();
            case 11:
                return server_error();
            default:
                return request();
        }
    }

    // The kernel zeroes what it has last summed up, two seconds ago or less: just now, after a
    // wait.
    void wait() {
        story_.push_back({.kind = StoryStep::Kind::Wait, .text = {}});
        if (one_in(4)) line("service -Z " + one_of(services_).name);
    }

    void edit_service() {
        const Service& service = one_of(services_);
        switch (random_.below(8)) {
            case 0:
                return line("service -D " + service.name);
            case 1:
            case 2:
                return line("service -A " + service.name + service_options(service));
            default:
                return line("service -E " + service.name + service_options(service));
        }
    }

    void set_sysctl() { line(fmt::format("sysctl {}", one_of(kSysctls))); }

    std::string_view family(const Flow& flow) { return flow.is_v6 ? "IP6" : "IP"; }

    void request() {
        const unsigned number = random_.below(static_cast<std::uint32_t>(flows_.size()));
        const Flow& flow = flows_[number];
        std::string text =
            fmt::format("{} > {} {} > {}: ", flow.client->name, family(flow), flow.from, flow.to);
        switch (flow.protocol) {
            case Protocol::Tcp:
                text +=
                    fmt::format("Flags [{}], seq {}", one_of(kClientFlags), random_.below(1000));
                break;
            case Protocol::Udp:
                text += "UDP";
                break;
            case Protocol::Sctp:
                text +=
                    fmt::format("SCTP [{}], tag {}", one_of(kClientChunks), random_.below(1000));
                break;
        }
        if (one_in(10)) text += fmt::format(", ttl {}", 1 + random_.below(2));
        if (one_in(6)) text += fmt::format(", tos {}", random_.below(256));
        // What is too long for a tunnel is not to be cut: the pieces are numbered at random.
        const bool is_long = one_in(8);
        if (!flow.is_v6 && (is_long || one_in(3))) text += ", DF";
        text += fmt::format(", length {}",
                            is_long ? kLongPacket + random_.below(60) : random_.below(64));
        line(std::move(text), number);
    }

    void answer() {
        story_.push_back({.kind = StoryStep::Kind::Answer,
                          .flow = random_.below(static_cast<std::uint32_t>(flows_.size())),
                          .text = std::string(one_of(kServerFlags)),
                          .chunks = {one_of(kServerChunks)},
                          .length = random_.below(64)});
    }

    void server_error() {
        const unsigned number = random_.below(static_cast<std::uint32_t>(flows_.size()));
        const auto name = flows_[number].is_v6 ? one_of(kErrors6) : one_of(kErrors4);
        story_.push_back(
            {.kind = StoryStep::Kind::Error, .flow = number, .text = std::string(name)});
    }

    // About what the client got from the VIP, or would have.
    void client_error() {
        const unsigned number = random_.below(static_cast<std::uint32_t>(flows_.size()));
        const Flow& flow = flows_[number];
        line(fmt::format("{} > {} {} > {}: {} {}, quoting {} {} > {}: {}, length 4",
                         flow.client->name,
                         family(flow),
                         flow.client_address,
                         flow.vip,
                         flow.is_v6 ? "ICMP6" : "ICMP",
                         flow.is_v6 ? one_of(kErrors6) : one_of(kErrors4),
                         family(flow),
                         flow.to,
                         flow.from,
                         quoted_transport(flow.protocol)),
             number);
    }

    Random random_;
    unsigned place_;
    Story story_;
    std::vector<Service> services_;
    std::vector<Flow> flows_;
};

}  // namespace

Story make_story(std::uint64_t seed) {
    return Teller(seed).tell();
}

std::vector<std::string> all_mark_rules() {
    std::vector<std::string> rules;
    for (unsigned place = 0; place < kStoriesApart; ++place) {
        for (unsigned number = 0; number < kMostServices; ++number)
            rules.push_back(mark_rule(place, number));
    }
    return rules;
}

std::vector<std::uint16_t> udp_ports(std::uint64_t seed) {
    const unsigned place = place_of(seed);
    std::vector<std::uint16_t> ports;
    for (unsigned number = 0; number <= kMostServices; ++number) {
        ports.push_back(static_cast<std::uint16_t>(service_port(place, number)));
        for (unsigned i = 0; i < kPortsOfMark; ++i)
            ports.push_back(static_cast<std::uint16_t>(first_marked_port(place, number) + i));
    }
    return ports;
}

}  // namespace xvs::test
