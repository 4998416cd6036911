#include "engine/lookup/connections.h"

#include <gmock/gmock.h>

#include "testing/director.h"
#include "testing/literals.h"

namespace xvs::test {
namespace {

using namespace std::chrono_literals;
using namespace xvs::test::literals;  // NOLINT(google-build-using-namespace): literals only
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

constexpr auto kClient = "198.51.100.7:40001"_ep;
constexpr auto kVip = "192.0.2.1:80"_ep;
constexpr auto kReal = "10.0.0.11:8080"_ep;

constexpr auto kNat =
    "-A -t 192.0.2.1:80 -s rr\n"
    "-a -t 192.0.2.1:80 -r 10.0.0.11:8080 -m";
constexpr auto kUdp =
    "-A -u 192.0.2.1:53 -s rr\n"
    "-a -u 192.0.2.1:53 -r 10.0.0.11:53 -m";

// The wheel hands a check back a slot late at most, and the timers run ten times a second.
constexpr Nanoseconds kLateness = 16ms * 17 + engine::Engine::kTimerInterval + 17ms;
// A tick is not a whole number of milliseconds.
constexpr Nanoseconds kTick{1 << XVS_TICK_SHIFT};

net::Endpoint client(unsigned number) {
    return {.address = kClient.address, .port = net::Port{static_cast<std::uint16_t>(number)}};
}

void open(Director& director, const net::Endpoint& from) {
    director.receives(Packet::tcp(from, kVip).flags("S"));
    director.hears(Packet::tcp(kReal, from).flags("S."));
    director.receives(Packet::tcp(from, kVip).flags("."));
}

std::string state_of(Director& director) {
    const auto lines = director.connections();
    return lines.size() == 1 ? lines[0].substr(lines[0].rfind(' ') + 1) : "";
}

// Expects the only connection to end `timeout` from now.
void expect_to_end_after(Director& director, Nanoseconds timeout) {
    director.advance(timeout - kTick);
    EXPECT_THAT(director.connections(), SizeIs(1));
    director.advance(kTick + kLateness);
    EXPECT_THAT(director.connections(), IsEmpty());
    EXPECT_EQ(director.inconsistencies(), "");
}

TEST(Connections, EndAMinuteAfterASynThatNobodyAnswers) {
    Director director(kNat);
    director.receives(Packet::tcp(kClient, kVip).flags("S"));
    EXPECT_EQ(state_of(director), "SYN_RECV");
    expect_to_end_after(director, 60s);
}

TEST(Connections, EndAQuarterOfAnHourAfterTheLastPacketWhenEstablished) {
    Director director(kNat);
    open(director, kClient);
    EXPECT_EQ(state_of(director), "ESTABLISHED");
    director.advance(800s);
    director.receives(Packet::tcp(kClient, kVip).flags("."));
    expect_to_end_after(director, 900s);
}

TEST(Connections, LiveOnByPacketsOfEitherDirection) {
    Director director(kNat);
    open(director, kClient);
    for (int i = 0; i < 3; ++i) {
        director.advance(800s);
        director.hears(Packet::tcp(kReal, kClient).flags("."));
    }
    expect_to_end_after(director, 900s);
}

TEST(Connections, EndSoonerWhenAStateWithAShorterTimeoutFollows) {
    Director director(kNat);
    open(director, kClient);
    director.hears(Packet::tcp(kReal, kClient).flags("R."));
    EXPECT_EQ(state_of(director), "CLOSE");
    EXPECT_EQ(director.counts("-t 192.0.2.1:80", "10.0.0.11:8080"), (ServerCounts{.inactive = 1}));
    expect_to_end_after(director, 10s);
}

TEST(Connections, OfDatagramsEndFiveMinutesAfterTheLastOne) {
    Director director(kUdp);
    director.receives(Packet::udp(kClient, "192.0.2.1:53"_ep));
    EXPECT_EQ(director.counts("-u 192.0.2.1:53", "10.0.0.11:53"), (ServerCounts{.inactive = 1}));
    expect_to_end_after(director, 300s);
}

TEST(Connections, TakeANewTimeoutWithTheirNextPacket) {
    Director director(kUdp);
    director.receives(Packet::udp(kClient, "192.0.2.1:53"_ep));
    director.advance(1s);
    ASSERT_TRUE(director.ipvsadm("--set 0 0 600"));
    EXPECT_EQ(director.connection_infos()[0].expires_in_s, 299);
    director.receives(Packet::udp(kClient, "192.0.2.1:53"_ep));
    // A packet of the very tick in which the timeout was set came before it.
    director.advance(kTick);
    director.receives(Packet::udp(kClient, "192.0.2.1:53"_ep));
    expect_to_end_after(director, 600s);
}

// However far away the check was that the longer timeout asked for.
TEST(Connections, EndInTimeAfterAShorterTimeoutThoughTheyChangeNoState) {
    Director director(kNat);
    open(director, kClient);
    ASSERT_TRUE(director.ipvsadm("--set 20 0 0"));
    director.advance(5s);
    director.receives(Packet::tcp(kClient, kVip).flags(".").payload("data"));
    expect_to_end_after(director, 20s);
}

// They are checked as often as a packet may have brought them the shorter timeout.
TEST(Connections, EndInTimeAfterAShorterTimeoutThatALatePacketBrings) {
    Director director(kNat);
    open(director, kClient);
    ASSERT_TRUE(director.ipvsadm("--set 20 0 0"));
    director.advance(5min);
    director.receives(Packet::tcp(kClient, kVip).flags(".").payload("data"));
    expect_to_end_after(director, 20s);
}

TEST(Connections, KeepALongerTimeoutUntilTheirNextPacket) {
    Director director(kNat);
    open(director, kClient);
    ASSERT_TRUE(director.ipvsadm("--set 20 0 0"));
    expect_to_end_after(director, 900s);
}

TEST(Connections, KeepATimeoutThatIsSetToZero) {
    Director director;
    ASSERT_TRUE(director.ipvsadm("--set 100 0 0"));
    EXPECT_EQ(director.engine.timeouts(),
              (model::Timeouts{.tcp_s = 100, .tcp_fin_s = 120, .udp_s = 300}));
}

TEST(Connections, LeaveNothingBehindWhenTheyEnd) {
    Director director(kNat);
    for (unsigned i = 1; i <= 100; ++i)
        open(director, client(1000 + i));
    EXPECT_EQ(director.inconsistencies(), "");
    ASSERT_TRUE(director.ipvsadm("-C"));
    director.advance(900s + 120s + 61s + kLateness);
    EXPECT_EQ(director.leftovers(), "");
}

TEST(Connections, RefuseNewOnesWhenTheTableIsFullWhileTheOldGoOn) {
    Director director(kUdp, 16);
    for (unsigned i = 1; i <= 20; ++i)
        director.receives(Packet::udp(client(1000 + i), "192.0.2.1:53"_ep));
    EXPECT_THAT(director.drops(), ElementsAre(Pair(engine::DropReason::ConnectionTableFull, 4)));
    EXPECT_THAT(director.receives(Packet::udp(client(1001), "192.0.2.1:53"_ep)), SizeIs(1));
    EXPECT_EQ(director.inconsistencies(), "");
}

TEST(Connections, GiveTheRepliesToWhomeverTheClientAskedLast) {
    Director director(kNat);
    ASSERT_TRUE(
        director.ipvsadm("-A -t 192.0.2.2:80 -s rr\n"
                         "-a -t 192.0.2.2:80 -r 10.0.0.11:8080 -m"));
    constexpr auto kOtherVip = "192.0.2.2:80"_ep;
    director.receives(Packet::tcp(kClient, kVip).flags("S"));
    director.receives(Packet::tcp(kClient, kOtherVip).flags("S"));
    EXPECT_THAT(director.hears(Packet::tcp(kReal, kClient).flags("S.")),
                ElementsAre(Packet::tcp(kOtherVip, kClient).flags("S.").ttl(63)));
    EXPECT_EQ(director.inconsistencies(), "");
    director.advance(61s + kLateness);
    EXPECT_EQ(director.inconsistencies(), "");
}

// Whoever forges a VIP as its source would else cut a real server off from that VIP.
TEST(Connections, TakeNoEntryFromWhatARealServerAsksForItself) {
    Director director(kNat);
    ASSERT_TRUE(
        director.ipvsadm("-A -t 192.0.2.2:80 -s rr\n"
                         "-a -t 192.0.2.2:80 -r 10.0.0.12:80 -m"));
    constexpr auto kOtherVip = "192.0.2.2:80"_ep;
    director.hears(Packet::tcp(kReal, kOtherVip).flags("S"));
    EXPECT_THAT(director.receives(Packet::tcp(kOtherVip, kVip).flags("S")), IsEmpty());
    EXPECT_EQ(director.inconsistencies(), "");
    EXPECT_THAT(director.connections(),
                ElementsAre("TCP 10.0.0.11:8080 192.0.2.2:80 10.0.0.12:80 SYN_RECV"));
}

// Ended before their time they leave their checks behind; those must not crowd out others.
TEST(Connections, AllBeginAndEndHoweverOftenTheirPortsAreReused) {
    Director director(kNat, 16);
    for (int i = 0; i < 20'000; ++i) {
        ASSERT_THAT(director.receives(Packet::tcp(kClient, kVip).flags("S")), SizeIs(1)) << i;
        director.hears(Packet::tcp(kReal, kClient).flags("R."));
    }
    for (unsigned i = 0; i < 10; ++i)
        director.receives(Packet::tcp(client(1000 + i), kVip).flags("S"));
    EXPECT_EQ(director.inconsistencies(), "");
    director.advance(300s);
    EXPECT_THAT(director.connections(), IsEmpty());
    open(director, kClient);
    EXPECT_EQ(state_of(director), "ESTABLISHED");
}

TEST(Connections, OfOneTemplateMayBeMoreThanSixteenBitsCount) {
    Director director(
        "-A -u 192.0.2.1:53 -s rr -p 60\n"
        "-a -u 192.0.2.1:53 -r 10.0.0.11:53 -m\n"
        "-A -u 192.0.2.2:53 -s rr -p 60 -M 0.0.0.0\n"
        "-a -u 192.0.2.2:53 -r 10.0.0.11:53 -m",
        1U << 17);
    for (unsigned i = 0; i < 70'000; ++i) {
        const net::Ipv4Address from(0x0b000000 + i);
        director.queue(Packet::udp({.address = from, .port = net::Port{7}}, "192.0.2.2:53"_ep));
        if (i % 32 == 31) director.engine.process_burst();
    }
    director.given_to_host();
    EXPECT_EQ(director.counts("-u 192.0.2.2:53", "10.0.0.11:53").persistent, 1U);
    EXPECT_EQ(director.inconsistencies(), "");
    director.advance(200s);
    EXPECT_EQ(director.counts("-u 192.0.2.2:53", "10.0.0.11:53").persistent, 1U);
    director.advance(400s);
    EXPECT_EQ(director.counts("-u 192.0.2.2:53", "10.0.0.11:53"), ServerCounts{});
    EXPECT_EQ(director.inconsistencies(), "");
}

TEST(Connections, AreStartedAnewByASynAfterTheirClose) {
    Director director(kNat);
    ASSERT_TRUE(director.ipvsadm("-a -t 192.0.2.1:80 -r 10.0.0.12:8080 -m"));
    director.receives(Packet::tcp(kClient, kVip).flags("S"));
    director.hears(Packet::tcp("10.0.0.12:8080"_ep, kClient).flags("R."));
    const auto sent = director.receives(Packet::tcp(kClient, kVip).flags("S"));
    EXPECT_THAT(sent, ElementsAre(Packet::tcp(kClient, kReal).flags("S").ttl(63)));
    EXPECT_THAT(director.connections(), SizeIs(1));
    EXPECT_EQ(director.inconsistencies(), "");
}

TEST(Connections, OfARemovedServerWaitForItAndGoOnWhenItReturns) {
    Director director(kNat);
    open(director, kClient);
    ASSERT_TRUE(director.ipvsadm("-d -t 192.0.2.1:80 -r 10.0.0.11:8080"));
    EXPECT_THAT(director.receives(Packet::tcp(kClient, kVip).flags(".")), IsEmpty());
    EXPECT_THAT(director.drops(), Contains(Pair(engine::DropReason::DestinationRemoved, 1)));
    ASSERT_TRUE(director.ipvsadm("-a -t 192.0.2.1:80 -r 10.0.0.11:8080 -m"));
    EXPECT_THAT(director.receives(Packet::tcp(kClient, kVip).flags(".")), SizeIs(1));
    EXPECT_EQ(director.counts("-t 192.0.2.1:80", "10.0.0.11:8080"), (ServerCounts{.active = 1}));
    EXPECT_EQ(director.inconsistencies(), "");
}

TEST(Connections, EndFasterThanTheTimersLimitWhenTheyAreMany) {
    Director director(kUdp, 1U << 15);
    ASSERT_TRUE(director.ipvsadm("--set 0 0 1"));
    for (unsigned i = 0; i < 20'000; ++i) {
        director.queue(Packet::udp(client(1000 + i), "192.0.2.1:53"_ep));
        if (i % 32 == 31) director.engine.process_burst();
    }
    director.clock.advance(4s);
    director.engine.run_timers();
    EXPECT_GT(director.engine.connection_count(), 10'000U);
    for (int i = 0; i < 300; ++i)
        director.receives(Packet::udp(kClient, "192.0.2.1:53"_ep));
    EXPECT_LT(director.engine.connection_count(), 10U);
}

}  // namespace
}  // namespace xvs::test
