// Director: the engine in the network of topology.h, with packets in memory and a clock that stands
// still until a test moves it.
//
//     Director director("-A -t 192.0.2.1:80 -s rr\n"
//                       "-a -t 192.0.2.1:80 -r 10.0.0.11:8080 -m");
//     const auto sent = director.receives(Packet::tcp(kClient, kVip).flags("S"));
//     EXPECT_THAT(sent, ElementsAre(Packet::tcp(kClient, kReal).flags("S").ttl(63)));
#pragma once

#include <chrono>
#include <cstdint>
#include <iosfwd>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "engine/engine.h"
#include "flow/storage.h"
#include "flow/tables.h"
#include "io/memory_port.h"
#include "testing/fake_router.h"
#include "testing/fake_steering.h"
#include "testing/packet.h"
#include "testing/topology.h"

namespace xvs::engine {

// For GoogleTest.
void PrintTo(DropReason reason, std::ostream* out);

}  // namespace xvs::engine

namespace xvs::test {

// A packet that left the director. It equals a Packet whose bytes it has.
struct Sent {
    Bytes packet;    // from the IP header on
    std::string to;  // by its MAC: a host of the topology, or "host" when it went to the own stack
    engine::Offload offload;
    std::size_t outer_size = 0;  // of an encapsulated super-packet
    xvs_reason reason = XVS_REASON_SERVICE;
    std::uint32_t interface = 0;

    friend bool operator==(const Sent& sent, const Packet& expected) {
        return expected.matches(sent.packet);
    }
};

void PrintTo(const Sent& sent, std::ostream* out);

// What comes along with a packet that the director receives.
struct Arrival {
    Side side = Side::Client;
    xvs_reason reason = XVS_REASON_SERVICE;
    engine::Offload offload{};
    std::uint32_t fwmark = 0;
    std::optional<std::uint8_t> worker{};  // that gets it, or its client's
    // Where the side's is not meant: loopback.
    std::optional<std::uint32_t> interface {};
};

struct ServerCounts {
    std::uint32_t active = 0;
    std::uint32_t inactive = 0;
    std::uint32_t persistent = 0;

    bool operator==(const ServerCounts&) const = default;
};

void PrintTo(const ServerCounts& counts, std::ostream* out);

class Director;

struct DirectorParts {
    std::uint32_t connections = 1024;
    flow::Storage* storage = nullptr;  // for the tables, outliving the director; or one of its own
    std::uint32_t cpus = 0;            // on which programs in the kernel replay
    std::uint32_t workers = 1;
    std::uint32_t stock = 0;                   // decisions made ahead of time for each service
    std::uint32_t stock_by_counts = 1;         // those that compare counts; 1: none
    Nanoseconds time = std::chrono::hours(1);  // at the start
    // One that died at any moment: its tables are in `storage`, its services are wanted again, and
    // its network is the same.
    const Director* former = nullptr;
};

class Director {
public:
    // `services` as for ipvsadm(); every line must be accepted.
    explicit Director(std::string_view services = {}) : Director(services, DirectorParts{}) {}

    Director(std::string_view services, std::uint32_t connections)
        : Director(services, DirectorParts{.connections = connections}) {}

    Director(std::string_view services, const DirectorParts& parts);
    Director(const Director&) = delete;
    Director& operator=(const Director&) = delete;

    // Runs lines of ipvsadm's that change something (-A -E -D -C -a -e -d -Z --set), with or
    // without the program's name. Stops at the first that is refused.
    Status ipvsadm(std::string_view lines);

    // Returns what was sent for it, in order.
    std::vector<Sent> receives(const Packet& packet) { return receives(packet, {}); }

    std::vector<Sent> receives(const Packet& packet, const Arrival& arrival);
    // The same of any bytes behind an Ethernet header of `type`.
    std::vector<Sent> receives(std::span<const std::byte> packet,
                               const Arrival& arrival,
                               net::EtherType type);

    // From the side of the real servers.
    std::vector<Sent> hears(const Packet& packet) { return receives(packet, {.side = Side::Real}); }

    // A packet that the host's own stack sends from a NAT destination.
    std::vector<Sent> sends_itself(const Packet& packet) {
        return receives(packet, {.side = Side::Client, .reason = XVS_REASON_EGRESS});
    }

    // Queues a packet that the next receives() takes in the same burst.
    void queue(const Packet& packet, const Arrival& arrival = {});

    // The worker that a client's connections belong to.
    [[nodiscard]] std::uint8_t worker_of(const net::Endpoint& client) const;

    // What all ports have flushed since the last call.
    std::vector<io::MemoryPort::Output> take_output();

    // Lets time pass, timers included; returns what was sent meanwhile.
    std::vector<Sent> advance(Nanoseconds by);

    // Returns what went to the host's own stack since the last call.
    std::vector<Sent> given_to_host();

    // "TCP 198.51.100.7:40001 192.0.2.1:80 10.0.0.11:8080 ESTABLISHED", in the order of their
    // records.
    std::vector<std::string> connections();
    std::vector<model::ConnectionInfo> connection_infos();

    // `server` of `service`, both as ipvsadm takes them: counts("-t 192.0.2.1:80", "10.0.0.11:80").
    [[nodiscard]] ServerCounts counts(std::string_view service, std::string_view server) const;
    [[nodiscard]] model::Statistics statistics(std::string_view service,
                                               std::string_view server) const;
    [[nodiscard]] model::Statistics statistics(std::string_view service) const;
    [[nodiscard]] model::Statistics statistics(const engine::ServiceState& service) const;
    [[nodiscard]] model::Statistics total() const;

    // Those that are not 0.
    [[nodiscard]] std::map<engine::DropReason, std::uint64_t> drops() const;

    // Returns what is wrong with the tables and counts, a sentence a line; nothing if all agrees:
    // entries, records, references of translations, a real server's counts, templates' counts,
    // and what was asked of the steering.
    [[nodiscard]] std::string inconsistencies();

    // Returns what is left in tables that ought to be empty once every service is gone, every
    // connection over and the trash emptied.
    [[nodiscard]] std::string leftovers();

    VirtualClock clock;
    flow::PrivateStorage storage;
    flow::Sizes sizes;
    std::unique_ptr<flow::Tables> tables;
    testing::FakeRouter router;
    testing::FakeSteering steering;
    std::vector<std::unique_ptr<io::MemoryPort>> ports;  // of each worker
    io::MemoryPort& port;                                // the first one's
    engine::Engine engine;

private:
    template <class Ip>
    [[nodiscard]] std::uint8_t worker_of(const engine::Frame& frame, const Arrival& arrival) const;
    [[nodiscard]] std::uint8_t worker_of(const Bytes& frame, const Arrival& arrival) const;
    std::vector<Sent> process();
    void collect();
    void restore_services(const engine::Engine& former);

    std::vector<Sent> sent_;
    std::vector<Sent> to_host_;
};

// The ifindex of a side's interface; loopback's is 1.
[[nodiscard]] constexpr std::uint32_t interface_of(Side side) noexcept {
    return side == Side::Client ? 2 : 3;
}

// Runs one line on `engine`.
[[nodiscard]] Status run_ipvsadm_line(engine::Engine& engine, std::string_view line);

// "-t 192.0.2.1:80", "-u [2001:db8::1]:53", "-f 7", "-f 7 -6".
[[nodiscard]] Result<model::ServiceKey> parse_service_key(std::string_view text);

}  // namespace xvs::test
