// Properties of NAT: what it does to a packet, its way back undoes.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "testing/director.h"
#include "testing/literals.h"
#include "testing/packet_text.h"

namespace xvs::test {
namespace {

using namespace xvs::test::literals;  // NOLINT(google-build-using-namespace): literals only

struct Ends {
    net::Endpoint client;
    net::Endpoint vip;
    net::Endpoint real;
};

constexpr Ends kIpv4{"198.51.100.7:0"_ep, "192.0.2.1:80"_ep, "10.0.0.11:0"_ep};
constexpr Ends kIpv6{"[2001:db8:1::7]:0"_ep, "[2001:db8::1]:80"_ep, "[2001:db8:2::11]:0"_ep};

net::Port any_port() {
    return net::Port{*rc::gen::inRange<std::uint16_t>(1, 65535)};
}

Ends any_ends(bool is_ipv6) {
    Ends ends = is_ipv6 ? kIpv6 : kIpv4;
    ends.client.port = any_port();
    ends.vip.port = any_port();
    ends.real.port = any_port();
    return ends;
}

std::string services(const Ends& ends, bool is_tcp) {
    const std::string service = (is_tcp ? "-t " : "-u ") + ends.vip.to_string();
    return "-A " + service + " -s rr\n-a " + service + " -r " + ends.real.to_string() + " -m";
}

Packet any_packet(const net::Endpoint& from, const net::Endpoint& to, bool is_tcp) {
    Packet packet = is_tcp ? Packet::tcp(from, to)
                                 .flags("S")
                                 .seq(*rc::gen::arbitrary<std::uint32_t>())
                                 .window(*rc::gen::arbitrary<std::uint16_t>())
                           : Packet::udp(from, to);
    packet = packet.ttl(*rc::gen::inRange<std::uint8_t>(4, 255))
                 .tos(*rc::gen::arbitrary<std::uint8_t>());
    const auto size = *rc::gen::inRange<std::size_t>(0, 400);
    return packet.payload(*rc::gen::container<Bytes>(
        size, rc::gen::map(rc::gen::arbitrary<std::uint8_t>(), [](std::uint8_t byte) {
            return std::byte{byte};
        })));
}

// The packet that `packet` becomes when its receiver sends it back as it is.
Packet echoed(const Sent& sent) {
    Packet packet = *Packet::decode(sent.packet);
    std::swap(packet.source, packet.destination);
    std::visit(
        [](auto& fields) {
            if constexpr (requires { std::swap(fields.source, fields.destination); })
                std::swap(fields.source, fields.destination);
        },
        packet.transport);
    return packet;
}

// Two wrong rewritings can undo each other, so what lies in between is looked at too.
bool is_sound(const Sent& sent) {
    const auto packet = Packet::decode(sent.packet);
    return packet && !packet->has_bad_checksum && !packet->has_bad_ip_checksum &&
           !packet->stated_checksum;
}

// A packet goes to the real server, which sends it back with its ends exchanged: the client gets
// the very packet that it sent, its ends exchanged, two hops older.
RC_GTEST_PROP(Masquerade, ThereAndBackIsTheIdentity, ()) {
    const bool is_tcp = *rc::gen::arbitrary<bool>();
    const Ends ends = any_ends(*rc::gen::arbitrary<bool>());
    Director director(services(ends, is_tcp));
    const Packet packet = any_packet(ends.client, ends.vip, is_tcp);
    RC_LOG() << to_text(packet) << "\n";

    const auto forwarded = director.receives(packet);
    RC_ASSERT(forwarded.size() == 1U);
    RC_ASSERT(forwarded.front().to == "real1");
    RC_ASSERT(is_sound(forwarded.front()));
    const auto returned = director.hears(echoed(forwarded.front()));
    RC_ASSERT(returned.size() == 1U);
    RC_ASSERT(returned.front().to == "client");

    const Packet undone = echoed(returned.front());
    const auto expected = packet.ttl(static_cast<std::uint8_t>(packet.time_to_live - 2));
    RC_ASSERT(to_text(undone) == to_text(expected));
    RC_ASSERT(undone.bytes() == expected.bytes());
    RC_ASSERT(director.inconsistencies().empty());
}

// The same of an error of the real server's: inside and outside it is about what the client sent.
RC_GTEST_PROP(Masquerade, OfAnErrorUndoesWhatTheClientsPacketBecame, ()) {
    const Ends ends = any_ends(*rc::gen::arbitrary<bool>());
    Director director(services(ends, false));
    const Packet packet = any_packet(ends.client, ends.vip, false);
    RC_LOG() << to_text(packet) << "\n";

    const auto forwarded = director.receives(packet);
    RC_ASSERT(forwarded.size() == 1U);
    const Packet at_server = *Packet::decode(forwarded.front().packet);
    const auto error =
        Packet::icmp_error(ends.real.address, ends.client.address, "port unreachable", at_server);
    const auto returned = director.hears(error);
    RC_ASSERT(returned.size() == 1U);
    RC_ASSERT(returned.front().to == "client");

    const auto received = Packet::decode(returned.front().packet);
    RC_ASSERT(received.has_value());
    RC_ASSERT(received->source == ends.vip.address);
    RC_ASSERT(!received->inner.empty());
    // The transport checksum inside stays as it was quoted.
    Packet quoted = received->inner.front();
    quoted.stated_checksum.reset();
    quoted.has_bad_checksum = false;
    const auto sent = packet.ttl(static_cast<std::uint8_t>(packet.time_to_live - 1));
    RC_ASSERT(to_text(quoted) == to_text(sent));
}

}  // namespace
}  // namespace xvs::test
