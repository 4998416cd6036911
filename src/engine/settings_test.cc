// What settings do that no scenario can show.
#include "engine/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/director.h"
#include "testing/literals.h"

namespace xvs::engine {
namespace {

using namespace test::literals;  // NOLINT(google-build-using-namespace)
using test::Director;
using test::Packet;

constexpr auto kClient = "198.51.100.7:40001"_ep;
constexpr auto kVip = "192.0.2.1:80"_ep;

TEST(RunEstimation, LeavesRatesAsTheyAreWhileItIsOff) {
    Director director(
        "-A -t 192.0.2.1:80 -s rr\n"
        "-a -t 192.0.2.1:80 -r 10.0.0.11 -g");
    for (int packet = 0; packet < 100; ++packet)
        director.receives(Packet::tcp(kClient, kVip).flags("S"));
    director.advance(std::chrono::seconds(4));
    const model::Rates rates = director.statistics("-t 192.0.2.1:80").rates;
    EXPECT_GT(rates.packets_in, 0U);
    ASSERT_TRUE(director.engine.set_sysctl("run_estimation", "0"));
    director.advance(std::chrono::seconds(20));
    EXPECT_EQ(director.statistics("-t 192.0.2.1:80").rates, rates);
    ASSERT_TRUE(director.engine.set_sysctl("run_estimation", "1"));
    director.advance(std::chrono::seconds(20));
    EXPECT_LT(director.statistics("-t 192.0.2.1:80").rates.packets_in, rates.packets_in);
}

TEST(Settings, ARefusedOneChangesNothing) {
    Director director;
    EXPECT_FALSE(director.engine.set_sysctl("drop_entry", "7"));
    EXPECT_FALSE(director.engine.set_sysctl("drop_entries", "1"));
    EXPECT_EQ(director.engine.sysctls(), model::Sysctls{});
}

}  // namespace
}  // namespace xvs::engine
