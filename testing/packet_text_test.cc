#include "testing/packet_text.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "testing/literals.h"

namespace xvs::test {
namespace {

using namespace xvs::test::literals;  // NOLINT(google-build-using-namespace): literals only

constexpr auto kClient = "198.51.100.7:40001"_ep;
constexpr auto kVip = "192.0.2.1:80"_ep;
constexpr auto kClient6 = "[2001:db8:1::7]:40001"_ep;
constexpr auto kVip6 = "[2001:db8::1]:80"_ep;

// A packet's text parses into it, and its bytes decode into a packet of the same text.
void expect_text(const Packet& packet, const std::string& text) {
    EXPECT_EQ(to_text(packet), text);
    const auto parsed = parse_packet(text);
    ASSERT_TRUE(parsed) << parsed.error().context;
    EXPECT_EQ(*parsed, packet) << "it parsed into " << to_text(*parsed);
    EXPECT_EQ(to_text(packet.bytes()), text);
}

TEST(PacketText, OfTcp) {
    expect_text(Packet::tcp(kClient, kVip).flags("S").seq(1000).ttl(63),
                "IP 198.51.100.7.40001 > 192.0.2.1.80: Flags [S], seq 1000, ttl 63, length 0");
    expect_text(Packet::tcp(kVip, kClient).flags("S.").seq(7).ack(1001).window(512).mss(1460),
                "IP 192.0.2.1.80 > 198.51.100.7.40001: Flags [S.], seq 7, ack 1001, win 512, "
                "options [mss 1460], length 0");
    expect_text(Packet::tcp(kClient6, kVip6).flags("P.").timestamp(1, 2).payload("GET /"),
                "IP6 2001:db8:1::7.40001 > 2001:db8::1.80: Flags [P.], seq 0, "
                "options [TS val 1 ecr 2], payload \"GET /\"");
    expect_text(
        Packet::tcp(kClient, kVip).bad_checksum(),
        "IP 198.51.100.7.40001 > 192.0.2.1.80: Flags [none], seq 0, bad checksum, length 0");
}

TEST(PacketText, OfUdp) {
    expect_text(Packet::udp(kClient, kVip).length(4).df().ip_id(7).tos(0xb9),
                "IP 198.51.100.7.40001 > 192.0.2.1.80: UDP, tos 0xb9, DF, ipid 7, length 4");
    expect_text(Packet::udp(kClient, kVip).no_checksum().length(40, 3),
                "IP 198.51.100.7.40001 > 192.0.2.1.80: UDP, no checksum, length 40 from 3");
    expect_text(
        Packet::udp(kClient6, kVip6).extension(net::IpProtocol::DestinationOptions).length(1),
        "IP6 2001:db8:1::7.40001 > 2001:db8::1.80: UDP, extension 60, length 1");
    expect_text(Packet::udp(kClient, kVip).ip_options(Bytes(4, std::byte{1})).length(1),
                "IP 198.51.100.7.40001 > 192.0.2.1.80: UDP, ip options 0x01010101, length 1");
}

TEST(PacketText, OfIcmp) {
    expect_text(Packet::icmp_echo(kClient.address, kVip.address).echo_id(7, 1).length(8),
                "IP 198.51.100.7 > 192.0.2.1: ICMP echo request, id 7, seq 1, length 8");
    const auto query = Packet::udp(kClient, kVip).length(4);
    expect_text(Packet::icmp_error(kVip.address, kClient.address, "fragmentation needed", query)
                    .mtu(1400)
                    .ttl(63),
                "IP 192.0.2.1 > 198.51.100.7: ICMP fragmentation needed, mtu 1400, ttl 63, "
                "quoting IP 198.51.100.7.40001 > 192.0.2.1.80: UDP, length 4");
    const auto syn = Packet::tcp(kClient6, kVip6).seq(1000);
    expect_text(Packet::icmp_error(kVip6.address, kClient6.address, "port unreachable", syn)
                    .quoted_bytes(48),
                "IP6 2001:db8::1 > 2001:db8:1::7: ICMP6 port unreachable, quoting 48 bytes of IP6 "
                "2001:db8:1::7.40001 > 2001:db8::1.80: Flags [none], seq 1000, length 0");
}

TEST(PacketText, OfAnErrorAboutATunnelThatIsCutShort) {
    const auto big = Packet::udp(kClient, kVip).length(1400).ttl(63);
    const auto outer = big.encapsulated_in_ipip("10.0.0.1"_ip, "10.0.0.11"_ip);
    expect_text(Packet::icmp_error("10.0.0.12"_ip, "10.0.0.1"_ip, "time exceeded", outer),
                "IP 10.0.0.12 > 10.0.0.1: ICMP time exceeded, quoting IP 10.0.0.1 > 10.0.0.11: "
                "IP 198.51.100.7.40001 > 192.0.2.1.80: UDP, ttl 63, length 1400");
}

TEST(PacketText, OfATunnel) {
    const auto syn = Packet::tcp(kClient, kVip).flags("S").seq(1).ttl(63);
    expect_text(syn.encapsulated_in_ipip("10.0.0.1"_ip, "10.0.0.11"_ip).df().ttl(63),
                "IP 10.0.0.1 > 10.0.0.11: ttl 63, DF, IP 198.51.100.7.40001 > 192.0.2.1.80: "
                "Flags [S], seq 1, ttl 63, length 0");
}

TEST(PacketText, OfFragments) {
    const auto whole = Packet::udp(kClient, kVip).length(3000).ip_id(7);
    expect_text(Packet::fragment(whole, 0, 1480),
                "fragment 0-1480 of IP 198.51.100.7.40001 > 192.0.2.1.80: UDP, ipid 7, "
                "length 3000");
    EXPECT_EQ(to_text(Packet::fragment(whole, 1480, 1528).bytes()),
              "piece 1480 of IP 198.51.100.7 > 192.0.2.1: protocol 17, ipid 7, "
              "length 1528 from 16");
    const auto parsed = parse_packet(to_text(Packet::fragment(whole, 1480, 1528).bytes()));
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->bytes(), Packet::fragment(whole, 1480, 1528).bytes());
    const auto whole6 = Packet::udp(kClient6, kVip6).length(2000).ip_id(0x12345678);
    const auto middle = Packet::fragment(whole6, 8, 1000);
    EXPECT_EQ(parse_packet(to_text(middle.bytes()))->bytes(), middle.bytes());
}

TEST(PacketText, OfWhatIsFree) {
    const auto packet = Packet::tcp(kClient, kVip).flags("R").any_ip_id();
    EXPECT_EQ(to_text(packet),
              "IP 198.51.100.7.40001 > 192.0.2.1.80: Flags [R], seq 0, ipid ~, length 0");
    EXPECT_EQ(*parse_packet(to_text(packet)), packet);
}

TEST(PacketText, OfBytesThatAreNoPacketShowsThem) {
    const Bytes bytes(3, std::byte{0x45});
    EXPECT_EQ(to_text(bytes), "a malformed packet of 3 bytes, 0x454545");
}

TEST(PacketText, NamesTheWordThatItDoesNotUnderstand) {
    const auto error_of = [](std::string_view text) {
        const auto parsed = parse_packet(text);
        return parsed ? "parsed" : parsed.error().context;
    };
    EXPECT_EQ(error_of("IPX 1 > 2: UDP"), "\"IPX 1 > 2: UDP\": expected IP or IP6");
    EXPECT_EQ(error_of("IP 1.2.3.4.5 > 1.2.3.5.6: UDP, ttl 256, length 4"),
              "\"ttl 256\": expected a number in range");
    EXPECT_EQ(error_of("IP 1.2.3.4.5 > 1.2.3.5.6: UDP, Flags [S]"),
              "\"Flags [S]\": no such word in a UDP packet");
    EXPECT_EQ(error_of("IP 1.2.3.4.5 > 1.2.3.5.6: Flags [X]"),
              "\"Flags [X]\": TCP flags are the letters FSRP.UEW, or none");
    EXPECT_EQ(error_of("IP ::1 > 1.2.3.5: ICMP echo request"),
              "\"::1\": no address (or address.port) of this family");
    EXPECT_NE(error_of("IP 1.2.3.4 > 1.2.3.5: ICMP port unreachable, quoting nothing"), "parsed");
    EXPECT_NE(error_of("fragment 3-8 of IP 1.2.3.4.5 > 1.2.3.5.6: UDP, length 4"), "parsed");
}

net::Endpoint endpoint(bool is_v6, std::uint8_t host, std::uint16_t port) {
    net::Endpoint endpoint = is_v6 ? kClient6 : kClient;
    auto bytes = endpoint.address.bytes();
    bytes[is_v6 ? 15 : 3] = std::byte{host};
    if (is_v6) {
        endpoint.address = net::Ipv6Address(bytes);
    } else {
        endpoint.address = net::Ipv4Address::load(bytes.data());
    }
    endpoint.port = net::Port{port};
    return endpoint;
}

RC_GTEST_PROP(PacketText, GoesThereAndBackForAnyPacket, ()) {
    const bool is_v6 = *rc::gen::arbitrary<bool>();
    const auto from =
        endpoint(is_v6, *rc::gen::arbitrary<std::uint8_t>(), *rc::gen::arbitrary<std::uint16_t>());
    const auto to =
        endpoint(is_v6, *rc::gen::arbitrary<std::uint8_t>(), *rc::gen::arbitrary<std::uint16_t>());
    Packet packet =
        *rc::gen::arbitrary<bool>()
            ? Packet::udp(from, to)
            : Packet::tcp(from, to).flags("PF.").seq(*rc::gen::arbitrary<std::uint32_t>());
    packet =
        packet.ttl(*rc::gen::arbitrary<std::uint8_t>()).tos(*rc::gen::arbitrary<std::uint8_t>());
    if (!is_v6) packet = packet.ip_id(*rc::gen::arbitrary<std::uint16_t>());
    if (*rc::gen::arbitrary<bool>()) {
        packet = packet.length(*rc::gen::inRange<std::size_t>(0, 1400));
    } else {
        const auto size = *rc::gen::inRange<std::size_t>(0, 60);
        packet = packet.payload(*rc::gen::container<Bytes>(
            size, rc::gen::map(rc::gen::arbitrary<std::uint8_t>(), [](auto byte) {
                return std::byte{byte};
            })));
    }
    if (*rc::gen::arbitrary<bool>()) packet = packet.bad_checksum();
    if (*rc::gen::arbitrary<bool>())
        packet = packet.encapsulated_in_ipip(to.address, from.address).ttl(3);
    const auto parsed = parse_packet(to_text(packet));
    if (!parsed) RC_FAIL(parsed.error().context);
    RC_ASSERT(*parsed == packet);
    const auto decoded = Packet::decode(packet.bytes());
    RC_ASSERT(decoded.has_value());
    RC_ASSERT(to_text(*decoded) == to_text(packet));
}

}  // namespace
}  // namespace xvs::test
