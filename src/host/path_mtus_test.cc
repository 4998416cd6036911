#include "host/path_mtus.h"

#include <gtest/gtest.h>

namespace xvs::host {
namespace {

constexpr std::uint32_t kSeed[2] = {1, 2};

net::IpAddress address(const char* text) {
    return *net::IpAddress::parse(text);
}

TEST(PathMtus, KnowsWhatItWasTold) {
    PathMtus paths(xvs_make_hash_keys(kSeed));
    EXPECT_EQ(paths.find(address("10.0.0.11")), 0U);
    EXPECT_EQ(paths.find(net::IpAddress{}), 0U);
    paths.learn(address("10.0.0.11"), 1300, std::chrono::seconds(1));
    paths.learn(address("2001:db8::11"), 1400, std::chrono::seconds(1));
    EXPECT_EQ(paths.find(address("10.0.0.11")), 1300U);
    EXPECT_EQ(paths.find(address("2001:db8::11")), 1400U);
    EXPECT_EQ(paths.find(address("10.0.0.12")), 0U);
}

TEST(PathMtus, TakesNoPathForShorterThanRoutersMustBeAbleTo) {
    PathMtus paths(xvs_make_hash_keys(kSeed));
    paths.learn(address("10.0.0.11"), 68, {});
    paths.learn(address("10.0.0.12"), 0, {});
    paths.learn(address("2001:db8::11"), 600, {});
    EXPECT_EQ(paths.find(address("10.0.0.11")), 552U);
    EXPECT_EQ(paths.find(address("10.0.0.12")), 552U);
    EXPECT_EQ(paths.find(address("2001:db8::11")), 1280U);
}

TEST(PathMtus, ForgetsThoseThatAreOver) {
    PathMtus paths(xvs_make_hash_keys(kSeed));
    paths.learn(address("10.0.0.11"), 1300, std::chrono::minutes(0));
    paths.learn(address("10.0.0.12"), 1300, std::chrono::minutes(5));
    const auto is_over_at = [](Nanoseconds now) {
        return [now](const net::IpAddress&, Nanoseconds until) {
            return now >= until;
        };
    };
    EXPECT_FALSE(paths.forget(is_over_at(std::chrono::minutes(10) - Nanoseconds(1))));
    EXPECT_TRUE(paths.forget(is_over_at(std::chrono::minutes(10))));
    EXPECT_EQ(paths.find(address("10.0.0.11")), 0U);
    EXPECT_EQ(paths.find(address("10.0.0.12")), 1300U);
}

}  // namespace
}  // namespace xvs::host
