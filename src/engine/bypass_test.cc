// cache_bypass: connections without a real server, over restarts, edits and changes of routes. What
// they do beside that is in tests/scenario/sysctl.
#include <chrono>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/director.h"
#include "testing/kept_storage.h"
#include "testing/literals.h"

namespace xvs::engine {
namespace {

using namespace std::chrono_literals;
using namespace xvs::test::literals;  // NOLINT(google-build-using-namespace): literals only
using test::Arrival;
using test::Director;
using test::DirectorParts;
using test::KeptStorage;
using test::Packet;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

constexpr auto kClient = "198.51.100.7:40001"_ep;
constexpr auto kOther = "198.51.100.7:40002"_ep;
constexpr auto kOrigin = "10.0.0.13:53"_ep;
constexpr auto kOrigin2 = "10.0.0.14:53"_ep;
constexpr auto kOwn = "192.0.2.1:53"_ep;
constexpr Arrival kMarked{.fwmark = 7};
constexpr const char* kListed = "UDP 198.51.100.7:40001 10.0.0.13:53 0.0.0.0:0 UDP";

std::string receiver(const std::vector<test::Sent>& sent) {
    return sent.size() == 1 ? sent.front().to : std::to_string(sent.size()) + " packets";
}

class Bypass : public ::testing::Test {
protected:
    Bypass() { EXPECT_TRUE(director.engine.set_sysctl("cache_bypass", "1")); }

    Director director{"-A -f 7 -s rr\n-A -u 192.0.2.1:54 -s rr"};
};

TEST_F(Bypass, IsInNoCountButTheTables) {
    EXPECT_EQ(receiver(director.receives(Packet::udp(kClient, kOrigin), kMarked)), "real3");
    EXPECT_THAT(director.connections(), ElementsAre(kListed));
    EXPECT_EQ(director.statistics("-f 7").counters, model::Counters{});
    EXPECT_EQ(director.total().counters, model::Counters{});
    EXPECT_EQ(director.inconsistencies(), "");
}

TEST_F(Bypass, LeavesNothingBehind) {
    (void)director.receives(Packet::udp(kClient, kOrigin), kMarked);
    ASSERT_TRUE(director.ipvsadm("-C"));
    EXPECT_EQ(director.tables->destinations().size(), 1U) << "its connection stays";
    director.advance(5min + 3min + 1s);
    EXPECT_EQ(director.leftovers(), "");
    EXPECT_EQ(director.total().counters, model::Counters{});
}

TEST_F(Bypass, StopsForAClientThatIsDenied) {
    (void)director.receives(Packet::udp(kClient, kOrigin), kMarked);
    ASSERT_TRUE(director.ipvsadm("--deny 198.51.100.7 -f 7"));
    EXPECT_THAT(director.receives(Packet::udp(kClient, kOrigin), kMarked), IsEmpty());
    EXPECT_THAT(director.receives(Packet::udp(kOther, kOrigin), kMarked), IsEmpty());
    EXPECT_THAT(director.drops(), ElementsAre(Pair(DropReason::ClientDenied, 2)));
}

// Two that share a next hop part when the route of one changes.
TEST_F(Bypass, FollowsTheRouteOfEachAddress) {
    const net::IpAddress like = kOrigin.address;
    director.router.remove_route(kOrigin2.address);
    director.router.set_default(like);
    for (const auto& origin : {kOrigin, kOrigin2})
        EXPECT_EQ(receiver(director.receives(Packet::udp(kClient, origin), kMarked)), "real3");
    const test::TestHost& host = *test::find_host("real4");
    const test::DirectorLink& link = test::director_link(test::Side::Real);
    const std::uint32_t shared = director.router.next_hop_of(like);
    const auto interface = director.tables->next_hops()[shared].interface;
    director.router.add_route(
        kOrigin2.address, {.index = interface, .mac = link.mac}, host.mac, link.v4);
    director.tables->next_hops().invalidate(shared);
    EXPECT_EQ(receiver(director.receives(Packet::udp(kClient, kOrigin), kMarked)), "real3");
    EXPECT_EQ(receiver(director.receives(Packet::udp(kClient, kOrigin2), kMarked)), "real4");
    EXPECT_EQ(receiver(director.receives(Packet::udp(kClient, kOrigin), kMarked)), "real3");
    EXPECT_EQ(director.inconsistencies(), "");
}

TEST_F(Bypass, DropsWhatHasNoWayUntilThereIsOne) {
    director.router.remove_defaults();
    const auto stranger = "203.0.113.9:53"_ep;
    EXPECT_THAT(director.receives(Packet::udp(kClient, stranger), kMarked), IsEmpty());
    EXPECT_THAT(director.connections(), SizeIs(1));
    EXPECT_THAT(director.drops(), ElementsAre(Pair(DropReason::NoRoute, 1)));
    director.router.set_default(kOrigin.address);
    EXPECT_EQ(receiver(director.receives(Packet::udp(kClient, stranger), kMarked)), "real3");
}

TEST(BypassAdopted, GoesOnAsIfNothingHadHappened) {
    KeptStorage storage;
    Director dead("-A -f 7 -s rr", DirectorParts{.connections = 16, .storage = &storage});
    ASSERT_TRUE(dead.engine.set_sysctl("cache_bypass", "1"));
    (void)dead.receives(Packet::udp(kClient, kOrigin), kMarked);
    Director director("", DirectorParts{.storage = &storage, .former = &dead});
    EXPECT_EQ(director.inconsistencies(), "");
    EXPECT_THAT(director.connections(), ElementsAre(kListed));
    EXPECT_EQ(receiver(director.receives(Packet::udp(kClient, kOrigin))), "real3");
    EXPECT_EQ(director.total().counters, model::Counters{});
    ASSERT_TRUE(director.engine.set_sysctl("cache_bypass", "1"));
    EXPECT_EQ(receiver(director.receives(Packet::udp(kOther, kOrigin), kMarked)), "real3");
    EXPECT_EQ(director.tables->destinations().size(), 1U);
}

// Nor when its service went before the daemon did.
TEST(BypassAdopted, GoesOnWithoutItsService) {
    KeptStorage storage;
    Director dead("-A -f 7 -s rr\n-A -u 192.0.2.1:54 -s rr",
                  DirectorParts{.connections = 16, .storage = &storage});
    ASSERT_TRUE(dead.engine.set_sysctl("cache_bypass", "1"));
    (void)dead.receives(Packet::udp(kClient, kOrigin), kMarked);
    ASSERT_TRUE(dead.ipvsadm("-D -f 7"));
    EXPECT_EQ(receiver(dead.receives(Packet::udp(kClient, kOrigin))), "real3");
    Director director("", DirectorParts{.storage = &storage, .former = &dead});
    EXPECT_EQ(director.inconsistencies(), "");
    EXPECT_THAT(director.connections(), ElementsAre(kListed));
    EXPECT_EQ(receiver(director.receives(Packet::udp(kClient, kOrigin))), "real3");
}

TEST(BypassWithoutRoom, IsRefusedInWordsAndChangesNothing) {
    Director director("-A -f 7 -s rr\n-A -u 192.0.2.1:54 -s rr");
    Status filled;
    for (unsigned i = 1; i < 300 && filled; ++i)
        filled = director.ipvsadm("-a -u 192.0.2.1:54 -m -r 10.0.0.11:" + std::to_string(i));
    ASSERT_FALSE(filled);
    const Status status = director.engine.set_sysctl("cache_bypass", "1");
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code, ErrorCode::OutOfMemory);
    EXPECT_EQ(director.engine.sysctls().cache_bypass, 0);
    EXPECT_EQ(director.inconsistencies(), "");
}

TEST(BypassWithoutRoom, RefusesAServiceInWords) {
    Director director("-A -u 192.0.2.1:54 -s rr");
    ASSERT_TRUE(director.engine.set_sysctl("cache_bypass", "1"));
    Status filled;
    for (unsigned i = 1; i < 300 && filled; ++i)
        filled = director.ipvsadm("-a -u 192.0.2.1:54 -m -r 10.0.0.11:" + std::to_string(i));
    ASSERT_FALSE(filled);
    const Status status = director.ipvsadm("-A -f 7 -s rr");
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code, ErrorCode::OutOfMemory);
    EXPECT_THAT(director.receives(Packet::udp(kClient, kOwn), kMarked), IsEmpty());
    EXPECT_EQ(director.inconsistencies(), "");
}

}  // namespace
}  // namespace xvs::engine
