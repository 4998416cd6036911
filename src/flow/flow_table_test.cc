#include "flow/flow_table.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <vector>

#include <gtest/gtest.h>

#include "base/random_test.h"
#include "flow/manual_grace_test.h"

namespace xvs::flow {
namespace {

constexpr std::uint32_t kSeed[2] = {0x12345678, 0x9abcdef0};

template <class Ip>
FlowKey<Ip> key_of(std::uint32_t number);

template <>
FlowKey<Ipv4> key_of(std::uint32_t number) {
    return FlowKey<Ipv4>::make(net::Ipv4Address(0xC6336400u + (number >> 16)),
                               net::Port{static_cast<std::uint16_t>(number)},
                               net::Ipv4Address(0xC0000201),
                               net::Port{80},
                               6);
}

template <>
FlowKey<Ipv6> key_of(std::uint32_t number) {
    std::array<std::byte, 16> client{};
    client[0] = std::byte{0x20};
    store_be32(&client[10], number >> 16);
    std::array<std::byte, 16> vip{};
    vip[15] = std::byte{1};
    return FlowKey<Ipv6>::make(net::Ipv6Address(client),
                               net::Port{static_cast<std::uint16_t>(number)},
                               net::Ipv6Address(vip),
                               net::Port{80},
                               17);
}

template <class Ip>
class FlowTableTest : public testing::Test {
protected:
    using Table = FlowTable<Ip>;
    using Key = FlowKey<Ip>;

    explicit FlowTableTest(std::size_t slots = 256)
        : entries(slots), owners(slots), table(entries, owners, kSeed, at_once) {}

    // Keys that all have the same home.
    std::vector<Key> keys_at(std::uint32_t home, std::size_t count) {
        std::vector<Key> keys;
        for (std::uint32_t number = 0; keys.size() < count; ++number) {
            const Key key = key_of<Ip>(number);
            if ((table.hash(key) & (table.capacity() - 1)) == home) keys.push_back(key);
        }
        return keys;
    }

    InsertResult insert(Table& into, const Key& key, std::uint32_t connection = 0) {
        return into.insert(key, into.hash(key), {.translation = 9, .connection = connection});
    }

    InsertResult insert(const Key& key) { return insert(table, key); }

    SlotIndex find(const Key& key) { return table.find(key, table.hash(key)); }

    std::uint32_t state_at(SlotIndex slot) { return slot_state(entries[slot].state); }

    std::vector<typename Ip::Flow> entries;
    std::vector<std::uint32_t> owners;
    GracePeriod at_once;
    Table table;
};

using Families = testing::Types<Ipv4, Ipv6>;
TYPED_TEST_SUITE(FlowTableTest, Families);

TYPED_TEST(FlowTableTest, FindsWhatWasInserted) {
    const auto key = key_of<TypeParam>(40001);
    const InsertResult result = this->table.insert(key,
                                                   this->table.hash(key),
                                                   {.translation = 3,
                                                    .flags = XVS_FLOW_OUTBOUND,
                                                    .punt = XVS_EVENT_SYN,
                                                    .report = XVS_EVENT_FIN | XVS_EVENT_RST,
                                                    .last_seen = 1234,
                                                    .connection = 77});

    ASSERT_EQ(result.outcome, InsertOutcome::Inserted);
    EXPECT_EQ(this->find(key), result.slot);
    EXPECT_EQ(this->table.key(result.slot), key);
    EXPECT_EQ(this->table.connection(result.slot), 77u);
    const auto& entry = this->table.entry(result.slot);
    EXPECT_EQ(entry.translation, 3u);
    EXPECT_EQ(entry.flags, XVS_FLOW_OUTBOUND);
    EXPECT_EQ(entry.punt, XVS_EVENT_SYN);
    EXPECT_EQ(entry.report, XVS_EVENT_FIN | XVS_EVENT_RST);
    EXPECT_EQ(entry.last_seen, 1234u);
    EXPECT_EQ(entry.packets, 0u);
    EXPECT_EQ(this->table.live(), 1u);
}

TYPED_TEST(FlowTableTest, MissesEveryKeyThatDiffersInOneField) {
    const auto key = key_of<TypeParam>(40001);
    ASSERT_TRUE(this->insert(key).is_inserted());
    auto other = key;
    other.protocol ^= 1;
    // With the present key's hash, so that the entry is looked at.
    const std::uint32_t hash = this->table.hash(key);
    EXPECT_EQ(this->table.find(other, hash), XVS_NONE);
    other = key;
    other.source_port ^= 0x100;
    EXPECT_EQ(this->table.find(other, hash), XVS_NONE);
    other = key;
    other.destination_port ^= 1;
    EXPECT_EQ(this->table.find(other, hash), XVS_NONE);
    other = key;
    std::swap(other.source, other.destination);
    EXPECT_EQ(this->table.find(other, hash), XVS_NONE);
    EXPECT_EQ(this->table.find(key, hash), 0u + this->table.find(key, hash));
    EXPECT_NE(this->table.find(key, hash), XVS_NONE);
}

TYPED_TEST(FlowTableTest, NamesTheEntryThatIsThereAlready) {
    const auto key = key_of<TypeParam>(1);
    const SlotIndex slot = this->insert(key).slot;
    const InsertResult again = this->insert(key);
    EXPECT_EQ(again.outcome, InsertOutcome::Exists);
    EXPECT_EQ(again.slot, slot);
    EXPECT_EQ(this->table.live(), 1u);
}

TYPED_TEST(FlowTableTest, RefusesAKeyWhoseSlotsAreAllTakenAndKeepsTheOthers) {
    const auto keys = this->keys_at(250, XVS_PROBES + 1);  // wraps around the table's end
    for (std::size_t i = 0; i < XVS_PROBES; ++i)
        ASSERT_TRUE(this->insert(keys[i]).is_inserted()) << i;

    const InsertResult refused = this->insert(keys[XVS_PROBES]);
    EXPECT_EQ(refused.outcome, InsertOutcome::Full);
    EXPECT_EQ(refused.slot, XVS_NONE);
    for (std::size_t i = 0; i < XVS_PROBES; ++i)
        EXPECT_NE(this->find(keys[i]), XVS_NONE) << i;

    this->table.retire(this->find(keys[3]));
    EXPECT_TRUE(this->insert(keys[XVS_PROBES]).is_inserted());
}

TYPED_TEST(FlowTableTest, FindsBeyondARetiredSlot) {
    const auto keys = this->keys_at(10, 3);
    for (const auto& key : keys)
        ASSERT_TRUE(this->insert(key).is_inserted());
    this->table.retire(this->find(keys[0]));

    EXPECT_EQ(this->find(keys[0]), XVS_NONE);
    EXPECT_NE(this->find(keys[2]), XVS_NONE);
    EXPECT_EQ(this->state_at(10), static_cast<std::uint32_t>(XVS_SLOT_TOMBSTONE));
}

TYPED_TEST(FlowTableTest, EmptiesTheTombstonesThatNobodyPassesByAnyMore) {
    const auto keys = this->keys_at(10, 3);
    for (const auto& key : keys)
        ASSERT_TRUE(this->insert(key).is_inserted());
    this->table.retire(10);
    this->table.retire(11);
    EXPECT_EQ(this->state_at(11), static_cast<std::uint32_t>(XVS_SLOT_TOMBSTONE));

    this->table.retire(12);
    for (const SlotIndex slot : {10u, 11u, 12u})
        EXPECT_EQ(this->state_at(slot), static_cast<std::uint32_t>(XVS_SLOT_EMPTY)) << slot;
    EXPECT_EQ(this->table.live(), 0u);
}

TYPED_TEST(FlowTableTest, EmptiesASlotBeforeEntriesThatDoNotPassByIt) {
    ASSERT_EQ(this->insert(this->keys_at(10, 1)[0]).slot, 10u);
    const auto next = this->keys_at(11, 2);
    ASSERT_EQ(this->insert(next[0]).slot, 11u);
    ASSERT_EQ(this->insert(next[1]).slot, 12u);

    this->table.retire(10);
    EXPECT_EQ(this->state_at(10), static_cast<std::uint32_t>(XVS_SLOT_EMPTY));
    EXPECT_EQ(this->find(next[1]), 12u);
}

TYPED_TEST(FlowTableTest, KeepsATombstoneThatAnEntryFurtherOnPassesBy) {
    const auto keys = this->keys_at(10, 2);
    ASSERT_EQ(this->insert(keys[0]).slot, 10u);
    ASSERT_EQ(this->insert(this->keys_at(11, 1)[0]).slot, 11u);
    ASSERT_EQ(this->insert(keys[1]).slot, 12u);

    this->table.retire(10);
    EXPECT_EQ(this->state_at(10), static_cast<std::uint32_t>(XVS_SLOT_TOMBSTONE));
    EXPECT_EQ(this->find(keys[1]), 12u);
}

// Where a TOMBSTONE only went when an EMPTY slot was next, 5 % of the slots were left EMPTY.
TYPED_TEST(FlowTableTest, KeepsSlotsEmptyHoweverLongConnectionsComeAndGo) {
    constexpr std::uint32_t kSlots = 4096;
    constexpr std::uint32_t kLive = kSlots * 9 / 20;
    std::vector<typename TypeParam::Flow> slots(kSlots);
    std::vector<std::uint32_t> of_slots(kSlots);
    FlowTable<TypeParam> long_used(slots, of_slots, kSeed, this->at_once);
    const auto key_number = [](std::uint32_t number) {
        return key_of<TypeParam>(number % 60000);
    };
    for (std::uint32_t number = 0; number < 20 * kLive; ++number) {
        if (number >= kLive) {
            const auto oldest = key_number(number - kLive);
            long_used.retire(long_used.find(oldest, long_used.hash(oldest)));
        }
        ASSERT_TRUE(this->insert(long_used, key_number(number)).is_inserted()) << number;
    }
    const auto empty = std::count_if(slots.begin(), slots.end(), [](const auto& entry) {
        return slot_state(entry.state) == XVS_SLOT_EMPTY;
    });
    EXPECT_GT(empty, kSlots / 5);
}

TYPED_TEST(FlowTableTest, EmptiesAllTombstonesBeforeTheLastEntryThatGoes) {
    const auto keys = this->keys_at(250, XVS_PROBES);
    for (const auto& key : keys)
        ASSERT_TRUE(this->insert(key).is_inserted());
    for (const auto& key : keys)
        this->table.retire(this->find(key));
    for (SlotIndex slot = 0; slot < this->entries.size(); ++slot)
        ASSERT_EQ(this->state_at(slot), static_cast<std::uint32_t>(XVS_SLOT_EMPTY)) << slot;
}

TYPED_TEST(FlowTableTest, FindsAKeyOnlyOnceWhenATombstoneBeforeItIsReused) {
    const auto keys = this->keys_at(10, 3);
    ASSERT_TRUE(this->insert(keys[0]).is_inserted());
    const SlotIndex second = this->insert(keys[1]).slot;
    this->table.retire(10);

    EXPECT_EQ(this->insert(keys[1]).slot, second) << "installed twice";
    EXPECT_EQ(this->insert(keys[2]).slot, 10u) << "the tombstone was not reused";
}

TYPED_TEST(FlowTableTest, DoesNotLetALateReportEndTheNextFlowInTheSlot) {
    const auto key = key_of<TypeParam>(1);
    const SlotIndex slot = this->insert(key).slot;
    const std::uint32_t reported = this->table.state_word(slot);
    EXPECT_TRUE(this->table.retire_if(slot, reported));
    ASSERT_EQ(this->insert(key).slot, slot);

    EXPECT_FALSE(this->table.retire_if(slot, reported));
    EXPECT_EQ(this->find(key), slot);
}

TYPED_TEST(FlowTableTest, IgnoresARetiredSlotThatIsRetiredAgain) {
    const SlotIndex slot = this->insert(key_of<TypeParam>(1)).slot;
    this->table.retire(slot);
    this->table.retire(slot);
    EXPECT_EQ(this->table.live(), 0u);
}

TYPED_TEST(FlowTableTest, HasNoOwnerForARetiredSlot) {
    ManualGrace grace;
    FlowTable<TypeParam> shared(this->entries, this->owners, kSeed, grace.period());
    for (FlowTable<TypeParam>* each : {&this->table, &shared}) {
        const SlotIndex slot = this->insert(*each, key_of<TypeParam>(1), 3).slot;
        EXPECT_EQ(each->connection(slot), 3u);
        each->retire(slot);
        EXPECT_EQ(each->connection(slot), XVS_NONE);
    }
}

TYPED_TEST(FlowTableTest, CountsPacketsAndTimeInTheEntry) {
    const SlotIndex slot = this->insert(key_of<TypeParam>(1)).slot;
    this->table.note_packet(slot, 5);
    this->table.note_packet(slot, 6);
    EXPECT_EQ(this->table.packets(slot), 2u);
    EXPECT_EQ(this->table.last_seen(slot), 6u);
}

TYPED_TEST(FlowTableTest, ReusesASlotOnlyAfterTheGracePeriodWhereProgramsReadTheTable) {
    ManualGrace grace;
    FlowTable<TypeParam> shared(this->entries, this->owners, kSeed, grace.period());
    const auto key = key_of<TypeParam>(1);
    const SlotIndex slot = this->insert(shared, key).slot;
    shared.retire(slot);
    shared.reclaim(100);

    EXPECT_EQ(this->state_at(slot), static_cast<std::uint32_t>(XVS_SLOT_DEAD));
    EXPECT_EQ(shared.find(key, shared.hash(key)), XVS_NONE);
    EXPECT_NE(this->insert(shared, key).slot, slot);

    grace.end_all();
    shared.reclaim(100);
    EXPECT_NE(this->state_at(slot), static_cast<std::uint32_t>(XVS_SLOT_DEAD));
    EXPECT_EQ(shared.retired(), 0u);
}

// A client that opens and closes from one port faster than grace periods end.
TYPED_TEST(FlowTableTest, HasASlotForAKeyThatComesAndGoesWithoutEnd) {
    ManualGrace grace;
    FlowTable<TypeParam> shared(this->entries, this->owners, kSeed, grace.period());
    const auto keys = this->keys_at(10, 2);
    const SlotIndex stays = this->insert(shared, keys[1]).slot;
    const auto far = this->keys_at(100, 1);
    const SlotIndex waits = this->insert(shared, far[0]).slot;
    shared.retire(waits);
    for (unsigned turn = 0; turn < 20 * XVS_PROBES; ++turn) {
        const InsertResult result = this->insert(shared, keys[0], turn);
        ASSERT_TRUE(result.is_inserted()) << turn;
        ASSERT_EQ(shared.connection(result.slot), turn);
        shared.retire(result.slot);
        if (turn % 7 == 0) shared.reclaim(3);
    }
    EXPECT_EQ(shared.find(keys[1], shared.hash(keys[1])), stays);
    EXPECT_EQ(this->state_at(waits), static_cast<std::uint32_t>(XVS_SLOT_DEAD));
    shared.retire(stays);
    while (shared.retired() > 0) {
        shared.reclaim(5);
        grace.end_all();
    }
    for (const auto& entry : this->entries)
        ASSERT_EQ(slot_state(entry.state), static_cast<std::uint32_t>(XVS_SLOT_EMPTY));
}

TYPED_TEST(FlowTableTest, GrowsForWhatIsLiveAndNotForWhatIsRetired) {
    ManualGrace grace;
    xvs_table_extent extent{};
    extent.active = extent.former = 2 * XVS_PROBES;
    FlowTable<TypeParam> growing(this->entries, this->owners, kSeed, grace.period(), extent);
    const auto key = key_of<TypeParam>(1);
    for (unsigned turn = 0; turn < 20 * XVS_PROBES; ++turn) {
        const InsertResult result = this->insert(growing, key);
        ASSERT_TRUE(result.is_inserted()) << turn;
        growing.retire(result.slot);
    }
    EXPECT_EQ(growing.active(), 2 * XVS_PROBES);
}

TYPED_TEST(FlowTableTest, ReclaimsEverySlotOfManyBatchesWithinItsLimit) {
    ManualGrace grace;
    FlowTable<TypeParam> shared(this->entries, this->owners, kSeed, grace.period());
    Random random(7);
    std::uint32_t number = 0;
    for (int round = 0; round < 50; ++round) {
        std::vector<SlotIndex> slots;
        for (unsigned i = random.below(60); i > 0; --i) {
            const InsertResult result = this->insert(shared, key_of<TypeParam>(number++));
            if (result.is_inserted()) slots.push_back(result.slot);
        }
        for (const SlotIndex slot : slots)
            shared.retire(slot);
        shared.reclaim(7);
        grace.end_all();
        while (shared.retired() > 0) {
            const std::size_t before = shared.retired();
            shared.reclaim(7);
            ASSERT_LE(before - shared.retired(), 7u);
            grace.end_all();
        }
    }
    for (const auto& entry : this->entries)
        ASSERT_EQ(slot_state(entry.state), static_cast<std::uint32_t>(XVS_SLOT_EMPTY));
}

}  // namespace
}  // namespace xvs::flow
