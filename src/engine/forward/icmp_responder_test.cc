#include "engine/forward/icmp_responder.h"

#include <gmock/gmock.h>

#include "testing/director.h"
#include "testing/literals.h"

namespace xvs::test {
namespace {

using namespace std::chrono_literals;
using namespace xvs::test::literals;  // NOLINT(google-build-using-namespace): literals only
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr auto kClient = "198.51.100.7:40001"_ep;
constexpr auto kVip = "192.0.2.1:53"_ep;
constexpr auto kClient6 = "[2001:db8:1::7]:40001"_ep;
constexpr auto kVip6 = "[2001:db8::1]:53"_ep;

constexpr auto kNobody =
    "-A -u 192.0.2.1:53 -s rr\n"
    "-A -u [2001:db8::1]:53 -s rr";

constexpr std::uint8_t kInternetControl = 0xc0;

Packet error(const Packet& about, std::string_view name) {
    const Packet made = Packet::icmp_error(about.destination, about.source, name, about);
    return about.family() == net::Family::Ipv4 ? made.tos(kInternetControl).any_ip_id() : made;
}

TEST(IcmpResponder, TellsThatThePortIsUnreachableWithoutAServer) {
    Director director(kNobody);
    const Packet asked = Packet::udp(kClient, kVip).length(10);
    const auto sent = director.receives(asked);
    EXPECT_THAT(sent, ElementsAre(error(asked, "port unreachable")));
    EXPECT_EQ(sent[0].to, "client");
    const Packet asked6 = Packet::udp(kClient6, kVip6).length(10);
    EXPECT_THAT(director.receives(asked6), ElementsAre(error(asked6, "port unreachable")));
}

TEST(IcmpResponder, QuotesAsMuchAsTheFamilyAllows) {
    Director director(kNobody);
    const auto sent = director.receives(Packet::udp(kClient, kVip).length(1400));
    ASSERT_THAT(sent, SizeIs(1));
    EXPECT_EQ(sent[0].packet.size(), 576U);
    EXPECT_FALSE(Packet::decode(sent[0].packet)->has_bad_checksum);
    const auto sent6 = director.receives(Packet::udp(kClient6, kVip6).length(1400));
    ASSERT_THAT(sent6, SizeIs(1));
    EXPECT_EQ(sent6[0].packet.size(), 1280U);
    EXPECT_FALSE(Packet::decode(sent6[0].packet)->has_bad_checksum);
}

// Kernel: icmp_ratelimit of a second, with a reserve of six.
TEST(IcmpResponder, TellsOneClientSixTimesAndThenOnceASecond) {
    Director director(kNobody);
    std::size_t told = 0;
    for (int i = 0; i < 20; ++i)
        told += director.receives(Packet::udp(kClient, kVip)).size();
    EXPECT_EQ(told, 6U);
    director.advance(1s);
    EXPECT_THAT(director.receives(Packet::udp(kClient, kVip)), SizeIs(1));
    EXPECT_THAT(director.receives(Packet::udp(kClient, kVip)), IsEmpty());
}

TEST(IcmpResponder, TellsAllTogetherFiftyAtOnce) {
    Director director(kNobody);
    std::size_t told = 0;
    for (std::uint32_t i = 1; i <= 200; ++i) {
        const net::Endpoint from{.address = net::Ipv4Address(0x0b000000 + i), .port = net::Port{7}};
        told += director.receives(Packet::udp(from, kVip)).size();
    }
    // Two of the receivers may share a place, which takes nothing from the whole.
    EXPECT_EQ(told, 50U);
}

TEST(IcmpResponder, TellsTheMtuEachTime) {
    Director director(
        "-A -u 192.0.2.1:53 -s rr\n"
        "-a -u 192.0.2.1:53 -r 10.0.0.11 -m");
    director.tables->next_hops()[director.router.next_hop_of("10.0.0.11"_ip)].mtu = 1000;
    const Packet large = Packet::udp(kClient, kVip).length(1200).df();
    for (int i = 0; i < 20; ++i) {
        const auto sent = director.receives(large);
        ASSERT_THAT(sent, SizeIs(1));
        const auto told = Packet::decode(sent[0].packet);
        EXPECT_EQ(std::get<IcmpFields>(told->transport).rest, 1000U);
    }
    EXPECT_EQ(director.drops().at(engine::DropReason::TooBig), 20U);
}

TEST(IcmpResponder, SaysNothingAboutErrorsAndFollowers) {
    Director director(
        "-A -u 192.0.2.1:53 -s rr\n"
        "-a -u 192.0.2.1:53 -r 10.0.0.11 -m");
    director.receives(Packet::udp(kClient, kVip));
    const Packet reply = Packet::udp(kVip, kClient).length(4);
    EXPECT_THAT(
        director.receives(
            Packet::icmp_error(kClient.address, kVip.address, "port unreachable", reply).ttl(1)),
        IsEmpty());
    const Packet whole = Packet::udp(kClient, kVip).length(100).ip_id(9);
    director.receives(Packet::fragment(whole, 0, 48));
    EXPECT_THAT(director.receives(Packet::fragment(whole.ttl(1), 48, 60)), IsEmpty());
    EXPECT_EQ(director.drops().at(engine::DropReason::TtlExceeded), 2U);
}

TEST(IcmpResponder, IsSilentWithoutABuffer) {
    Director director(kNobody);
    director.port.fail_make_frame(1);
    EXPECT_THAT(director.receives(Packet::udp(kClient, kVip)), IsEmpty());
    EXPECT_EQ(director.drops().at(engine::DropReason::NoDestination), 1U);
}

// An error that somebody forges is passed on and keeps nothing alive.
TEST(IcmpResponder, LetsErrorsOfOthersKeepNoConnectionAlive) {
    Director director(
        "-A -u 192.0.2.1:53 -s rr\n"
        "-a -u 192.0.2.1:53 -r 10.0.0.11 -m");
    director.receives(Packet::udp(kClient, kVip));
    const Packet reply = Packet::udp(kVip, kClient).length(4);
    director.advance(200s);
    EXPECT_THAT(director.receives(
                    Packet::icmp_error(kClient.address, kVip.address, "port unreachable", reply)),
                SizeIs(1));
    director.advance(101s);
    EXPECT_THAT(director.connections(), IsEmpty());
}

}  // namespace
}  // namespace xvs::test
