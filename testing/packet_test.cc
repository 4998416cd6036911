#include "testing/packet.h"

#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "testing/literals.h"
#include "testing/packet_text.h"

namespace xvs::test {
namespace {

using namespace xvs::test::literals;  // NOLINT(google-build-using-namespace): literals only

constexpr auto kClient = "198.51.100.7:40001"_ep;
constexpr auto kVip = "192.0.2.1:80"_ep;
constexpr auto kClient6 = "[2001:db8:1::7]:40001"_ep;
constexpr auto kVip6 = "[2001:db8::1]:80"_ep;

std::string hex(std::span<const std::byte> bytes) {
    std::string text;
    for (const std::byte byte : bytes)
        text += fmt::format("{:02x}", byte);
    return text;
}

// Headers that scapy 2.5 wrote for the same packets.
TEST(Packet, WritesASynAsOthersDo) {
    EXPECT_EQ(hex(Packet::tcp(kClient, kVip).flags("S").seq(1000).mss(1460).bytes()),
              "4500002c0000000040068e90c6336407c00002019c410050000003e8000000006002ffff0b710000"
              "020405b4");
}

TEST(Packet, WritesUdpOverIpv6AsOthersDo) {
    EXPECT_EQ(hex(Packet::udp(kClient6, kVip6).payload("abc").ttl(63).bytes()),
              "60000000000b113f20010db800010000000000000000000720010db8000000000000000000000001"
              "9c410050000b4369616263");
}

TEST(Packet, WritesAnErrorAsOthersDo) {
    const auto query = Packet::udp(kClient, kVip).payload("abcd");
    EXPECT_EQ(
        hex(Packet::icmp_error(kVip.address, kClient.address, "port unreachable", query).bytes()),
        "4500003c0000000040018e85c0000201c63364070303e95600000000450000200000000040118e91"
        "c6336407c00002019c410050000cb24161626364");
}

TEST(Packet, WritesAFragmentOverIpv6AsOthersDo) {
    const auto whole = Packet::udp(kClient6, kVip6).payload("abcdefghijklmnop").ip_id(7);
    EXPECT_EQ(hex(Packet::fragment(whole, 8, 8).bytes()),
              "6000000000102c4020010db800010000000000000000000720010db8000000000000000000000001"
              "11000009000000076162636465666768");
}

TEST(Packet, WritesATunnelAsOthersDo) {
    const auto inside = Packet::udp(kClient, kVip).payload("ab").ttl(63).df();
    EXPECT_EQ(hex(inside.encapsulated_in_ipip("10.0.0.1"_ip, "10.0.0.11"_ip).ttl(63).bytes()),
              "45000032000000003f0467bd0a0000010a00000b4500001e000040003f114f93c6336407c0000201"
              "9c410050000a15aa6162");
}

TEST(Packet, FragmentsAddUpToTheWhole) {
    const auto whole = Packet::udp(kClient, kVip).length(3000).ip_id(7);
    const auto first = Packet::fragment(whole, 0, 1480);
    const auto last = Packet::fragment(whole, 1480, 9999);
    EXPECT_EQ(first.part, (FragmentPart{.offset = 0, .length = 1480, .more = true}));
    EXPECT_EQ(last.part, (FragmentPart{.offset = 1480, .length = 1528, .more = false}));
    const auto payload_of = [](const Packet& packet) {
        return hex(packet.bytes()).substr(40);
    };
    EXPECT_EQ(payload_of(first) + payload_of(last), payload_of(whole));
}

TEST(Packet, QuotesNoMoreThanAnErrorMay) {
    const auto big = Packet::udp(kClient, kVip).length(1400);
    EXPECT_EQ(
        Packet::icmp_error(kVip.address, kClient.address, "time exceeded", big).bytes().size(),
        576U);
    const auto big6 = Packet::udp(kClient6, kVip6).length(1400);
    EXPECT_EQ(
        Packet::icmp_error(kVip6.address, kClient6.address, "time exceeded", big6).bytes().size(),
        1280U);
}

TEST(Packet, MatchesOnlyItsOwnBytes) {
    const auto packet = Packet::tcp(kClient, kVip).flags("S").seq(1000).length(3);
    const Bytes bytes = packet.bytes();
    EXPECT_TRUE(packet.matches(bytes));
    for (std::size_t at = 0; at < bytes.size(); ++at) {
        Bytes other = bytes;
        other[at] ^= std::byte{1};
        EXPECT_FALSE(packet.matches(other)) << "byte " << at;
    }
}

TEST(Packet, LeavesToTheSenderWhatItSaysIsFree) {
    const auto inside = Packet::tcp(kClient, kVip).flags("S");
    const auto expected = inside.encapsulated_in_ipip("10.0.0.1"_ip, "10.0.0.11"_ip).any_ip_id();
    const auto sent = inside.encapsulated_in_ipip("10.0.0.1"_ip, "10.0.0.11"_ip);
    EXPECT_TRUE(expected.matches(sent.ip_id(4711).bytes()));
    EXPECT_FALSE(expected.matches(sent.ip_id(4711).ttl(63).bytes()));
    EXPECT_FALSE(expected.matches(
        inside.ip_id(1).encapsulated_in_ipip("10.0.0.1"_ip, "10.0.0.11"_ip).bytes()))
        << "the inner packet's is not free";
    EXPECT_TRUE(Packet::tcp(kClient6, kVip6)
                    .any_flow_label()
                    .matches(Packet::tcp(kClient6, kVip6).flow_label(0x12345).bytes()));
}

TEST(Packet, OfAWrongChecksumIsToldFromTheRightOne) {
    const auto good = Packet::udp(kClient, kVip).length(4);
    EXPECT_NE(good.bytes(), good.bad_checksum().bytes());
    EXPECT_NE(good.bytes(), good.bad_ip_checksum().bytes());
    EXPECT_NE(good.bytes(), good.no_checksum().bytes());
    EXPECT_EQ(to_text(good.checksum(0x1234).bytes()),
              "IP 198.51.100.7.40001 > 192.0.2.1.80: UDP, checksum 0x1234, length 4");
    EXPECT_EQ(*Packet::decode(good.checksum(0x1234).bytes()), good.checksum(0x1234));
    EXPECT_EQ(to_text(good.bad_checksum().bad_ip_checksum().bytes()),
              "IP 198.51.100.7.40001 > 192.0.2.1.80: UDP, bad ip checksum, bad checksum, length 4");
}

TEST(Packet, FrameStartsWithAnEthernetHeader) {
    const auto from = *net::MacAddress::parse("02:00:00:00:01:07");
    const auto to = *net::MacAddress::parse("02:00:00:00:01:01");
    const auto frame = Packet::tcp(kClient6, kVip6).frame(from, to);
    EXPECT_EQ(hex(std::span(frame).first(14)), "02000000010102000000010786dd");
    EXPECT_EQ(frame.size(), 14U + 40 + 20);
}

}  // namespace
}  // namespace xvs::test
