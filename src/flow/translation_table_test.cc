#include "flow/translation_table.h"

#include <map>
#include <vector>

#include <gtest/gtest.h>

#include "base/random_test.h"
#include "flow/manual_grace_test.h"

namespace xvs::flow {
namespace {

constexpr std::uint32_t kDestinations = 4096;

xvs_translation to_destination(std::uint32_t destination) {
    xvs_translation translation{};
    translation.destination = destination;
    translation.destination_generation = 1;
    translation.rewrite = XVS_REWRITE_DESTINATION;
    translation.family = 4;
    return translation;
}

class TranslationTableTest : public testing::Test {
protected:
    std::vector<xvs_translation> records = std::vector<xvs_translation>(4);
    GracePeriod at_once;
    TranslationTable table{records, kDestinations, at_once};
};

TEST_F(TranslationTableTest, SharesOneRecordAmongEqualOnes) {
    const std::uint32_t first = table.acquire(to_destination(1));
    const std::uint32_t second = table.acquire(to_destination(1));
    EXPECT_EQ(first, second);
    EXPECT_EQ(table.references(first), 2u);
    EXPECT_NE(table[first].generation, 0u);
    EXPECT_EQ(table[first].destination, 1u);
    EXPECT_EQ(table.size(), 1u);
}

TEST_F(TranslationTableTest, KeepsApartWhatDiffersInTheFirstOrTheLastField) {
    xvs_translation other = to_destination(1);
    const std::uint32_t index = table.acquire(other);
    other.outer_destination[15] = 1;
    const std::uint32_t last = table.acquire(other);
    EXPECT_NE(last, index);
    EXPECT_NE(table.acquire(to_destination(2)), index);
}

TEST_F(TranslationTableTest, DoesNotAskForTheGeneration) {
    const std::uint32_t index = table.acquire(to_destination(1));
    xvs_translation wanted = table[index];
    wanted.generation += 5;
    EXPECT_EQ(table.acquire(wanted), index);
}

TEST_F(TranslationTableTest, SuspendsWhatADestinationHasAndWhatItGets) {
    const std::uint32_t first = table.acquire(to_destination(1));
    const std::uint32_t other = table.acquire(to_destination(2));
    xvs_translation back = to_destination(1);
    back.rewrite = XVS_REWRITE_SOURCE;
    const std::uint32_t second = table.acquire(back);
    table.suspend(1, true);
    EXPECT_EQ(table[first].rewrite, XVS_REWRITE_DESTINATION | XVS_SUSPENDED);
    EXPECT_EQ(table[second].rewrite, XVS_REWRITE_SOURCE | XVS_SUSPENDED);
    EXPECT_EQ(table[other].rewrite, XVS_REWRITE_DESTINATION);
    EXPECT_EQ(table.acquire(to_destination(1)), first) << "it is the same all the while";
    xvs_translation later = to_destination(1);
    later.port = 5;
    EXPECT_EQ(table[table.acquire(later)].rewrite, XVS_REWRITE_DESTINATION | XVS_SUSPENDED);
    table.suspend(1, false);
    EXPECT_EQ(table[first].rewrite, XVS_REWRITE_DESTINATION);
    EXPECT_EQ(table.acquire(back), second);
}

// A record that was another destination's before is no longer met there.
TEST_F(TranslationTableTest, SuspendsAReusedRecordWithItsPresentDestination) {
    for (std::uint32_t destination = 1; destination <= 4; ++destination)
        table.release(table.acquire(to_destination(destination)));
    const std::uint32_t reused = table.acquire(to_destination(9));
    table.suspend(1, true);
    EXPECT_EQ(table[reused].rewrite, XVS_REWRITE_DESTINATION);
    table.suspend(9, true);
    EXPECT_EQ(table[reused].rewrite, XVS_REWRITE_DESTINATION | XVS_SUSPENDED);
}

TEST_F(TranslationTableTest, RefusesWhenEveryRecordHasReferences) {
    for (std::uint32_t i = 0; i < 4; ++i)
        ASSERT_NE(table.acquire(to_destination(i)), XVS_NONE);
    EXPECT_EQ(table.acquire(to_destination(9)), XVS_NONE);
    EXPECT_NE(table.acquire(to_destination(3)), XVS_NONE) << "a present one needs no room";
}

TEST_F(TranslationTableTest, KeepsWhatHasNoReferencesUntilItsRoomIsNeeded) {
    std::vector<std::uint32_t> indices;
    for (std::uint32_t i = 0; i < 4; ++i)
        indices.push_back(table.acquire(to_destination(i)));
    table.release(indices[2]);
    table.release(indices[0]);
    const std::uint32_t generation = table[indices[2]].generation;

    EXPECT_EQ(table.acquire(to_destination(0)), indices[0]);
    table.release(indices[0]);
    EXPECT_EQ(table.acquire(to_destination(9)), indices[2]) << "not the longest idle one";
    EXPECT_NE(table[indices[2]].generation, generation);
    EXPECT_EQ(table.acquire(to_destination(2)), indices[0]) << "2 was forgotten";
}

xvs_translation by_next_hop(std::uint32_t next_hop, std::uint32_t generation) {
    xvs_translation translation = to_destination(1);
    translation.next_hop = next_hop;
    translation.next_hop_generation = generation;
    return translation;
}

TEST_F(TranslationTableTest, RedirectsARecordForAllWhoHoldIt) {
    const std::uint32_t index = table.acquire(by_next_hop(5, 50));
    const std::uint32_t generation = table[index].generation;
    table.add_reference(index);

    EXPECT_TRUE(table.redirect(index, by_next_hop(6, 60)));
    EXPECT_EQ(table[index].next_hop, 6u);
    EXPECT_EQ(table[index].next_hop_generation, 60u);
    EXPECT_EQ(table[index].generation, generation);
    EXPECT_EQ(table.references(index), 2u);
    EXPECT_EQ(table.acquire(by_next_hop(6, 60)), index) << "it is found by what it says now";
    EXPECT_NE(table.acquire(by_next_hop(5, 50)), index) << "and no longer by what it said";
}

TEST_F(TranslationTableTest, RedirectsNothingThatDiffersInMoreThanTheNextHop) {
    const std::uint32_t index = table.acquire(by_next_hop(5, 50));
    xvs_translation wanted = by_next_hop(6, 60);
    wanted.outer_source[3] = 1;
    EXPECT_FALSE(table.redirect(index, wanted));
    EXPECT_EQ(table[index].next_hop, 5u);
    EXPECT_EQ(table.acquire(by_next_hop(5, 50)), index);
}

TEST_F(TranslationTableTest, HasThoseWhoLeadIntoATunnelLookTheirWayUpAgain) {
    xvs_translation tunnel = to_destination(1);
    tunnel.rewrite = XVS_ENCAPSULATE;
    tunnel.next_hop = 7;
    tunnel.next_hop_generation = 3;
    const std::uint32_t index = table.acquire(tunnel);
    const std::uint32_t plain = table.acquire(to_destination(1));
    table.forget_tunnels(1);
    EXPECT_EQ(table.way(index).next_hop, XVS_NONE);
    EXPECT_EQ(table.way(plain).next_hop, 0u);
    EXPECT_TRUE(table.redirect(index, tunnel));
    EXPECT_EQ(table.way(index).next_hop, 7u);
    EXPECT_EQ(table.acquire(tunnel), index);
}

TEST_F(TranslationTableTest, KeepsARedirectedRecordBesideAnEqualOneUntilItsHoldersAreGone) {
    const std::uint32_t old = table.acquire(by_next_hop(5, 50));
    const std::uint32_t equal = table.acquire(by_next_hop(6, 60));
    EXPECT_TRUE(table.redirect(old, by_next_hop(6, 60)));
    table.release(old);
    // Room is needed: the idle one goes, the other is still found.
    for (std::uint32_t i = 0; i < 3; ++i)
        ASSERT_NE(table.acquire(by_next_hop(7 + i, 70)), XVS_NONE);
    EXPECT_EQ(table[old].next_hop, 9u);
    EXPECT_EQ(table.acquire(by_next_hop(6, 60)), equal);
}

// Records that were redirected are found, and forgotten, as if they had been made so.
TEST(TranslationTable, FindsWhatRandomUseAndRedirectionsLeave) {
    std::vector<xvs_translation> records(32);
    GracePeriod at_once;
    TranslationTable table(records, kDestinations, at_once);
    std::map<std::uint32_t, std::uint32_t> held;  // index -> next hop
    Random random(2);
    for (int step = 0; step < 100000; ++step) {
        const std::uint32_t hop = random.below(100);
        const auto known = held.lower_bound(random.below(32));
        if (known == held.end() || random.below(3) == 0) {
            const std::uint32_t index = table.acquire(by_next_hop(hop, 1));
            if (index == XVS_NONE) continue;
            ASSERT_EQ(table[index].next_hop, hop) << "step " << step;
            if (!held.emplace(index, hop).second) table.release(index);
        } else if (random.below(2) == 0) {
            ASSERT_TRUE(table.redirect(known->first, by_next_hop(hop, 1)));
            known->second = hop;
        } else {
            table.release(known->first);
            held.erase(known);
        }
        for (const auto& [index, next_hop] : held)
            ASSERT_EQ(table[index].next_hop, next_hop) << "step " << step;
    }
}

TEST(TranslationTable, ReusesARecordOnlyAfterTheGracePeriod) {
    ManualGrace grace;
    std::vector<xvs_translation> records(1);
    TranslationTable table(records, kDestinations, grace.period());
    const std::uint32_t index = table.acquire(to_destination(1));
    table.release(index);
    EXPECT_EQ(table.acquire(to_destination(2)), XVS_NONE);
    EXPECT_EQ(table[index].destination, 1u);

    grace.end_all();
    EXPECT_EQ(table.acquire(to_destination(2)), index);
}

TEST(TranslationTable, AgreesWithAMapUnderRandomUse) {
    std::vector<xvs_translation> records(64);
    GracePeriod at_once;
    TranslationTable table(records, kDestinations, at_once);
    std::map<std::uint32_t, std::pair<std::uint32_t, std::uint32_t>> model;  // -> index, references
    Random random(1);
    for (int step = 0; step < 200000; ++step) {
        const std::uint32_t destination = random.below(200);
        const auto known = model.find(destination);
        if (random.below(2) == 0) {
            const std::uint32_t index = table.acquire(to_destination(destination));
            if (known != model.end()) {
                ASSERT_EQ(index, known->second.first) << "step " << step;
                ++known->second.second;
            } else if (model.size() == 64) {
                ASSERT_EQ(index, XVS_NONE) << "step " << step;
            } else {
                ASSERT_LT(index, 64u) << "step " << step;
                model[destination] = {index, 1};
            }
        } else if (known != model.end()) {
            ASSERT_EQ(table[known->second.first].destination, destination) << "step " << step;
            ASSERT_EQ(table.references(known->second.first), known->second.second);
            table.release(known->second.first);
            if (--known->second.second == 0) model.erase(known);
        }
    }
}

}  // namespace
}  // namespace xvs::flow
