#include "engine/forward/transmitter.h"

#include <gmock/gmock.h>

#include "testing/director.h"
#include "testing/literals.h"

namespace xvs::test {
namespace {

using namespace std::chrono_literals;
using namespace xvs::test::literals;  // NOLINT(google-build-using-namespace): literals only
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

constexpr auto kClient = "198.51.100.7:40001"_ep;
constexpr auto kVip = "192.0.2.1:53"_ep;

class TransmitterTest : public ::testing::Test {
protected:
    TransmitterTest()
        : director(
              "-A -u 192.0.2.1:53 -s rr\n"
              "-a -u 192.0.2.1:53 -r 10.0.0.11:53 -g") {
        hop = director.router.next_hop_of(host.v4);
        director.tables->next_hops().unresolve(hop);
    }

    static Packet packet(std::size_t number) { return Packet::udp(kClient, kVip).length(number); }

    void resolve() {
        director.tables->next_hops().resolve(hop, host.mac, director_link(host.side).mac);
    }

    Director director;
    const TestHost& host = *find_host("real1");
    std::uint32_t hop = 0;
};

TEST_F(TransmitterTest, AsksForTheNeighbourAndSendsWhenItIsThereInTheOrderOfArrival) {
    for (const std::size_t number : {1U, 2U, 3U})
        EXPECT_THAT(director.receives(packet(number)), IsEmpty());
    EXPECT_THAT(director.router.asked(), ElementsAre(hop, hop, hop));
    resolve();
    EXPECT_THAT(director.advance(100ms),
                ElementsAre(packet(1).ttl(63), packet(2).ttl(63), packet(3).ttl(63)));
    EXPECT_THAT(director.drops(), IsEmpty());
}

// The buffers of those that went are taken again, in whatever order.
TEST_F(TransmitterTest, KeepsTheOrderWhenPlacesWereTakenAgain) {
    director.receives(packet(1));
    director.advance(2s);
    for (const std::size_t number : {2U, 3U})
        director.receives(packet(number));
    director.advance(2s);  // the first has waited too long, its place is free
    director.receives(packet(4));
    resolve();
    EXPECT_THAT(director.advance(100ms),
                ElementsAre(packet(2).ttl(63), packet(3).ttl(63), packet(4).ttl(63)));
    EXPECT_THAT(director.drops(), ElementsAre(Pair(engine::DropReason::NeighbourUnresolved, 1)));
}

TEST_F(TransmitterTest, LetsNoPacketOvertakeThoseThatWait) {
    director.receives(packet(1));
    resolve();
    EXPECT_THAT(director.receives(packet(2)), ElementsAre(packet(1).ttl(63), packet(2).ttl(63)));
}

TEST_F(TransmitterTest, KeepsALaterPacketWhoseNeighbourIsNoLongerKnown) {
    resolve();
    EXPECT_THAT(director.receives(packet(1)), SizeIs(1));
    director.tables->next_hops().unresolve(hop);
    EXPECT_THAT(director.receives(packet(2)), IsEmpty());
    EXPECT_THAT(director.router.asked(), ElementsAre(hop));
}

TEST_F(TransmitterTest, DropsWhatWaitedThreeSeconds) {
    director.receives(packet(1));
    EXPECT_THAT(director.advance(2900ms), IsEmpty());
    EXPECT_THAT(director.drops(), IsEmpty());
    EXPECT_THAT(director.advance(200ms), SizeIs(1));  // the error
    EXPECT_THAT(director.drops(), ElementsAre(Pair(engine::DropReason::NeighbourUnresolved, 1)));
    resolve();
    EXPECT_THAT(director.advance(100ms), IsEmpty());
}

TEST_F(TransmitterTest, LetsAFewPacketsWaitForEachNeighbourAndCountsTheRest) {
    constexpr std::size_t kMost = engine::Transmitter::kMaxWaitingPerHop;
    for (std::size_t number = 1; number <= kMost + 2; ++number)
        director.receives(packet(number));
    EXPECT_THAT(director.drops(), ElementsAre(Pair(engine::DropReason::NeighbourQueueFull, 2)));
    resolve();
    EXPECT_THAT(director.advance(100ms), SizeIs(kMost));
}

TEST_F(TransmitterTest, DropsWhatWaitsForANextHopThatIsNoLongerTheWay) {
    director.receives(packet(1));
    director.tables->next_hops().invalidate(hop);
    resolve();
    EXPECT_THAT(director.advance(100ms), IsEmpty());
    EXPECT_THAT(director.drops(), ElementsAre(Pair(engine::DropReason::NeighbourUnresolved, 1)));
}

}  // namespace
}  // namespace xvs::test
