#include "host/neighbour_index.h"

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
        index.insert(i, 1 + i % 3, gateway(i));
    for (std::uint32_t i = 0; i < kCapacity; ++i) {
        EXPECT_EQ(index.find(1 + i % 3, gateway(i)), i);
        EXPECT_EQ(index.find(1 + (i + 1) % 3, gateway(i)), XVS_NONE);
    }
}

TEST(NeighbourIndex, KeepsTheOthersWhenOneIsErased) {
    NeighbourIndex index(kCapacity, xvs_make_hash_keys(kSeed));
    for (std::uint32_t i = 0; i < kCapacity; ++i)
        index.insert(i, 1, gateway(i));
    for (std::uint32_t i = 0; i < kCapacity; i += 2)
        index.erase(i);
    for (std::uint32_t i = 0; i < kCapacity; ++i)
        EXPECT_EQ(index.find(1, gateway(i)), i % 2 == 0 ? XVS_NONE : i);
    std::uint32_t visited = 0;
    index.for_each([&](std::uint32_t) { ++visited; });
    EXPECT_EQ(visited, kCapacity / 2);
}

TEST(NeighbourIndex, TellsFamiliesApart) {
    NeighbourIndex index(kCapacity, xvs_make_hash_keys(kSeed));
    index.insert(0, 1, net::Ipv4Address());
    EXPECT_EQ(index.find(1, net::Ipv6Address()), XVS_NONE);
}

}  // namespace
}  // namespace xvs::host
