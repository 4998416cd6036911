// Clients on the director itself: their packets come by loopback and what is for them goes there.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/director.h"
#include "testing/literals.h"

namespace xvs::engine {
namespace {

using namespace xvs::test::literals;  // NOLINT(google-build-using-namespace): literals only
using test::Arrival;
using test::Director;
using test::Packet;
using test::Side;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr auto kOwn = "192.0.2.1:40001"_ep;  // from the VIP itself, as Linux chooses
constexpr auto kVip = "192.0.2.1:80"_ep;
constexpr auto kReal = "10.0.0.11:8080"_ep;
constexpr auto kLocal = "10.0.0.1:8080"_ep;  // the director's own address
constexpr const char* kNat =
    "-A -t 192.0.2.1:80 -s rr\n"
    "-a -t 192.0.2.1:80 -r 10.0.0.11:8080 -m";

constexpr Arrival kByLoopback{.interface = kLoopbackInterface};

TEST(OwnClient, IsAnsweredByTheRealServerAsIfByTheVip) {
    Director director(kNat);
    const auto sent = director.receives(Packet::tcp(kOwn, kVip).flags("S"), kByLoopback);
    EXPECT_THAT(sent, ElementsAre(Packet::tcp(kOwn, kReal).flags("S").ttl(63)));
    EXPECT_THAT(director.hears(Packet::tcp(kReal, kOwn).flags("S.")), IsEmpty());
    const auto given = director.given_to_host();
    EXPECT_THAT(given, ElementsAre(Packet::tcp(kVip, kOwn).flags("S.")));
    EXPECT_THAT(given, ElementsAre(Field(&test::Sent::interface, kLoopbackInterface)));
    EXPECT_THAT(director.connections(),
                ElementsAre("TCP 192.0.2.1:40001 192.0.2.1:80 10.0.0.11:8080 SYN_RECV"));
    EXPECT_EQ(director.inconsistencies(), "");
}

TEST(OwnClient, ReachesALocalRealServerBothWaysByLoopback) {
    Director director("-A -t 192.0.2.1:80 -s rr\n-a -t 192.0.2.1:80 -r 10.0.0.1:8080 -m");
    EXPECT_THAT(director.receives(Packet::tcp(kOwn, kVip).flags("S"), kByLoopback), IsEmpty());
    EXPECT_THAT(director.given_to_host(), ElementsAre(Packet::tcp(kOwn, kLocal).flags("S")));
    EXPECT_THAT(director.receives(Packet::tcp(kLocal, kOwn).flags("S."), kByLoopback), IsEmpty());
    const auto given = director.given_to_host();
    EXPECT_THAT(given, ElementsAre(Packet::tcp(kVip, kOwn).flags("S.")));
    EXPECT_THAT(given, ElementsAre(Field(&test::Sent::interface, kLoopbackInterface)));
}

TEST(OwnClient, IsToldByLoopbackThatThereIsNoRealServer) {
    Director director("-A -t 192.0.2.1:80 -s rr");
    const Packet syn = Packet::tcp(kOwn, kVip).flags("S");
    EXPECT_THAT(director.receives(syn, kByLoopback), IsEmpty());
    const auto given = director.given_to_host();
    ASSERT_THAT(given, SizeIs(1));
    EXPECT_EQ(given[0].interface, kLoopbackInterface);
    const auto error = Packet::decode(given[0].packet);
    ASSERT_TRUE(error);
    EXPECT_EQ(error->destination, kOwn.address);
    EXPECT_EQ(error->protocol(), net::IpProtocol::Icmp);
}

TEST(OwnClient, IsNobodyThatComesFromOutside) {
    Director director(kNat);
    const Packet syn = Packet::tcp(kOwn, kVip).flags("S");
    EXPECT_THAT(director.receives(syn, {.side = Side::Client}), IsEmpty());
    EXPECT_THAT(director.given_to_host(), ElementsAre(syn));
    EXPECT_THAT(director.connections(), IsEmpty());
}

// Whoever knows its addresses and ports.
TEST(OwnClient, IsNobodyThatSaysToBeItFromOutside) {
    Director director(kNat);
    director.receives(Packet::tcp(kOwn, kVip).flags("S"), kByLoopback);
    director.hears(Packet::tcp(kReal, kOwn).flags("S."));
    (void)director.given_to_host();
    for (const char* flags : {".", "R", "S", "F."}) {
        const Packet forged = Packet::tcp(kOwn, kVip).flags(flags);
        EXPECT_THAT(director.receives(forged, {.side = Side::Client}), IsEmpty()) << flags;
        EXPECT_THAT(director.given_to_host(), ElementsAre(forged)) << flags;
    }
    EXPECT_THAT(director.connections(),
                ElementsAre("TCP 192.0.2.1:40001 192.0.2.1:80 10.0.0.11:8080 SYN_RECV"));
    EXPECT_THAT(director.receives(Packet::tcp(kOwn, kVip).flags("."), kByLoopback), SizeIs(1));
    EXPECT_THAT(director.connections(),
                ElementsAre("TCP 192.0.2.1:40001 192.0.2.1:80 10.0.0.11:8080 ESTABLISHED"));
}

// What loopback takes of IPv6, 65,536 bytes, is more than the private link does.
TEST(OwnClient, IsSentNoLongerSegmentsThanThePrivateLinkTakes) {
    constexpr auto kOwn6 = "[2001:db8::1]:40001"_ep;
    constexpr auto kVip6 = "[2001:db8::1]:80"_ep;
    constexpr auto kLocal6 = "[2001:db8:2::1]:8080"_ep;
    Director director(
        "-A -t [2001:db8::1]:80 -s rr\n-a -t [2001:db8::1]:80 -r [2001:db8:2::1]:8080 -m");
    director.receives(Packet::tcp(kOwn6, kVip6).flags("S").mss(65476), kByLoopback);
    EXPECT_THAT(director.given_to_host(),
                ElementsAre(Packet::tcp(kOwn6, kLocal6).flags("S").mss(65475)));
    director.receives(Packet::tcp(kLocal6, kOwn6).flags("S.").mss(65476), kByLoopback);
    EXPECT_THAT(director.given_to_host(),
                ElementsAre(Packet::tcp(kVip6, kOwn6).flags("S.").mss(65475)));
    director.receives(Packet::tcp("[2001:db8::1]:40002"_ep, kVip6).flags("S").mss(1440),
                      kByLoopback);
    EXPECT_THAT(director.given_to_host(), SizeIs(1));
}

// One that has bound itself to 127.0.0.1 reaches the director alone, and is counted all the same.
// Kernel: crosses_local_route_boundary().
TEST(OwnClient, GoesNowhereElseFromALoopbackAddress) {
    constexpr auto kLoopback = "127.0.0.1:40001"_ep;
    Director director(kNat);
    const Packet syn = Packet::tcp(kLoopback, kVip).flags("S");
    EXPECT_THAT(director.receives(syn, kByLoopback), IsEmpty());
    EXPECT_THAT(director.given_to_host(), IsEmpty());
    EXPECT_EQ(director.drops().at(DropReason::LoopbackSource), 1U);
    EXPECT_THAT(director.connections(),
                ElementsAre("TCP 127.0.0.1:40001 192.0.2.1:80 10.0.0.11:8080 SYN_RECV"));
    Director local("-A -t 192.0.2.1:80 -s rr\n-a -t 192.0.2.1:80 -r 10.0.0.1:8080 -m");
    local.router.add_local(kLoopback.address);
    EXPECT_THAT(local.receives(syn, kByLoopback), IsEmpty());
    EXPECT_THAT(local.given_to_host(), ElementsAre(Packet::tcp(kLoopback, kLocal).flags("S")));
    local.receives(Packet::tcp(kLocal, kLoopback).flags("S."), kByLoopback);
    EXPECT_THAT(local.given_to_host(), ElementsAre(Packet::tcp(kVip, kLoopback).flags("S.")));
    // From outside it is nobody.
    EXPECT_THAT(local.receives(Packet::tcp(kLoopback, kVip).flags("."), {}), IsEmpty());
    EXPECT_THAT(local.given_to_host(), SizeIs(1));
}

}  // namespace
}  // namespace xvs::engine
