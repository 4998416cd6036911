// A flood of SYNs while programs in the kernel begin connections: it takes no more than the table
// has, its half-open connections are the first to go, it touches nobody else's, and leaves nothing
// behind.
#include <gmock/gmock.h>

#include "tests/property/stock_fixture.h"

namespace xvs::test {
namespace {

using namespace std::chrono_literals;
using namespace xvs::test::literals;  // NOLINT(google-build-using-namespace): literals only

constexpr std::uint32_t kRoom = 1024;
constexpr std::uint16_t kEstablished = 50;
constexpr std::uint16_t kFlood = 4 * kRoom;
constexpr std::uint16_t kBetween = 32;  // SYNs of the flood, while a client opens
constexpr std::uint32_t kBetweenWaits = 128;
constexpr std::uint32_t kAtOnce = 16;  // SYNs of the flood, which are of one age
constexpr auto kVip = "192.0.2.1:80"_ep;
constexpr auto kReal = "10.0.0.11:8080"_ep;

class StockFlood : public Stock {
protected:
    StockFlood()
        : Stock(
              "-A -t 192.0.2.1:80 -s rr\n"
              "-a -t 192.0.2.1:80 -r 10.0.0.11:8080 -m",
              kRoom) {}

    static net::Endpoint client(std::uint16_t number) {
        return {.address = "198.51.100.7"_ip,
                .port = net::Port{static_cast<std::uint16_t>(1024 + number)}};
    }

    static net::Endpoint flooder(std::uint16_t number) {
        return {.address = "198.51.100.8"_ip,
                .port = net::Port{static_cast<std::uint16_t>(1024 + number)}};
    }

    // By the next of its ports. What is left to the program must not depend on how fast grace
    // periods end.
    bool floods() {
        if (++flooded_ % kBetweenWaits == 0) wait_for_slots();
        if (flooded_ % kAtOnce == 0) (void)director_->advance(20ms);
        const net::Endpoint from = flooder(flooded_ % kFlood);
        return passes(Packet::tcp(from, kVip).flags("S"), Side::Client);
    }

    [[nodiscard]] bool opens(std::uint16_t number) {
        return passes(Packet::tcp(client(number), kVip).flags("S"), Side::Client) &&
               passes(Packet::tcp(kReal, client(number)).flags("S."), Side::Real) &&
               goes_on(number);
    }

    [[nodiscard]] bool goes_on(std::uint16_t number) {
        return passes(Packet::tcp(client(number), kVip).flags("."), Side::Client) &&
               passes(Packet::tcp(kReal, client(number)).flags("."), Side::Real);
    }

    void flood(std::uint16_t count) {
        for (std::uint16_t number = 0; number < count; ++number)
            (void)floods();
    }

    // When all is followed that the program has done.
    std::string inconsistencies() {
        director_->engine.catch_up();
        return director_->inconsistencies();
    }

    std::uint32_t flooded_ = 0;
};

TEST_F(StockFlood, TouchesNoEstablishedFlowAndEndsWithItsHalfOpenConnections) {
    for (std::uint16_t number = 0; number < kEstablished; ++number)
        ASSERT_TRUE(opens(number)) << number;
    flood(kFlood);
    EXPECT_EQ(inconsistencies(), "");
    EXPECT_LE(director_->engine.connection_count(), kRoom);
    EXPECT_GT(director_->engine.connection_count(), kRoom * 7 / 8);
    for (std::uint16_t number = 0; number < kEstablished; ++number)
        EXPECT_TRUE(goes_on(number)) << number;

    (void)director_->advance(62s);
    EXPECT_EQ(director_->engine.connection_count(), kEstablished);
    EXPECT_TRUE(opens(kEstablished));
    EXPECT_EQ(inconsistencies(), "");
}

// Each in the middle of the flood, from its SYN on; and the program goes on beginning connections
// by what the half-open ones have left.
TEST_F(StockFlood, EveryClientIsServedWhenItHasFilledTheTable) {
    flood(2 * kRoom);
    const std::uint64_t drawn = director_->engine.drawn_connections();
    for (std::uint16_t number = 0; number < kEstablished; ++number) {
        ASSERT_TRUE(passes(Packet::tcp(client(number), kVip).flags("S"), Side::Client)) << number;
        flood(kBetween);
        ASSERT_TRUE(passes(Packet::tcp(kReal, client(number)).flags("S."), Side::Real)) << number;
        flood(kBetween);
        ASSERT_TRUE(goes_on(number)) << number;
    }
    for (std::uint16_t number = 0; number < kEstablished; ++number)
        EXPECT_TRUE(goes_on(number)) << number;
    EXPECT_GT(director_->engine.drawn_connections() - drawn, kEstablished * kBetween);
    EXPECT_GT(director_->engine.ended_for_room(), kEstablished * kBetween);
    EXPECT_EQ(inconsistencies(), "");
}

// The oldest of all, at the moment when the first has to make way; what has completed it lies in
// the ring of another CPU, which the engine has not read.
TEST_F(StockFlood, AConnectionIsEstablishedFromItsPacketOnWhoeverHasMetIt) {
    ASSERT_TRUE(passes(Packet::tcp(client(0), kVip).flags("S"), Side::Client));
    ASSERT_TRUE(passes(Packet::tcp(kReal, client(0)).flags("S."), Side::Real));
    (void)director_->advance(1s);
    while (director_->engine.connection_count() < kRoom * 15 / 16) {
        (void)floods();
        director_->engine.catch_up();
    }
    ASSERT_EQ(director_->engine.ended_for_room(), 0U);
    const Bytes ack = frame_of(Packet::tcp(client(0), kVip).flags("."), Side::Client);
    const unsigned last_cpu = TestedProgram::cpus() - 1;
    ASSERT_EQ(entrance_->admit_by(last_cpu, ack, Side::Client).way, Passage::Way::Replayed);
    (void)director_->receives(Packet::tcp(flooder(0), kVip).flags("S"));
    EXPECT_EQ(director_->engine.ended_for_room(), 1U);
    EXPECT_THAT(
        director_->connections(),
        ::testing::Contains("TCP 198.51.100.7:1024 192.0.2.1:80 10.0.0.11:8080 ESTABLISHED"));
    flood(kRoom);
    EXPECT_TRUE(goes_on(0));
    EXPECT_EQ(inconsistencies(), "");
}

// Each SYN that is not drawn is scheduled as ever: none is lost.
TEST_F(StockFlood, LosesNoSyn) {
    for (std::uint32_t number = 0; number < kFlood; ++number)
        EXPECT_TRUE(floods()) << number;
    EXPECT_EQ(inconsistencies(), "");
}

}  // namespace
}  // namespace xvs::test
