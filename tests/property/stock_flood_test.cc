// A flood of SYNs while programs in the kernel begin connections: it takes no more than the table
// has, touches nobody else's connection, and leaves nothing behind.
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "testing/literals.h"
#include "testing/program_entrance.h"

namespace xvs::test {
namespace {

using namespace std::chrono_literals;
using namespace xvs::test::literals;  // NOLINT(google-build-using-namespace): literals only

constexpr std::uint32_t kRoom = 1024;
constexpr std::uint16_t kEstablished = 50;
constexpr std::uint16_t kFlood = 4 * kRoom;
constexpr auto kVip = "192.0.2.1:80"_ep;
constexpr auto kReal = "10.0.0.11:8080"_ep;

class StockFlood : public ::testing::Test {
protected:
    // To load it takes longer than a test.
    static void SetUpTestSuite() {
        program_ = std::make_unique<TestedProgram>(
            TestedProgram::Options{.replays = true, .at_xdp = false, .draws = true});
    }

    static void TearDownTestSuite() { program_.reset(); }

    void SetUp() override {
        if (const std::string reason = why_no_programs(); !reason.empty()) GTEST_SKIP() << reason;
        director_ = std::make_unique<Director>(
            "-A -t 192.0.2.1:80 -s rr\n"
            "-a -t 192.0.2.1:80 -r 10.0.0.11:8080 -m",
            DirectorParts{.connections = kRoom,
                          .storage = &program_->storage(),
                          .cpus = TestedProgram::cpus(),
                          .stock = XVS_STOCK_SIZE});
        auto entrance = program_->stand_before(*director_);
        ASSERT_TRUE(entrance) << entrance.error().context;
        entrance_ = std::move(*entrance);
    }

    // Returns whether it left, by the program or the engine.
    bool passes(const Packet& packet, Side side) {
        const Passage passage =
            entrance_->admit(packet.frame(net::MacAddress(), director_link(side).mac), side);
        if (passage.way == Passage::Way::Replayed) return true;
        if (passage.way != Passage::Way::Engine) return false;
        director_->port.inject(passage.frame,
                               {.interface = interface_of(side),
                                .reason = passage.reason,
                                .report_ring = passage.report_ring,
                                .report_position = passage.report_position,
                                .offload = {}});
        while (director_->engine.process_burst() > 0) {
        }
        return !director_->take_output().empty();
    }

    static net::Endpoint client(std::uint16_t number) {
        return {.address = "198.51.100.7"_ip,
                .port = net::Port{static_cast<std::uint16_t>(1024 + number)}};
    }

    static net::Endpoint flooder(std::uint16_t number) {
        return {.address = "198.51.100.8"_ip,
                .port = net::Port{static_cast<std::uint16_t>(1024 + number)}};
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

    static inline std::unique_ptr<TestedProgram> program_;
    std::unique_ptr<Director> director_;
    std::unique_ptr<ProgramEntrance> entrance_;
};

TEST_F(StockFlood, TouchesNoEstablishedFlowAndEndsWithItsHalfOpenConnections) {
    for (std::uint16_t number = 0; number < kEstablished; ++number)
        ASSERT_TRUE(opens(number)) << number;
    for (std::uint16_t number = 0; number < kFlood; ++number)
        (void)passes(Packet::tcp(flooder(number), kVip).flags("S"), Side::Client);
    director_->engine.catch_up();
    EXPECT_EQ(director_->engine.connection_count(), kRoom);
    EXPECT_GT(director_->engine.drawn_connections(), kRoom / 4);
    EXPECT_EQ(director_->inconsistencies(), "");
    for (std::uint16_t number = 0; number < kEstablished; ++number)
        EXPECT_TRUE(goes_on(number)) << number;

    (void)director_->advance(61s);
    EXPECT_EQ(director_->engine.connection_count(), kEstablished);
    EXPECT_TRUE(opens(kEstablished));
    EXPECT_EQ(director_->inconsistencies(), "");
}

// Each SYN that is not drawn is scheduled as ever: none is lost while there is room.
TEST_F(StockFlood, LosesNoSynWhileThereIsRoom) {
    for (std::uint16_t number = 0; number < kRoom; ++number)
        EXPECT_TRUE(passes(Packet::tcp(flooder(number), kVip).flags("S"), Side::Client)) << number;
    director_->engine.catch_up();
    EXPECT_EQ(director_->engine.connection_count(), kRoom);
    EXPECT_EQ(director_->inconsistencies(), "");
}

}  // namespace
}  // namespace xvs::test
