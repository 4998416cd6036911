// What happens when the connection table is full, or nearly so.
#include <gmock/gmock.h>

#include "engine/lookup/connections.h"
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

constexpr auto kVip = "192.0.2.1:80"_ep;
constexpr auto kReal = "10.0.0.11:8080"_ep;

constexpr auto kNat =
    "-A -t 192.0.2.1:80 -s rr\n"
    "-a -t 192.0.2.1:80 -r 10.0.0.11:8080 -m";
constexpr auto kRouted =
    "-A -t 192.0.2.1:80 -s rr\n"
    "-a -t 192.0.2.1:80 -r 10.0.0.11:80 -g";
constexpr auto kPersistent =
    "-A -t 192.0.2.1:80 -s rr -p 360\n"
    "-a -t 192.0.2.1:80 -r 10.0.0.12:8080 -m\n"
    "-a -t 192.0.2.1:80 -r 10.0.0.11:8080 -m";

net::Endpoint client(unsigned number) {
    return {.address = "198.51.100.7"_ip, .port = net::Port{static_cast<std::uint16_t>(number)}};
}

net::Endpoint flooder(unsigned number) {
    return {.address = net::Ipv4Address(0x0b000000 + number), .port = net::Port{1024}};
}

bool asks(Director& director, const net::Endpoint& from) {
    return director.receives(Packet::tcp(from, kVip).flags("S")).size() == 1;
}

bool acknowledges(Director& director, const net::Endpoint& from) {
    return director.receives(Packet::tcp(from, kVip).flags(".")).size() == 1;
}

void open(Director& director, const net::Endpoint& from) {
    EXPECT_TRUE(asks(director, from));
    director.hears(Packet::tcp(kReal, from).flags("S."));
    EXPECT_TRUE(acknowledges(director, from));
}

// How many of `count` flooders have a connection still, from number `first` on.
unsigned left_of(Director& director, unsigned first, unsigned count) {
    unsigned left = 0;
    for (const model::ConnectionInfo& each : director.connection_infos()) {
        for (unsigned number = first; number < first + count; ++number)
            left += each.client == flooder(number) ? 1U : 0U;
    }
    return left;
}

TEST(Room, IsMadeByHalfOpenConnectionsAlone) {
    for (const char* const services : {kNat, kRouted}) {
        Director director(services, 64);
        for (unsigned number = 0; number < 20; ++number)
            open(director, client(1000 + number));
        for (unsigned number = 0; number < 1000; ++number)
            ASSERT_TRUE(asks(director, flooder(number))) << number;
        EXPECT_THAT(director.drops(), IsEmpty());
        for (unsigned number = 0; number < 20; ++number)
            EXPECT_TRUE(acknowledges(director, client(1000 + number))) << number;
        open(director, client(2000));
        EXPECT_LE(director.engine.connection_count(), 64U);
        EXPECT_GE(director.engine.ended_for_room(), 1000U - 64);
        EXPECT_EQ(director.inconsistencies(), "");
        (void)director.advance(62s);
        EXPECT_THAT(director.connections(), SizeIs(21));
        EXPECT_EQ(director.inconsistencies(), "");
    }
}

TEST(Room, IsMadeByTheOldestOfThem) {
    Director director(kNat, 1024);
    for (unsigned number = 0; number < 5000; ++number) {
        ASSERT_TRUE(asks(director, flooder(number)));
        if (number % 10 == 0) (void)director.advance(20ms);
    }
    // A share is kept free, and of the rest the newer half is there, but for very few.
    EXPECT_GE(left_of(director, 4600, 400), 396U);
    EXPECT_EQ(left_of(director, 0, 3000), 0U);
    EXPECT_EQ(director.inconsistencies(), "");
}

TEST(Room, IsNotMadeByOnesThatAreClosing) {
    Director director(kNat, 64);
    open(director, client(1000));
    director.receives(Packet::tcp(client(1000), kVip).flags("F."));
    for (unsigned number = 0; number < 200; ++number)
        ASSERT_TRUE(asks(director, flooder(number)));
    EXPECT_THAT(director.connections(),
                Contains("TCP 198.51.100.7:1000 192.0.2.1:80 10.0.0.11:8080 CLOSE_WAIT"));
}

TEST(Room, IsLeftToTheFewThatAreJustBeginning) {
    Director director(kNat, 64);
    for (unsigned number = 0; number < 59; ++number)
        open(director, client(1000 + number));
    for (unsigned number = 0; number < 4; ++number)
        ASSERT_TRUE(asks(director, flooder(number)));
    (void)director.advance(1s);
    EXPECT_EQ(left_of(director, 0, 4), 4U);
    EXPECT_EQ(director.engine.ended_for_room(), 0U);
}

TEST(Room, IsNotToBeHadWhereAllAreEstablished) {
    Director director(kNat, 16);
    for (unsigned number = 0; number < 16; ++number)
        open(director, client(1000 + number));
    for (unsigned number = 0; number < 4; ++number)
        EXPECT_FALSE(asks(director, flooder(number)));
    EXPECT_THAT(director.drops(), ElementsAre(Pair(engine::DropReason::ConnectionTableFull, 4)));
    EXPECT_THAT(director.connections(), SizeIs(16));
    EXPECT_EQ(director.inconsistencies(), "");
}

// Each client of the flood has a template as well, which IPVS keeps for six minutes.
TEST(Room, IsMadeByTemplatesOfHalfOpenConnections) {
    Director director(kPersistent, 64);
    open(director, client(1000));
    for (unsigned number = 0; number < 1000; ++number)
        ASSERT_TRUE(asks(director, flooder(number))) << number;
    EXPECT_TRUE(acknowledges(director, client(1000)));
    EXPECT_EQ(director.counts("-t 192.0.2.1:80", "10.0.0.11:8080").active +
                  director.counts("-t 192.0.2.1:80", "10.0.0.12:8080").active,
              director.connection_infos().size() -
                  director.counts("-t 192.0.2.1:80", "10.0.0.11:8080").persistent -
                  director.counts("-t 192.0.2.1:80", "10.0.0.12:8080").persistent);
    EXPECT_EQ(director.inconsistencies(), "");
    // The template of the one that was established is there still.
    (void)director.advance(62s);
    for (unsigned number = 1001; number < 1005; ++number)
        open(director, client(number));
    const std::string from = client(1000).address.to_string();
    for (const model::ConnectionInfo& each : director.connection_infos()) {
        EXPECT_TRUE(each.client.address.to_string() != from || each.real == kReal);
    }
    EXPECT_EQ(director.inconsistencies(), "");
    ASSERT_TRUE(director.ipvsadm("-C"));
    (void)director.advance(1h);
    EXPECT_EQ(director.leftovers(), "");
}

TEST(Room, IsMadeByEachOfSeveralWorkers) {
    Director director(kNat, DirectorParts{.connections = 1024, .workers = 3});
    for (unsigned number = 0; number < 20; ++number)
        open(director, client(1000 + number));
    for (unsigned number = 0; number < 10'000; ++number)
        ASSERT_TRUE(asks(director, flooder(number))) << number;
    for (unsigned number = 0; number < 20; ++number)
        EXPECT_TRUE(acknowledges(director, client(1000 + number))) << number;
    EXPECT_EQ(director.inconsistencies(), "");
    (void)director.advance(62s);
    EXPECT_THAT(director.connections(), SizeIs(20));
}

// In one burst, in which none of the new ones has entries before its end.
TEST(Room, IsNotMadeByWhatBeginsInTheSameBurst) {
    Director director(kNat, 16);
    for (unsigned number = 0; number < 31; ++number)
        director.queue(Packet::tcp(flooder(number), kVip).flags("S"));
    (void)director.receives(Packet::tcp(flooder(31), kVip).flags("S"));
    EXPECT_EQ(director.inconsistencies(), "");
    EXPECT_TRUE(asks(director, flooder(32)));
    EXPECT_EQ(director.inconsistencies(), "");
    (void)director.advance(62s);
    EXPECT_EQ(director.engine.connection_count(), 0U);
}

}  // namespace
}  // namespace xvs::test
