#include "flow/hash.h"

#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

#include "base/random_test.h"
#include "flow/flow_table.h"

namespace xvs::flow {
namespace {

constexpr std::uint32_t kSeed[2] = {0x243f6a88, 0x85a308d3};
constexpr std::uint32_t kEntries = 1u << 20;
constexpr std::uint32_t kSlots = 2 * kEntries;

// Installs `kEntries` keys and returns how many in a thousand found no slot.
template <class MakeKey>
double refused_per_mille(MakeKey make_key) {
    std::vector<xvs_flow4> entries(kSlots);
    std::vector<std::uint32_t> owners(kSlots);
    GracePeriod at_once;
    FlowTable<Ipv4> table(entries, owners, kSeed, at_once);
    std::uint32_t refused = 0;
    for (std::uint32_t i = 0; i < kEntries; ++i) {
        const FlowKey<Ipv4> key = make_key(i);
        const InsertResult result = table.insert(key, table.hash(key), {});
        refused += result.outcome == InsertOutcome::Full;
    }
    EXPECT_EQ(table.live() + refused, kEntries) << "keys met twice";
    return 1000.0 * refused / kEntries;
}

xvs_hash_keys keys_of(const std::uint32_t (&seed)[2]) {
    return xvs_make_hash_keys(seed);
}

// The generator's first numbers from 1234567, as its authors' reference gives them.
TEST(Hash, MakesKeysAsTheGeneratorsAuthorsPublished) {
    __u64 state = 1234567;
    EXPECT_EQ(xvs_next_key(&state), 6457827717110365317u);
    EXPECT_EQ(xvs_next_key(&state), 3203168211198807973u);
}

// Recorded once: programs in the kernel and pinned tables depend on them.
TEST(Hash, GivesTheSameFlowTheSameHashInEveryVersion) {
    const xvs_hash_keys keys = keys_of(kSeed);
    EXPECT_EQ(xvs_hash4(&keys, 0x076433c6, 0x010200c0, 0x5000419c, 6), 2024000182u);
    const std::uint32_t client[4] = {0xb80d0120, 0, 0, 0x07000000};
    const std::uint32_t vip[4] = {0xb80d0120, 0x00000100, 0, 0x01000000};
    EXPECT_EQ(xvs_hash6(&keys, client, vip, 0x5000419c, 17), 1323532120u);
}

TEST(Hash, SpreadsRandomClients) {
    EXPECT_LT(refused_per_mille([](std::uint32_t i) {
                  Random random(i);
                  return FlowKey<Ipv4>{random.next(),
                                       0x010200c0,
                                       static_cast<std::uint16_t>(random.next()),
                                       0x5000,
                                       static_cast<std::uint8_t>(i % 2 == 0 ? 6 : 17)};
              }),
              1);
}

TEST(Hash, SpreadsOneClientsPortsAndNeighbouringClients) {
    EXPECT_LT(refused_per_mille([](std::uint32_t i) {
                  return FlowKey<Ipv4>::make(net::Ipv4Address(0xC6336400u + (i >> 16)),
                                             net::Port{static_cast<std::uint16_t>(i)},
                                             net::Ipv4Address(0xC0000201),
                                             net::Port{80},
                                             6);
              }),
              1);
}

TEST(Hash, SpreadsBothDirectionsOfMasqueradedConnections) {
    EXPECT_LT(refused_per_mille([](std::uint32_t i) {
                  const std::uint32_t number = i / 2;
                  const auto inbound = FlowKey<Ipv4>::make(
                      net::Ipv4Address(0x0A000000u + number / 1000),
                      net::Port{static_cast<std::uint16_t>(32768 + number % 1000)},
                      net::Ipv4Address(0xC0000201),
                      net::Port{80},
                      6);
                  if (i % 2 == 0) return inbound;
                  auto outbound = inbound.reversed();
                  outbound.source = to_wire32(0x0A630000u + number % 7);
                  return outbound;
              }),
              1);
}

TEST(Hash, FillsTheBitsOfIpv6HomesEvenly) {
    constexpr std::uint32_t kHomes = 1024;
    std::vector<std::uint32_t> hits(kHomes);
    const xvs_hash_keys keys = keys_of(kSeed);
    for (std::uint32_t i = 0; i < 256 * kHomes; ++i) {
        const FlowKey<Ipv6> key{{0xb80d0120, 0, 0, to_wire32(i >> 8)},
                                {0xb80d0120, 0, 0, 0x01000000},
                                static_cast<std::uint16_t>(i & 0xff),
                                0x5000,
                                6};
        ++hits[key.hash(keys) % kHomes];
    }
    for (const std::uint32_t count : hits) {
        // 256 expected, standard deviation 16.
        EXPECT_GT(count, 256u - 96u);
        EXPECT_LT(count, 256u + 96u);
    }
}

TEST(Hash, DependsOnBothSeedsAndOnEveryField) {
    const FlowKey<Ipv4> key{1, 2, 3, 4, 6};
    const xvs_hash_keys keys = keys_of(kSeed);
    const std::uint32_t before = key.hash(keys);
    const std::uint32_t seed0[2] = {kSeed[0] + 1, kSeed[1]};
    const std::uint32_t seed1[2] = {kSeed[0], kSeed[1] + 1};
    EXPECT_NE(key.hash(keys_of(seed0)), before);
    EXPECT_NE(key.hash(keys_of(seed1)), before);
    EXPECT_NE((FlowKey<Ipv4>{2, 2, 3, 4, 6}).hash(keys), before);
    EXPECT_NE((FlowKey<Ipv4>{1, 3, 3, 4, 6}).hash(keys), before);
    EXPECT_NE((FlowKey<Ipv4>{1, 2, 4, 4, 6}).hash(keys), before);
    EXPECT_NE((FlowKey<Ipv4>{1, 2, 3, 5, 6}).hash(keys), before);
    EXPECT_NE((FlowKey<Ipv4>{1, 2, 3, 4, 17}).hash(keys), before);
}

}  // namespace
}  // namespace xvs::flow
