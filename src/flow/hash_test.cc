#include "flow/hash.h"

#include <cstdint>
#include <string_view>
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

// lookup3's hashlittle() over the two steps that the flow hash is made of.
std::uint32_t lookup3(std::string_view text, std::uint32_t seed) {
    const auto word = [&text](std::size_t at) {
        std::uint32_t value = 0;
        for (std::size_t i = 0; i < 4 && at + i < text.size(); ++i)
            value |= static_cast<std::uint32_t>(static_cast<unsigned char>(text[at + i])) << 8 * i;
        return value;
    };
    const std::uint32_t start = 0xdeadbeef + static_cast<std::uint32_t>(text.size()) + seed;
    xvs_mixer mixer = {start, start, start};
    std::size_t at = 0;
    for (;; at += 12) {
        mixer.a += word(at);
        mixer.b += word(at + 4);
        mixer.c += word(at + 8);
        if (text.size() - at <= 12) return xvs_final(&mixer);
        xvs_mix(&mixer);
    }
}

TEST(Hash, MixesAsItsAuthorPublished) {
    EXPECT_EQ(lookup3("Four score and seven years ago", 0), 0x17770551u);
    EXPECT_EQ(lookup3("Four score and seven years ago", 1), 0xcd628161u);
}

// Recorded once: programs in the kernel and pinned tables depend on them.
TEST(Hash, GivesTheSameFlowTheSameHashInEveryVersion) {
    EXPECT_EQ(xvs_hash4(kSeed, 0x076433c6, 0x010200c0, 0x5000419c, 6), 460576339u);
    const std::uint32_t client[4] = {0xb80d0120, 0, 0, 0x07000000};
    const std::uint32_t vip[4] = {0xb80d0120, 0x00000100, 0, 0x01000000};
    EXPECT_EQ(xvs_hash6(kSeed, client, vip, 0x5000419c, 17), 1526043984u);
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
    for (std::uint32_t i = 0; i < 256 * kHomes; ++i) {
        const FlowKey<Ipv6> key{{0xb80d0120, 0, 0, to_wire32(i >> 8)},
                                {0xb80d0120, 0, 0, 0x01000000},
                                static_cast<std::uint16_t>(i & 0xff),
                                0x5000,
                                6};
        ++hits[key.hash(kSeed) % kHomes];
    }
    for (const std::uint32_t count : hits) {
        // 256 expected, standard deviation 16.
        EXPECT_GT(count, 256u - 96u);
        EXPECT_LT(count, 256u + 96u);
    }
}

TEST(Hash, DependsOnBothSeedsAndOnEveryField) {
    const FlowKey<Ipv4> key{1, 2, 3, 4, 6};
    const std::uint32_t before = key.hash(kSeed);
    const std::uint32_t seed0[2] = {kSeed[0] + 1, kSeed[1]};
    const std::uint32_t seed1[2] = {kSeed[0], kSeed[1] + 1};
    EXPECT_NE(key.hash(seed0), before);
    EXPECT_NE(key.hash(seed1), before);
    EXPECT_NE((FlowKey<Ipv4>{2, 2, 3, 4, 6}).hash(kSeed), before);
    EXPECT_NE((FlowKey<Ipv4>{1, 3, 3, 4, 6}).hash(kSeed), before);
    EXPECT_NE((FlowKey<Ipv4>{1, 2, 4, 4, 6}).hash(kSeed), before);
    EXPECT_NE((FlowKey<Ipv4>{1, 2, 3, 5, 6}).hash(kSeed), before);
    EXPECT_NE((FlowKey<Ipv4>{1, 2, 3, 4, 17}).hash(kSeed), before);
}

}  // namespace
}  // namespace xvs::flow
