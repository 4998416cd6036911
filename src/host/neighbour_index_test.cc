#include "host/neighbour_index.h"

#include <set>

#include <gtest/gtest.h>

namespace xvs::host {
namespace {

constexpr std::uint32_t kSeed[2] = {1, 2};
constexpr std::uint32_t kCapacity = 100;

net::IpAddress gateway(std::uint32_t number) {
    return net::Ipv4Address(0x0a000000 + number);
}

TEST(NeighbourIndex, FindsWhatWasPutInAndNothingElse) {
    NeighbourIndex index(kCapacity, xvs_make_hash_keys(kSeed));
    for (std::uint32_t i = 0; i < kCapacity; ++i)
        index.insert(i, 1 + i % 3, gateway(i), 0);
    for (std::uint32_t i = 0; i < kCapacity; ++i) {
        EXPECT_EQ(index.find(1 + i % 3, gateway(i), 0), i);
        EXPECT_EQ(index.find(1 + (i + 1) % 3, gateway(i), 0), XVS_NONE);
    }
}

TEST(NeighbourIndex, KeepsTheOthersWhenOneIsErased) {
    NeighbourIndex index(kCapacity, xvs_make_hash_keys(kSeed));
    for (std::uint32_t i = 0; i < kCapacity; ++i)
        index.insert(i, 1, gateway(i), 0);
    for (std::uint32_t i = 0; i < kCapacity; i += 2)
        index.erase(i);
    for (std::uint32_t i = 0; i < kCapacity; ++i)
        EXPECT_EQ(index.find(1, gateway(i), 0), i % 2 == 0 ? XVS_NONE : i);
    std::uint32_t visited = 0;
    index.for_each([&](std::uint32_t) { ++visited; });
    EXPECT_EQ(visited, kCapacity / 2);
}

TEST(NeighbourIndex, HasARecordForEachLimit) {
    NeighbourIndex index(kCapacity, xvs_make_hash_keys(kSeed));
    for (std::uint32_t i = 0; i < 3; ++i)
        index.insert(i, 1, gateway(7), i * 100);
    index.insert(3, 2, gateway(7), 0);
    for (std::uint32_t i = 0; i < 3; ++i) {
        EXPECT_EQ(index.find(1, gateway(7), i * 100), i);
        EXPECT_EQ(index.limit_of(i), i * 100);
    }
    EXPECT_EQ(index.find(1, gateway(7), 50), XVS_NONE);
    index.erase(1);
    std::set<std::uint32_t> visited;
    index.for_each_of(1, gateway(7), [&](std::uint32_t i) { visited.insert(i); });
    EXPECT_EQ(visited, (std::set<std::uint32_t>{0, 2}));
}

TEST(NeighbourIndex, TellsFamiliesApart) {
    NeighbourIndex index(kCapacity, xvs_make_hash_keys(kSeed));
    index.insert(0, 1, net::Ipv4Address(), 0);
    EXPECT_EQ(index.find(1, net::Ipv6Address(), 0), XVS_NONE);
}

}  // namespace
}  // namespace xvs::host
