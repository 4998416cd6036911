// The estimator against series worked out by hand from the kernel's formulas (ip_vs_est.c): every
// two seconds `scaled += (rate - scaled) >> 2`, where rate is the count of those seconds times 2^9
// for connections and packets, times 2^4 for bytes.
#include "engine/lookup/estimator.h"

#include <initializer_list>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace xvs::engine {
namespace {

using ::testing::ElementsAre;

struct Series {
    model::Counters counters;
    model::Counters from;
    model::Rates scaled;

    // Two seconds in which `count` of everything came.
    model::Rates pass(std::uint64_t count) {
        counters += {.connections = count,
                     .packets_in = count,
                     .packets_out = count,
                     .bytes_in = count,
                     .bytes_out = count};
        estimate(counters, from, scaled);
        return read_rates(scaled);
    }

    std::vector<std::uint64_t> packets(std::initializer_list<std::uint64_t> counts) {
        std::vector<std::uint64_t> rates;
        for (const std::uint64_t count : counts)
            rates.push_back(pass(count).packets_in);
        return rates;
    }
};

TEST(EstimatorArithmetic, ApproachesASteadyRateByAQuarterOfWhatIsMissing) {
    // Scaled: 12800, 22400, 29600, 35000, 39050, 42087.
    EXPECT_THAT(Series().packets({100, 100, 100, 100, 100, 100}),
                ElementsAre(12, 22, 29, 34, 38, 41));
}

TEST(EstimatorArithmetic, SettlesOnTheRateItself) {
    Series series;
    for (int period = 0; period < 100; ++period)
        series.pass(100);
    // The last quarter of 3 is 0: it stays 3 below 50 << 10.
    EXPECT_EQ(series.scaled.packets_in, 51197U);
    EXPECT_EQ(read_rates(series.scaled).packets_in, 50U);
}

TEST(EstimatorArithmetic, ForgetsRoundingDownwards) {
    Series series;
    series.pass(100);
    std::vector<std::uint64_t> scaled;
    for (int period = 0; period < 6; ++period) {
        series.pass(0);
        scaled.push_back(series.scaled.packets_in);
    }
    EXPECT_THAT(scaled, ElementsAre(9600, 7200, 5400, 4050, 3037, 2277));
    for (int period = 0; period < 100; ++period)
        series.pass(0);
    EXPECT_EQ(series.scaled.packets_in, 0U);
}

TEST(EstimatorArithmetic, CountsBytesWithFewerBitsBehindThePoint) {
    Series series;
    const model::Rates first = series.pass(1500);
    // Packets: 1500 << 9 >> 2 = 192000, bytes: 1500 << 4 >> 2 = 6000.
    EXPECT_EQ(series.scaled.bytes_in, 6000U);
    EXPECT_EQ(first.bytes_in, 187U);
    EXPECT_EQ(first.bytes_out, 187U);
    EXPECT_EQ(series.scaled.connections, 192000U);
    EXPECT_EQ(first.connections, 187U);
    EXPECT_EQ(first.packets_out, 187U);
}

TEST(EstimatorArithmetic, ShowsASinglePacketNowAndThen) {
    // 128, 96, 72, 54: less than half a packet a second.
    EXPECT_THAT(Series().packets({1, 0, 0, 0}), ElementsAre(0, 0, 0, 0));
    // 512 is a half, and what is more than that is rounded up.
    EXPECT_THAT(Series().packets({4, 0}), ElementsAre(0, 0));
    EXPECT_THAT(Series().packets({5, 0}), ElementsAre(1, 0));
}

TEST(EstimatorArithmetic, CountsMoreThanThirtyTwoBits) {
    Series series;
    constexpr std::uint64_t kBillions = 100'000'000'000;  // bytes in two seconds: 400 Gbit/s
    for (int period = 0; period < 200; ++period)
        series.pass(kBillions);
    EXPECT_EQ(read_rates(series.scaled).bytes_in, kBillions / 2);
}

}  // namespace
}  // namespace xvs::engine
