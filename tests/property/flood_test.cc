// A property of the director: a flood of what looks like TCP, whole or broken in any way, from
// clients and real servers, loses no packet from its counters and leaves nothing behind.
#include <random>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "base/byte_order.h"
#include "net/checksum.h"
#include "testing/director.h"
#include "testing/literals.h"

namespace xvs::test {
namespace {

using namespace std::chrono_literals;
using namespace xvs::test::literals;  // NOLINT(google-build-using-namespace): literals only

constexpr std::size_t kPackets = 3000;
constexpr std::size_t kFlagsAt = 13;  // of the TCP header

constexpr const char* kServices =
    "-A -t 192.0.2.1:80 -s rr\n-a -t 192.0.2.1:80 -r 10.0.0.11:8080 -m\n"
    "-a -t 192.0.2.1:80 -r 10.0.0.12:8080 -m\n"
    "-A -t 192.0.2.2:80 -s wlc\n-a -t 192.0.2.2:80 -r 10.0.0.11:80 -g\n"
    "-A -t 192.0.2.2:81 -s wlc\n-a -t 192.0.2.2:81 -r 10.0.0.12:81 -i\n"
    "-A -t [2001:db8::1]:80 -s rr\n-a -t [2001:db8::1]:80 -r [2001:db8:2::11]:8080 -m";

class Flood {
public:
    explicit Flood(std::uint64_t seed) : random_(seed) {}

    void send_one(Director& director) {
        const bool is_ipv6 = one_in(4);
        const bool is_reply = one_in(3);
        const Packet packet = is_ipv6 ? ipv6(is_reply) : ipv4(is_reply);
        Bytes bytes = packet.bytes();
        const std::size_t transport = is_ipv6 ? 40 : 20;
        bytes[transport + kFlagsAt] = static_cast<std::byte>(below(256));
        if (one_in(4)) damage(bytes, transport);
        (void)director.receives(bytes,
                                Arrival{.side = is_reply ? Side::Real : Side::Client,
                                        .reason = is_reply ? XVS_REASON_REPLY : XVS_REASON_SERVICE},
                                is_ipv6 ? net::EtherType::Ipv6 : net::EtherType::Ipv4);
        if (one_in(200)) (void)director.advance(std::chrono::seconds(below(30)));
    }

private:
    std::uint32_t below(std::uint32_t limit) {
        return static_cast<std::uint32_t>(random_() % limit);
    }

    bool one_in(std::uint32_t count) { return below(count) == 0; }

    // Few enough that most packets meet a connection of others.
    net::Port client_port() { return net::Port{static_cast<std::uint16_t>(40000 + below(32))}; }

    Packet ipv4(bool is_reply) {
        static const net::Endpoint kVips[] = {
            "192.0.2.1:80"_ep, "192.0.2.2:80"_ep, "192.0.2.2:81"_ep, "192.0.2.1:79"_ep};
        static const net::Endpoint kReals[] = {
            "10.0.0.11:8080"_ep, "10.0.0.12:8080"_ep, "10.0.0.11:22"_ep};
        const net::Endpoint client{"198.51.100.7"_ip, client_port()};
        return is_reply ? Packet::tcp(kReals[below(3)], client)
                        : Packet::tcp(client, kVips[below(4)]);
    }

    Packet ipv6(bool is_reply) {
        const net::Endpoint client{"2001:db8:1::7"_ip, client_port()};
        return is_reply ? Packet::tcp("[2001:db8:2::11]:8080"_ep, client)
                        : Packet::tcp(client, "[2001:db8::1]:80"_ep);
    }

    // One byte of the headers changed, or the end cut off, or both; a changed IPv4 header mostly
    // with a right checksum, so that the rest of it is looked at.
    void damage(Bytes& bytes, std::size_t transport) {
        if (!one_in(3)) {
            const std::uint32_t at = below(static_cast<std::uint32_t>(transport) + 20);
            bytes[at] = static_cast<std::byte>(below(256));
            if (transport == 20 && !one_in(4)) fill_in_checksum(bytes);
        }
        if (one_in(3)) bytes.resize(1 + below(static_cast<std::uint32_t>(bytes.size())));
    }

    static void fill_in_checksum(Bytes& bytes) {
        const std::size_t size = std::to_integer<std::size_t>(bytes[0] & std::byte{0xf}) * 4;
        if (size < 20 || size > bytes.size()) return;
        store_be16(bytes.data() + 10, 0);
        store_be16(bytes.data() + 10, net::internet_checksum(std::span(bytes).first(size)));
    }

    std::mt19937_64 random_;
};

std::uint64_t dropped(const Director& director) {
    std::uint64_t sum = 0;
    for (const auto& [reason, count] : director.drops())
        sum += count;
    return sum;
}

RC_GTEST_PROP(FloodOfTcp, LeavesEveryPacketCountedOnce, ()) {
    Flood flood(*rc::gen::arbitrary<std::uint64_t>());
    // Some find the tables full.
    Director director(kServices, *rc::gen::element<std::uint32_t>(64U, 1024U));
    for (std::size_t i = 0; i < kPackets; ++i)
        flood.send_one(director);
    RC_ASSERT(director.inconsistencies() == "");
    // Fragments that waited for their first one are over as well.
    (void)director.advance(5min);
    const engine::PacketTotals totals = director.engine.totals();
    RC_ASSERT(totals.received == kPackets);
    RC_ASSERT(totals.received == totals.forwarded + totals.to_host + dropped(director));
    RC_ASSERT(totals.forwarded > kPackets / 20);
    RC_ASSERT(dropped(director) > 0U);

    RC_ASSERT(director.ipvsadm("-C").has_value());
    (void)director.advance(1h);
    RC_ASSERT(director.leftovers() == "");
}

}  // namespace
}  // namespace xvs::test
