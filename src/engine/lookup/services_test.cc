#include "engine/lookup/services.h"

#include <functional>
#include <string>
#include <utility>
#include <vector>

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
constexpr auto kVip = "192.0.2.1:80"_ep;
constexpr auto kService = "-t 192.0.2.1:80";
constexpr auto kServer = "10.0.0.11:8080";

constexpr auto kNat =
    "-A -t 192.0.2.1:80 -s rr\n"
    "-a -t 192.0.2.1:80 -r 10.0.0.11:8080 -m";

net::Endpoint client(unsigned number) {
    return {.address = kClient.address, .port = net::Port{static_cast<std::uint16_t>(number)}};
}

// Opens `count` connections from ports of their own, `first` on.
void open(Director& director, unsigned count, unsigned first = 1000) {
    for (unsigned i = 0; i < count; ++i)
        director.receives(Packet::tcp(client(first + i), kVip).flags("S"));
}

// Ends the connection that open() made from that port.
void reset(Director& director, unsigned port, const net::Endpoint& server) {
    director.hears(Packet::tcp(server, client(port)).flags("R"));
    director.advance(11s);
}

ErrorCode code_of(const Status& status) {
    return status ? ErrorCode::System : status.error().code;
}

struct Refusal {
    const char* command;
    ErrorCode code;
};

class ServicesRefuse : public ::testing::TestWithParam<Refusal> {};

TEST_P(ServicesRefuse, AndChangeNothing) {
    Director director(kNat);
    open(director, 1);
    const auto nat_sources = director.steering.nat_sources;
    const auto addresses = director.steering.addresses;
    EXPECT_EQ(code_of(director.ipvsadm(GetParam().command)), GetParam().code);
    EXPECT_THAT(director.engine.services().in_order(), SizeIs(1));
    EXPECT_EQ(director.engine.services().in_order()[0]->config.scheduler, "rr");
    EXPECT_EQ(director.counts(kService, kServer), (ServerCounts{.active = 1}));
    EXPECT_EQ(director.steering.nat_sources, nat_sources);
    EXPECT_EQ(director.steering.addresses, addresses);
    EXPECT_EQ(director.tables->services().size(), 1U);
    EXPECT_EQ(director.tables->destinations().size(), 1U);
    EXPECT_EQ(director.inconsistencies(), "");
}

INSTANTIATE_TEST_SUITE_P(
    Services,
    ServicesRefuse,
    ::testing::Values(
        Refusal{"-A -t 192.0.2.1:80", ErrorCode::AlreadyExists},
        Refusal{"-A -t 192.0.2.1:81 -s unheard-of", ErrorCode::NotFound},
        Refusal{"-E -t 192.0.2.1:80 -s unheard-of", ErrorCode::NotFound},
        Refusal{"-A -u 192.0.2.1:80 -p --pe unheard-of", ErrorCode::NotFound},
        Refusal{"-E -t 192.0.2.1:81 -s rr", ErrorCode::NoSuchService},
        Refusal{"-D -t 192.0.2.1:81", ErrorCode::NoSuchService},
        Refusal{"-D -u 192.0.2.1:80", ErrorCode::NoSuchService},
        Refusal{"-a -t 192.0.2.1:81 -r 10.0.0.11:80 -m", ErrorCode::NoSuchService},
        Refusal{"-a -t 192.0.2.1:80 -r 10.0.0.11:8080 -m", ErrorCode::AlreadyExists},
        Refusal{"-a -t 192.0.2.1:80 -r 10.0.0.12:80 -m -x 5 -y 6", ErrorCode::OutOfRange},
        Refusal{"-a -t 192.0.2.1:80 -r 224.0.0.1:80 -m", ErrorCode::InvalidArgument},
        Refusal{"-a -t 192.0.2.1:80 -r [2001:db8:2::11]:80 -m", ErrorCode::InvalidArgument},
        Refusal{
            "-a -t 192.0.2.1:80 -r 10.0.0.12:80 -i --tun-type gue --tun-port 6080 --tun-remcsum",
            ErrorCode::NotSupported},
        Refusal{"-e -t 192.0.2.1:80 -r 10.0.0.12:80 -m", ErrorCode::NotFound},
        Refusal{"-d -t 192.0.2.1:80 -r 10.0.0.12:80", ErrorCode::NotFound},
        Refusal{"-Z -t 192.0.2.1:81", ErrorCode::NoSuchService}));

TEST(Services, KeepTheNewestServerFirst) {
    Director director(kNat);
    ASSERT_TRUE(director.ipvsadm("-a -t 192.0.2.1:80 -r 10.0.0.12:8080 -m"));
    const auto* newest = director.engine.services().in_order()[0]->destinations.first();
    EXPECT_EQ(newest->config.real, "10.0.0.12:8080"_ep);
    EXPECT_EQ(newest->next->config.real, "10.0.0.11:8080"_ep);
}

TEST(Services, KeepTheNameOfTheSipPersistenceEngine) {
    Director director(kNat);
    ASSERT_TRUE(director.ipvsadm("-A -u 192.0.2.1:5060 -p --pe sip"));
    EXPECT_EQ(director.engine.services().in_order()[1]->config.persistence_engine, "sip");
}

TEST(Services, ReviveARemovedServerWithItsConnectionsAndCounters) {
    Director director(kNat);
    open(director, 3);
    ASSERT_TRUE(
        director.ipvsadm("-d -t 192.0.2.1:80 -r 10.0.0.11:8080\n"
                         "-a -t 192.0.2.1:80 -r 10.0.0.11:8080 -m"));
    EXPECT_EQ(director.counts(kService, kServer), (ServerCounts{.active = 3}));
    EXPECT_EQ(director.statistics(kService, kServer).counters.connections, 3U);
    EXPECT_EQ(director.statistics(kService).counters.connections, 3U);
    EXPECT_EQ(director.inconsistencies(), "");
}

// Kernel: __ip_vs_update_dest() gives a server of another service new statistics.
TEST(Services, ReviveItsConnectionsButNoCountersInAServiceOfTheSameNameAddedAfterMinusC) {
    Director director(kNat);
    open(director, 3);
    ASSERT_TRUE(director.ipvsadm("-C"));
    ASSERT_TRUE(director.ipvsadm(kNat));
    EXPECT_EQ(director.counts(kService, kServer), (ServerCounts{.active = 3}));
    EXPECT_EQ(director.statistics(kService, kServer).counters.connections, 0U);
    EXPECT_EQ(director.statistics(kService).counters.connections, 0U);
    EXPECT_THAT(director.receives(Packet::tcp(client(1000), kVip).flags(".")), SizeIs(1));
    EXPECT_EQ(director.statistics(kService, kServer).counters.packets_in, 1U);
    EXPECT_EQ(director.statistics(kService).counters.packets_in, 1U);
    EXPECT_EQ(director.inconsistencies(), "");
}

TEST(Services, ForgetARemovedServerTwoMinutesAfterItsLastConnection) {
    Director director(kNat);
    open(director, 1);
    ASSERT_TRUE(director.ipvsadm("-d -t 192.0.2.1:80 -r 10.0.0.11:8080"));
    director.advance(61s + 115s);
    EXPECT_EQ(director.tables->destinations().size(), 1U);
    director.advance(5s + 61s);
    EXPECT_EQ(director.tables->destinations().size(), 0U);
    ASSERT_TRUE(director.ipvsadm("-a -t 192.0.2.1:80 -r 10.0.0.11:8080 -m"));
    EXPECT_EQ(director.statistics(kService, kServer).counters.connections, 0U);
}

TEST(Services, CountWhatPassesEachWay) {
    Director director(kNat);
    open(director, 1);
    director.hears(Packet::tcp("10.0.0.11:8080"_ep, client(1000)).flags("S."));
    const model::Counters expected{
        .connections = 1, .packets_in = 1, .packets_out = 1, .bytes_in = 40, .bytes_out = 40};
    EXPECT_EQ(director.statistics(kService, kServer).counters, expected);
    EXPECT_EQ(director.statistics(kService).counters, expected);
    EXPECT_EQ(director.total().counters, expected);
}

TEST(Services, StartCountingAnewAfterMinusZWhileTheTotalGoesOn) {
    Director director(kNat);
    open(director, 2);
    ASSERT_TRUE(director.ipvsadm("-Z -t 192.0.2.1:80"));
    EXPECT_EQ(director.statistics(kService, kServer).counters, model::Counters{});
    EXPECT_EQ(director.statistics(kService).counters, model::Counters{});
    EXPECT_EQ(director.total().counters.connections, 2U);
    open(director, 1, 2000);
    EXPECT_EQ(director.statistics(kService).counters.connections, 1U);
    ASSERT_TRUE(director.ipvsadm("-Z"));
    EXPECT_EQ(director.total().counters, model::Counters{});
    EXPECT_EQ(director.counts(kService, kServer), (ServerCounts{.active = 3}));
}

TEST(Services, KeepTheCountsOfServersThatHaveGone) {
    Director director(kNat);
    open(director, 2);
    ASSERT_TRUE(director.ipvsadm("-d -t 192.0.2.1:80 -r 10.0.0.11:8080"));
    EXPECT_EQ(director.statistics(kService).counters.connections, 2U);
    director.advance(5min);
    EXPECT_EQ(director.tables->destinations().size(), 0U);
    EXPECT_EQ(director.statistics(kService).counters.connections, 2U);
    EXPECT_EQ(director.total().counters.connections, 2U);
}

TEST(Services, StopSchedulingToAServerAtItsUpperThreshold) {
    Director director(
        "-A -t 192.0.2.1:80 -s rr\n"
        "-a -t 192.0.2.1:80 -r 10.0.0.11:8080 -m -x 4 -y 2");
    open(director, 6);
    EXPECT_EQ(director.counts(kService, kServer), (ServerCounts{.active = 4}));
    EXPECT_EQ(director.drops().at(engine::DropReason::NoDestination), 2U);
}

TEST(Services, ResumeBelowTheLowerThreshold) {
    Director director(
        "-A -t 192.0.2.1:80 -s rr\n"
        "-a -t 192.0.2.1:80 -r 10.0.0.11:8080 -m -x 4 -y 2");
    open(director, 4);
    reset(director, 1000, "10.0.0.11:8080"_ep);
    reset(director, 1001, "10.0.0.11:8080"_ep);
    open(director, 1, 2000);
    EXPECT_THAT(director.connections(), SizeIs(2));
    reset(director, 1002, "10.0.0.11:8080"_ep);
    open(director, 1, 2000);
    EXPECT_THAT(director.connections(), SizeIs(2));
    EXPECT_EQ(director.counts(kService, kServer), (ServerCounts{.active = 2}));
}

TEST(Services, ResumeBelowThreeQuartersWithoutALowerThreshold) {
    Director director(
        "-A -t 192.0.2.1:80 -s rr\n"
        "-a -t 192.0.2.1:80 -r 10.0.0.11:8080 -m -x 4");
    open(director, 4);
    reset(director, 1000, "10.0.0.11:8080"_ep);
    open(director, 1, 2000);
    EXPECT_THAT(director.connections(), SizeIs(3));
    reset(director, 1001, "10.0.0.11:8080"_ep);
    open(director, 1, 2000);
    EXPECT_THAT(director.connections(), SizeIs(3));
    EXPECT_EQ(director.counts(kService, kServer), (ServerCounts{.active = 3}));
}

TEST(Services, ReviewAServerWhenItsThresholdsChange) {
    Director director(kNat);
    open(director, 3);
    ASSERT_TRUE(director.ipvsadm("-e -t 192.0.2.1:80 -r 10.0.0.11:8080 -m -x 3"));
    open(director, 1, 2000);
    EXPECT_EQ(director.counts(kService, kServer), (ServerCounts{.active = 3}));
    ASSERT_TRUE(director.ipvsadm("-e -t 192.0.2.1:80 -r 10.0.0.11:8080 -m"));
    open(director, 1, 2000);
    EXPECT_EQ(director.counts(kService, kServer), (ServerCounts{.active = 4}));
}

TEST(Services, AskTheSteeringForNatSourcesAsLongAsTheyAreNat) {
    Director director(
        "-A -t 192.0.2.1:80 -s rr\n"
        "-a -t 192.0.2.1:80 -r 10.0.0.11:80 -m");
    EXPECT_THAT(director.steering.nat_sources, SizeIs(1));
    ASSERT_TRUE(director.ipvsadm("-e -t 192.0.2.1:80 -r 10.0.0.11:80 -g"));
    EXPECT_THAT(director.steering.nat_sources, IsEmpty());
    ASSERT_TRUE(director.ipvsadm("-e -t 192.0.2.1:80 -r 10.0.0.11:80 -m"));
    EXPECT_THAT(director.steering.nat_sources, SizeIs(1));
    ASSERT_TRUE(director.ipvsadm("-D -t 192.0.2.1:80"));
    EXPECT_THAT(director.steering.nat_sources, IsEmpty());
    EXPECT_THAT(director.steering.services, IsEmpty());
}

// What a local node sends is met at egress only as long as it is a NAT source.
TEST(Services, KeepANatSourceThatHasConnectionsUntilTheyHaveEnded) {
    Director director(
        "-A -t 192.0.2.1:80 -s rr\n"
        "-a -t 192.0.2.1:80 -r 10.0.0.11:80 -m");
    open(director, 1);
    ASSERT_TRUE(director.ipvsadm("-e -t 192.0.2.1:80 -r 10.0.0.11:80 -g"));
    // The connection goes on as it began.
    EXPECT_THAT(director.receives(Packet::tcp(client(1000), kVip).flags(".")),
                ElementsAre(Packet::tcp(client(1000), "10.0.0.11:80"_ep).flags(".").ttl(63)));
    EXPECT_THAT(director.steering.nat_sources, SizeIs(1));
    ASSERT_TRUE(director.ipvsadm("-D -t 192.0.2.1:80"));
    EXPECT_THAT(director.steering.nat_sources, SizeIs(1));
    EXPECT_FALSE(director.steering.addresses.empty()) << "fragments of its connections still come";
    director.advance(20min);
    EXPECT_EQ(director.leftovers(), "");
}

TEST(Services, ShareAServerBetweenTwoServicesWithoutLosingItsSteering) {
    Director director(kNat);
    ASSERT_TRUE(
        director.ipvsadm("-A -t 192.0.2.2:80 -s rr\n"
                         "-a -t 192.0.2.2:80 -r 10.0.0.11:8080 -m\n"
                         "-D -t 192.0.2.1:80"));
    EXPECT_THAT(director.steering.nat_sources, SizeIs(1));
    EXPECT_EQ(director.inconsistencies(), "");
}

TEST(Services, TakeAnEditOfTheWeightInMidFlight) {
    Director director(
        "-A -t 192.0.2.1:80 -s wrr\n"
        "-a -t 192.0.2.1:80 -r 10.0.0.11:8080 -m\n"
        "-a -t 192.0.2.1:80 -r 10.0.0.12:8080 -m");
    open(director, 4);
    ASSERT_TRUE(director.ipvsadm("-e -t 192.0.2.1:80 -r 10.0.0.12:8080 -m -w 0"));
    open(director, 4, 2000);
    EXPECT_EQ(director.counts(kService, kServer), (ServerCounts{.active = 6}));
    EXPECT_THAT(director.receives(Packet::tcp(client(1000), kVip).flags(".")), SizeIs(1))
        << "a quiesced server keeps its connections";
}

// A search for a light server among overloaded heavy ones takes no time.
TEST(Services, PassOverRoundsOfWrrThatNobodyIsHeavyEnoughFor) {
    Director director(
        "-A -t 192.0.2.1:80 -s wrr\n"
        "-a -t 192.0.2.1:80 -r 10.0.0.11:8080 -m -w 2147483647 -x 1\n"
        "-a -t 192.0.2.1:80 -r 10.0.0.12:8080 -m -w 2");
    open(director, 40);
    EXPECT_EQ(director.counts(kService, kServer), (ServerCounts{.active = 1}));
    EXPECT_EQ(director.counts(kService, "10.0.0.12:8080"), (ServerCounts{.active = 39}));
}

TEST(Services, PreferTheExactPortToPort21AndThatToAnyPort) {
    Director director(
        "-A -t 192.0.2.1:0 -s rr -p 60\n"
        "-a -t 192.0.2.1:0 -r 10.0.0.11:0 -m\n"
        "-A -t 192.0.2.1:21 -s rr -p 60\n"
        "-a -t 192.0.2.1:21 -r 10.0.0.12:21 -m\n"
        "-A -t 192.0.2.1:8080 -s rr\n"
        "-a -t 192.0.2.1:8080 -r 10.0.0.13:8080 -m");
    // Each from a client of its own: the templates of port 21 and of any port have one name, as in
    // the kernel.
    const auto receiver = [&](std::uint16_t port) {
        const net::Endpoint from{.address = net::Ipv4Address(0x0b000000U + port),
                                 .port = kClient.port};
        const auto sent = director.receives(
            Packet::tcp(from, {.address = kVip.address, .port = net::Port{port}}).flags("S"));
        return sent.size() == 1 ? sent[0].to : "nobody";
    };
    EXPECT_EQ(receiver(8080), "real3");
    EXPECT_EQ(receiver(21), "real2");
    EXPECT_EQ(receiver(20), "real2");
    EXPECT_EQ(receiver(40000), "real2");
    EXPECT_EQ(receiver(80), "real1");
    EXPECT_EQ(director.inconsistencies(), "");
}

TEST(Services, RunOutOfRoomForServersInWords) {
    Director director("-A -t 192.0.2.1:80 -s rr");
    Status status;
    for (unsigned i = 1; i < 300 && status; ++i)
        status = director.ipvsadm("-a -t 192.0.2.1:80 -m -r 10.0.0.11:" + std::to_string(i));
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code, ErrorCode::OutOfMemory);
    EXPECT_EQ(director.inconsistencies(), "");
    ASSERT_TRUE(director.ipvsadm("-C"));
    director.advance(3min + 1s);
    EXPECT_EQ(director.leftovers(), "");
}

class Estimator : public ::testing::Test {
protected:
    // So many real servers, each of which gets so many datagrams of 100 bytes a second.
    void serve(unsigned servers, unsigned datagrams) {
        ASSERT_TRUE(director.ipvsadm("-A -u 192.0.2.1:53 -s rr"));
        for (unsigned i = 1; i <= servers; ++i)
            ASSERT_TRUE(director.ipvsadm("-a -u 192.0.2.1:53 -m -r " + server(i)));
        a_second_ = servers * datagrams;
    }

    static std::string server(unsigned number) { return "10.0.0.11:" + std::to_string(number); }

    void run_for(int seconds) {
        for (int second = 0; second < seconds; ++second) {
            for (unsigned i = 0; i < a_second_; ++i)
                director.receives(Packet::udp(client(2000 + i), kDns).length(72));
            director.advance(1s);
        }
    }

    model::Rates rates() { return director.statistics("-u 192.0.2.1:53").rates; }

    static constexpr auto kDns = "192.0.2.1:53"_ep;
    Director director;

private:
    unsigned a_second_ = 0;
};

TEST_F(Estimator, MovesAQuarterTowardsWhatCameASecondEveryTwoSeconds) {
    serve(1, 400);
    run_for(2);
    EXPECT_EQ(rates().packets_in, 100U);
    run_for(2);
    EXPECT_EQ(rates().packets_in, 175U);
    EXPECT_EQ(rates().bytes_in, 17500U);
    EXPECT_EQ(director.statistics("-u 192.0.2.1:53", server(1)).rates, rates());
    EXPECT_EQ(director.total().rates, rates());
    director.advance(2s);
    EXPECT_EQ(rates().packets_in, 131U) << "it forgets as fast";
    director.advance(5min);
    EXPECT_EQ(rates(), model::Rates{});
}

TEST_F(Estimator, LooksAtEveryRealServerAtAMomentOfItsOwnOnceAPeriod) {
    serve(100, 1);
    run_for(60);
    for (unsigned i = 1; i <= 100; ++i) {
        const auto of_server = director.statistics("-u 192.0.2.1:53", server(i)).rates;
        ASSERT_EQ(of_server.packets_in, 1U) << i;
        ASSERT_EQ(of_server.bytes_in, 100U) << i;
    }
    EXPECT_NEAR(static_cast<double>(rates().packets_in), 100, 1);
    EXPECT_NEAR(static_cast<double>(director.total().rates.bytes_in), 10000, 50);
}

TEST_F(Estimator, IsNotMisledByRealServersThatComeAndGo) {
    serve(2, 100);
    run_for(60);
    for (int i = 0; i < 4; ++i) {
        ASSERT_TRUE(director.ipvsadm("-d -u 192.0.2.1:53 -r " + server(1)));
        ASSERT_TRUE(director.ipvsadm("-a -u 192.0.2.1:53 -m -r " + server(1)));
        run_for(2);
        EXPECT_NEAR(static_cast<double>(rates().packets_in), 200, 2);
    }
}

// A listing in portions, with edits in between.
class Listing : public ::testing::Test {
protected:
    // Ports in the order they are listed, by portions of three; `between` after each.
    std::string list(const std::function<void()>& between) {
        const engine::ServiceState* service =
            director.engine.services().find(*parse_service_key("-t 192.0.2.1:80"));
        std::string ports;
        model::DestinationPlace place;
        bool has_more = true;
        while (has_more) {
            has_more = director.engine.services().for_each_destination(
                *service, place, 3, [&](const engine::DestinationState& each) {
                    ports += std::to_string(net::number(each.config.real.port)) + ' ';
                });
            between();
        }
        return ports;
    }

    void run(const char* line) { ASSERT_TRUE(director.ipvsadm(line)); }

    Director director{
        "-A -t 192.0.2.1:80 -s rr\n"
        "-a -t 192.0.2.1:80 -m -r 10.0.0.11:1\n-a -t 192.0.2.1:80 -m -r 10.0.0.11:2\n"
        "-a -t 192.0.2.1:80 -m -r 10.0.0.11:3\n-a -t 192.0.2.1:80 -m -r 10.0.0.11:4\n"
        "-a -t 192.0.2.1:80 -m -r 10.0.0.11:5\n-a -t 192.0.2.1:80 -m -r 10.0.0.11:6\n"
        "-a -t 192.0.2.1:80 -m -r 10.0.0.11:7\n"};
};

TEST_F(Listing, IsWholeInPortions) {
    EXPECT_EQ(list([] {}), "7 6 5 4 3 2 1 ");
}

TEST_F(Listing, GoesOnWhereTheLastOneWasRemoved) {
    bool is_first = true;
    EXPECT_EQ(list([&] {
                  if (std::exchange(is_first, false)) run("-d -t 192.0.2.1:80 -r 10.0.0.11:5");
              }),
              "7 6 5 4 3 2 1 ");
}

TEST_F(Listing, ListsNobodyTwiceWhoIsAddedAgain) {
    bool is_first = true;
    EXPECT_EQ(list([&] {
                  if (!std::exchange(is_first, false)) return;
                  run("-d -t 192.0.2.1:80 -r 10.0.0.11:5");
                  run("-a -t 192.0.2.1:80 -m -r 10.0.0.11:5");
                  run("-d -t 192.0.2.1:80 -r 10.0.0.11:4");
              }),
              "7 6 5 3 2 1 ");
}

TEST_F(Listing, OfServicesSumsUpWhatItsServersHaveCounted) {
    for (unsigned i = 0; i < 70; ++i) {
        director.receives(Packet::tcp(client(2000U + i), kVip).flags("S"));
    }
    run("-d -t 192.0.2.1:80 -r 10.0.0.11:4");
    run("-A -t 192.0.2.2:80 -s rr");
    engine::ServiceListing listing;
    std::vector<std::uint64_t> connections;
    while (director.engine.services().for_each_service(
        listing, [&](const engine::ServiceState&, const model::Statistics& statistics) {
            connections.push_back(statistics.counters.connections);
        })) {
    }
    EXPECT_EQ(connections, (std::vector<std::uint64_t>{70, 0}));
}

}  // namespace
}  // namespace xvs::test
