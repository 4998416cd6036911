// Several workers: each has its clients' connections, and all of them share what schedules.
#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/hand_over.h"
#include "testing/director.h"
#include "testing/kept_storage.h"
#include "testing/literals.h"

namespace xvs::engine {
namespace {

using namespace std::chrono_literals;
using namespace xvs::test::literals;  // NOLINT(google-build-using-namespace): literals only
using test::Director;
using test::DirectorParts;
using test::KeptStorage;
using test::Packet;
using test::Sent;
using test::Side;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

constexpr auto kVip = "192.0.2.1:80"_ep;
constexpr auto kReal = "10.0.0.11:8080"_ep;
constexpr auto kDnsVip = "192.0.2.1:53"_ep;
constexpr auto kDnsReal = "10.0.0.11:5353"_ep;
constexpr auto kTwoServers =
    "-A -t 192.0.2.1:80 -s rr\n"
    "-a -t 192.0.2.1:80 -r 10.0.0.11:8080 -m\n"
    "-a -t 192.0.2.1:80 -r 10.0.0.12:8080 -m";
constexpr auto kDns =
    "-A -u 192.0.2.1:53 -s rr\n"
    "-a -u 192.0.2.1:53 -r 10.0.0.11:5353 -m";

constexpr std::uint8_t kBoth[] = {0, 1};

DirectorParts two_workers() {
    DirectorParts parts;
    parts.workers = 2;
    return parts;
}

// The next client's port from `number` on whose connections are that worker's.
net::Endpoint client_of(const Director& director, std::uint8_t worker, std::uint16_t number = 0) {
    net::Endpoint client = "198.51.100.7:40001"_ep;
    client.port = net::Port{static_cast<std::uint16_t>(40001 + number)};
    while (director.worker_of(client) != worker)
        client.port = net::Port{static_cast<std::uint16_t>(net::number(client.port) + 1)};
    return client;
}

unsigned owner_of_only_connection(Director& director) {
    unsigned owner = 99;
    auto& records = director.tables->connections<flow::Ipv4>();
    (void)records.for_each(0, records.capacity(), [&](std::uint32_t, const xvs_connection& record) {
        owner = record.owner;
    });
    return owner;
}

std::set<std::uint32_t> records_of(Director& director, unsigned worker) {
    std::set<std::uint32_t> found;
    auto& records = director.tables->connections<flow::Ipv4>();
    (void)records.for_each(
        0, records.capacity(), [&](std::uint32_t index, const xvs_connection& record) {
            if (record.owner == worker) found.insert(index);
        });
    return found;
}

// So many connections that their records are passed on when they have ended.
void open_and_reset(Director& director, std::uint8_t worker, Nanoseconds after) {
    std::vector<net::Endpoint> clients;
    while (clients.size() < 64)
        clients.push_back(
            client_of(director, worker, static_cast<std::uint16_t>(clients.size() * 100 + worker)));
    for (const net::Endpoint& client : clients)
        (void)director.receives(Packet::tcp(client, kVip).flags("S"));
    director.advance(after);
    for (const net::Endpoint& client : clients)
        (void)director.hears(Packet::tcp(kReal, client).flags("R."));
}

Packet piece(const net::Endpoint& from, const net::Endpoint& to, std::size_t number) {
    return Packet::fragment(Packet::udp(from, to).length(1000).ip_id(7), number * 400, 400);
}

TEST(Workers, ShareOneRoundRobin) {
    Director director(kTwoServers, two_workers());
    std::string last;
    for (std::uint16_t number = 0; number < 64; ++number) {
        // In an order in which the one's and the other's come mixed.
        const auto worker = static_cast<std::uint8_t>((number * 7 / 3) % 2);
        const auto client = client_of(director, worker, static_cast<std::uint16_t>(number * 50));
        const auto sent = director.receives(Packet::tcp(client, kVip).flags("S"));
        ASSERT_THAT(sent, SizeIs(1));
        EXPECT_NE(sent.front().to, last);
        last = sent.front().to;
    }
    for (std::size_t worker = 0; worker < 2; ++worker)
        EXPECT_GT(director.engine.worker(worker).totals().received, 20U);
    EXPECT_EQ(director.counts("-t 192.0.2.1:80", "10.0.0.11:8080").active, 32U);
    EXPECT_EQ(director.inconsistencies(), "");
}

TEST(Workers, SharePersistenceTemplates) {
    Director director(
        "-A -t 192.0.2.1:80 -s rr -p 50\n"
        "-a -t 192.0.2.1:80 -r 10.0.0.11:8080 -m\n"
        "-a -t 192.0.2.1:80 -r 10.0.0.12:8080 -m",
        two_workers());
    std::map<std::string, int> reached;
    for (const std::uint8_t worker : kBoth) {
        const auto client = client_of(director, worker);
        for (const Sent& sent : director.receives(Packet::tcp(client, kVip).flags("S")))
            ++reached[sent.to];
    }
    EXPECT_THAT(reached, SizeIs(1));
    EXPECT_THAT(director.connections(), SizeIs(3));  // and one template
    EXPECT_EQ(director.inconsistencies(), "");
    // The template goes with the last of them, whoever's they are.
    director.advance(20min);
    EXPECT_THAT(director.connections(), IsEmpty());
    EXPECT_EQ(director.inconsistencies(), "");
}

TEST(Workers, LeaveARecordAloneThatWasTheirsWhenItsTimeWasSet) {
    Director director(
        "-A -t 192.0.2.1:80 -s rr\n"
        "-a -t 192.0.2.1:80 -r 10.0.0.11:8080 -m",
        two_workers());
    // The timers still hold what they held for the 60 s of a SYN.
    open_and_reset(director, 0, 1s);
    const std::set<std::uint32_t> before = records_of(director, 0);
    director.advance(12s);
    ASSERT_EQ(director.engine.connection_count(), 0U);
    open_and_reset(director, 1, 40s);
    const std::set<std::uint32_t> after = records_of(director, 1);
    ASSERT_TRUE(std::any_of(
        after.begin(), after.end(), [&](std::uint32_t each) { return before.count(each) > 0; }));
    director.clock.advance(11s);
    director.engine.worker(0).run_timers();
    EXPECT_EQ(director.engine.connection_count(), 64U);
    director.engine.worker(1).run_timers();
    EXPECT_EQ(director.engine.connection_count(), 0U);
    EXPECT_EQ(director.inconsistencies(), "");
}

TEST(Workers, HandOverWhatIsAnothers) {
    Director director(kTwoServers, two_workers());
    const auto client = client_of(director, 1);
    const auto at_first = [](Side side = Side::Client) {
        test::Arrival arrival;
        arrival.side = side;
        arrival.worker = std::uint8_t{0};
        return arrival;
    };
    EXPECT_THAT(director.receives(Packet::tcp(client, kVip).flags("S"), at_first()), SizeIs(1));
    EXPECT_EQ(director.engine.totals().handed_over, 1U);
    EXPECT_EQ(owner_of_only_connection(director), 1U);
    // A packet of a connection that there is, in either direction.
    const auto server = net::Endpoint::parse(director.connection_infos().front().real.to_string());
    EXPECT_THAT(director.receives(Packet::tcp(*server, client).flags("S."), at_first(Side::Real)),
                SizeIs(1));
    EXPECT_THAT(director.receives(Packet::tcp(client, kVip).flags("."), at_first()), SizeIs(1));
    EXPECT_EQ(director.engine.totals().handed_over, 3U);
    EXPECT_EQ(director.engine.worker(1).totals().received, 0U);
    EXPECT_EQ(director.engine.worker(1).totals().forwarded, 3U);
    EXPECT_EQ(director.inconsistencies(), "");
}

TEST(Workers, HandOverFragmentsInOrder) {
    Director director(kDns, two_workers());
    const auto client = client_of(director, 1);
    // The first piece alone shows the ports; here all of them come to the other worker.
    EXPECT_THAT(director.receives(piece(client, kDnsVip, 2)), IsEmpty());
    EXPECT_THAT(
        director.receives(piece(client, kDnsVip, 0)),
        ElementsAre(piece(client, kDnsReal, 0).ttl(63), piece(client, kDnsReal, 2).ttl(63)));
    EXPECT_THAT(director.receives(piece(client, kDnsVip, 1)),
                ElementsAre(piece(client, kDnsReal, 1).ttl(63)));
    EXPECT_EQ(director.engine.totals().handed_over, 3U);
    EXPECT_THAT(director.drops(), IsEmpty());
    EXPECT_EQ(owner_of_only_connection(director), 1U);
}

TEST(Workers, HandOverErrorsAboutAnothersConnection) {
    Director director(kDns, two_workers());
    const auto client = client_of(director, 1);
    (void)director.receives(Packet::udp(client, kDnsVip).length(4));
    const Packet unreachable = Packet::icmp_error(kDnsReal.address,
                                                  client.address,
                                                  "port unreachable",
                                                  Packet::udp(client, kDnsReal).length(4).ttl(63));
    const auto sent = director.hears(unreachable);
    ASSERT_THAT(sent, SizeIs(1));
    EXPECT_EQ(sent.front().to, "client");
    EXPECT_EQ(director.engine.totals().handed_over, 1U);
}

TEST(Workers, DropWhatTheOtherDoesNotKeepUpWith) {
    Director director(kTwoServers, two_workers());
    const auto client = client_of(director, 0);
    test::Arrival at_second;
    at_second.worker = std::uint8_t{1};
    // The second worker's bursts alone: the first never comes to what it was handed.
    std::uint64_t given = 0;
    while (director.drops().empty() && given < 10000) {
        director.queue(Packet::tcp(client, kVip).flags("S").length(1000), at_second);
        (void)director.engine.worker(1).process_burst();
        ++given;
    }
    EXPECT_THAT(director.drops(), ElementsAre(Pair(DropReason::HandOverFull, 1)));
    EXPECT_GT(given, 100U);
    // What was taken is not lost.
    while (director.engine.process_burst() > 0) {
    }
    EXPECT_EQ(director.engine.totals().forwarded, given - 1);
}

TEST(Workers, EndTheirConnectionsEachInTime) {
    Director director(kTwoServers, two_workers());
    for (const std::uint8_t worker : kBoth)
        (void)director.receives(Packet::tcp(client_of(director, worker), kVip).flags("S"));
    EXPECT_THAT(director.connections(), SizeIs(2));
    director.advance(2min);
    EXPECT_THAT(director.connections(), IsEmpty());
    EXPECT_EQ(director.inconsistencies(), "");
}

TEST(Workers, ShareTheRoomThereIs) {
    DirectorParts parts = two_workers();
    parts.connections = 64;
    Director director(kTwoServers, parts);
    // All that one client begins is one worker's; the other has what that leaves over, and back.
    for (const std::uint8_t worker : kBoth) {
        for (std::uint16_t number = 0; number < 60; ++number) {
            const auto client =
                client_of(director, worker, static_cast<std::uint16_t>(number * 100));
            EXPECT_THAT(director.receives(Packet::tcp(client, kVip).flags("S")), SizeIs(1));
        }
        EXPECT_THAT(director.connections(), SizeIs(60));
        director.advance(3min);
    }
    EXPECT_THAT(director.drops(), IsEmpty());
}

TEST(Workers, GrowTheTableTogether) {
    DirectorParts parts = two_workers();
    parts.connections = 1 << 16;
    Director director(kTwoServers, parts);
    const std::uint32_t before = director.tables->flows<flow::Ipv4>().active();
    for (std::uint16_t number = 0; number < 20000; ++number) {
        net::Endpoint client = "198.51.100.7:40001"_ep;
        client.port = net::Port{static_cast<std::uint16_t>(1025 + number)};
        director.queue(Packet::tcp(client, kVip).flags("S"));
        if (number % 32 == 31) director.engine.process_burst();
    }
    while (director.engine.process_burst() > 0) {
    }
    EXPECT_GT(director.tables->flows<flow::Ipv4>(1).active(), before);
    EXPECT_EQ(director.engine.connection_count(), 20000U);
    EXPECT_THAT(director.drops(), IsEmpty());
    EXPECT_EQ(director.inconsistencies(), "");
}

// A daemon with another number of workers goes on with what there is.
TEST(Workers, AdoptWhatAnotherNumberOfThemLeft) {
    for (const auto& [before, after] : {std::pair{1U, 2U}, {2U, 1U}, {2U, 3U}}) {
        KeptStorage storage;
        DirectorParts parts{.connections = 256, .storage = &storage, .workers = before};
        auto former = std::make_unique<Director>(kTwoServers, parts);
        std::vector<net::Endpoint> clients;
        for (std::uint16_t number = 0; number < 40; ++number) {
            net::Endpoint client = "198.51.100.7:40001"_ep;
            client.port = net::Port{static_cast<std::uint16_t>(40001 + number)};
            clients.push_back(client);
            (void)former->receives(Packet::tcp(client, kVip).flags("S"));
        }
        DirectorParts next{.storage = &storage, .former = former.get()};
        next.workers = after;
        Director director("", next);
        EXPECT_EQ(director.inconsistencies(), "") << before << " then " << after;
        EXPECT_THAT(director.connections(), SizeIs(40));
        for (const net::Endpoint& client : clients)
            EXPECT_THAT(director.receives(Packet::tcp(client, kVip).flags(".")), SizeIs(1));
        EXPECT_EQ(director.engine.totals().handed_over, 0U);
        director.advance(20min);
        EXPECT_THAT(director.connections(), IsEmpty()) << before << " then " << after;
        EXPECT_EQ(director.inconsistencies(), "");
    }
}

// Whatever a queue of AF_XDP holds reaches one worker, who may have to give all of it to another
// that does not run yet.
TEST(HandOver, HasRoomForAQueueOfFramesBetweenTwoWorkers) {
    constexpr std::uint32_t kQueue = 2048;
    HandOver hand_over(2);
    std::vector<std::byte> bytes(1514);
    Frame frame;
    frame.data = bytes.data();
    frame.length = static_cast<std::uint32_t>(bytes.size());
    for (std::uint32_t given = 0; given < kQueue; ++given)
        ASSERT_TRUE(hand_over.give(0, 1, frame)) << given;
}

TEST(HandOver, GivesManyWorkersSmallerRings) {
    HandOver hand_over(16);
    std::vector<std::byte> bytes(1514);
    Frame frame;
    frame.data = bytes.data();
    frame.length = static_cast<std::uint32_t>(bytes.size());
    std::uint32_t given = 0;
    while (hand_over.give(3, 15, frame))
        ++given;
    EXPECT_GT(given, 140U);
    EXPECT_LT(given, 200U);
}

TEST(FrameRing, GivesFramesBackInOrderThroughManyRounds) {
    FrameRing ring(FrameRing::kMinBytes);
    std::vector<std::byte> bytes(9000);
    std::array<Frame, kMaxBurst> taken;
    std::uint32_t given = 0;
    std::uint32_t seen = 0;
    for (int round = 0; round < 2000; ++round) {
        Frame frame;
        frame.data = bytes.data();
        frame.length = 60 + given * 37 % 8900;
        bytes[0] = static_cast<std::byte>(given);
        bytes[frame.length - 1] = static_cast<std::byte>(given >> 8);
        while (ring.push(frame)) {
            ++given;
            frame.length = 60 + given * 37 % 8900;
            bytes[0] = static_cast<std::byte>(given);
            bytes[frame.length - 1] = static_cast<std::byte>(given >> 8);
        }
        const std::size_t count = ring.take(taken);
        ASSERT_GT(count, 0U);
        for (std::size_t each = 0; each < count; ++each, ++seen) {
            const Frame& frame_taken = taken[each];
            ASSERT_EQ(frame_taken.length, 60 + seen * 37 % 8900);
            ASSERT_EQ(frame_taken.data[0], static_cast<std::byte>(seen));
            ASSERT_EQ(frame_taken.data[frame_taken.length - 1], static_cast<std::byte>(seen >> 8));
            ASSERT_GE(frame_taken.headroom, kFrameHeadroom);
        }
        ring.release();
    }
    EXPECT_GT(seen, 2000U);
}

}  // namespace
}  // namespace xvs::engine
