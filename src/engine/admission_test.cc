// Which clients are served where there are access lists. What one packet shows is in
// tests/scenario/access; this is what no scenario can say.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/director.h"
#include "testing/literals.h"

namespace xvs::engine {
namespace {

using namespace test::literals;  // NOLINT(google-build-using-namespace)
using test::Director;
using test::Packet;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

constexpr auto kClient = "198.51.100.7:40001"_ep;
constexpr auto kOther = "198.51.100.8:40001"_ep;
constexpr auto kVip = "192.0.2.1:80"_ep;
constexpr auto kReal = "10.0.0.11:80"_ep;

constexpr const char* kNatService =
    "-A -t 192.0.2.1:80 -s rr\n"
    "-a -t 192.0.2.1:80 -r 10.0.0.11 -m";

TEST(Admission, ANewListStopsAnEstablishedConnectionInBothDirections) {
    Director director(kNatService);
    ASSERT_THAT(director.receives(Packet::tcp(kClient, kVip).flags("S")), SizeIs(1));
    ASSERT_THAT(director.hears(Packet::tcp(kReal, kClient).flags("S.")), SizeIs(1));
    ASSERT_TRUE(director.ipvsadm("--deny 198.51.100.7"));
    EXPECT_THAT(director.receives(Packet::tcp(kClient, kVip).flags(".")), IsEmpty());
    EXPECT_THAT(director.hears(Packet::tcp(kReal, kClient).flags(".")), IsEmpty());
    EXPECT_THAT(director.drops(), ElementsAre(Pair(DropReason::ClientDenied, 2)));
    ASSERT_TRUE(director.ipvsadm("--delete-deny 198.51.100.7"));
    EXPECT_THAT(director.receives(Packet::tcp(kClient, kVip).flags(".")), SizeIs(1));
    EXPECT_EQ(director.inconsistencies(), "");
}

TEST(Admission, ARefusedSynLeavesTheConnectionThatItWouldReplace) {
    Director director(kNatService);
    director.receives(Packet::tcp(kClient, kVip).flags("S"));
    director.hears(Packet::tcp(kReal, kClient).flags("R"));
    const auto before = director.connections();
    ASSERT_TRUE(director.ipvsadm("--deny 198.51.100.0/24"));
    EXPECT_THAT(director.receives(Packet::tcp(kClient, kVip).flags("S")), IsEmpty());
    EXPECT_EQ(director.connections(), before);
}

TEST(Admission, WhoeverIsNotAllowedIsNotServedOverEitherFamily) {
    Director director(
        "-A -t 192.0.2.1:80 -s rr\n"
        "-a -t 192.0.2.1:80 -r 10.0.0.11 -m\n"
        "-A -t [2001:db8::1]:80 -s rr\n"
        "-a -t [2001:db8::1]:80 -r [2001:db8:2::11]:80 -m\n"
        "--allow 198.51.100.7");
    EXPECT_THAT(director.receives(Packet::tcp(kClient, kVip).flags("S")), SizeIs(1));
    EXPECT_THAT(director.receives(Packet::tcp(kOther, kVip).flags("S")), IsEmpty());
    const auto syn6 = Packet::tcp("[2001:db8:1::7]:40001"_ep, "[2001:db8::1]:80"_ep).flags("S");
    EXPECT_THAT(director.receives(syn6), IsEmpty());
    EXPECT_THAT(director.drops(), ElementsAre(Pair(DropReason::ClientNotAllowed, 2)));
    ASSERT_TRUE(director.ipvsadm("--allow ::/0"));
    EXPECT_THAT(director.receives(syn6), SizeIs(1));
    ASSERT_TRUE(director.ipvsadm("--delete-allow 198.51.100.7\n--delete-allow ::/0"));
    EXPECT_THAT(director.receives(Packet::tcp(kOther, kVip).flags("S")), SizeIs(1));
}

TEST(Admission, AServicesListGoesWithIt) {
    Director director(kNatService);
    ASSERT_TRUE(director.ipvsadm("--deny 0.0.0.0/0 -t 192.0.2.1:80"));
    EXPECT_THAT(director.receives(Packet::tcp(kClient, kVip).flags("S")), IsEmpty());
    ASSERT_TRUE(director.ipvsadm("-D -t 192.0.2.1:80"));
    EXPECT_TRUE(director.engine.services().access_lists().is_empty());
    EXPECT_THAT(director.steering.access_prefixes, IsEmpty());
    EXPECT_THAT(director.steering.access_lists, IsEmpty());
    ASSERT_TRUE(director.ipvsadm(kNatService));
    EXPECT_THAT(director.receives(Packet::tcp(kClient, kVip).flags("S")), SizeIs(1));
}

TEST(Admission, ConnectionsToAServiceThatWasAddedAgainGoByItsNewList) {
    Director director(kNatService);
    director.receives(Packet::tcp(kClient, kVip).flags("S"));
    ASSERT_TRUE(
        director.ipvsadm("-D -t 192.0.2.1:80\n"
                         "-A -t 192.0.2.2:80 -s rr\n"
                         "-A -t 192.0.2.1:80 -s rr\n"
                         "-a -t 192.0.2.1:80 -r 10.0.0.11 -m"));
    EXPECT_THAT(director.receives(Packet::tcp(kClient, kVip).flags(".")), SizeIs(1));
    ASSERT_TRUE(director.ipvsadm("--deny 198.51.100.7 -t 192.0.2.1:80"));
    EXPECT_THAT(director.receives(Packet::tcp(kClient, kVip).flags(".")), IsEmpty());
}

TEST(Admission, ARuleThatIsRefusedChangesNothing) {
    Director director(kNatService);
    EXPECT_FALSE(director.ipvsadm("--deny 198.51.100.7 -t 192.0.2.2:80"));
    EXPECT_FALSE(director.ipvsadm("--deny 2001:db8::/32 -t 192.0.2.1:80"));
    EXPECT_FALSE(director.ipvsadm("--delete-deny 198.51.100.7"));
    EXPECT_FALSE(director.ipvsadm("--delete-deny 198.51.100.7 -t 192.0.2.1:80"));
    EXPECT_TRUE(director.engine.services().access_lists().is_empty());
    ASSERT_TRUE(director.ipvsadm("--deny 198.51.100.7"));
    EXPECT_FALSE(director.ipvsadm("--deny 198.51.100.7"));
    EXPECT_FALSE(director.ipvsadm("--allow 198.51.100.7"));
    EXPECT_FALSE(director.ipvsadm("--delete-allow 198.51.100.7"));
    EXPECT_EQ(director.engine.services().access_lists().prefixes(), 1U);
}

TEST(Admission, ADeniedClientsTemplateIsLeftAlone) {
    Director director(
        "-A -t 192.0.2.1:80 -s rr -p 300\n"
        "-a -t 192.0.2.1:80 -r 10.0.0.11 -m\n"
        "-a -t 192.0.2.1:80 -r 10.0.0.12 -m");
    const auto first = director.receives(Packet::tcp(kClient, kVip).flags("S"));
    ASSERT_THAT(first, SizeIs(1));
    ASSERT_TRUE(director.ipvsadm("--deny 198.51.100.7"));
    const auto again = "198.51.100.7:40002"_ep;
    EXPECT_THAT(director.receives(Packet::tcp(again, kVip).flags("S")), IsEmpty());
    EXPECT_THAT(director.connections(), SizeIs(2));
    ASSERT_TRUE(director.ipvsadm("--delete-deny 198.51.100.7"));
    const auto second = director.receives(Packet::tcp(again, kVip).flags("S"));
    ASSERT_THAT(second, SizeIs(1));
    EXPECT_EQ(second[0].to, first[0].to);
}

TEST(Admission, AFirewallMarksServiceHasAListOfItsOwn) {
    Director director(
        "-A -f 7 -s rr\n"
        "-a -f 7 -r 10.0.0.11 -g\n"
        "--deny 198.51.100.7 -f 7");
    const auto syn = [](const net::Endpoint& client) {
        return Packet::tcp(client, kVip).flags("S");
    };
    EXPECT_THAT(director.receives(syn(kClient), {.fwmark = 7}), IsEmpty());
    EXPECT_THAT(director.receives(syn(kOther), {.fwmark = 7}), SizeIs(1));
    EXPECT_THAT(director.drops(), ElementsAre(Pair(DropReason::ClientDenied, 1)));
}

}  // namespace
}  // namespace xvs::engine
