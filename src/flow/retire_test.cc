#include "flow/retire.h"

#include <numeric>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "flow/manual_grace_test.h"

namespace xvs::flow {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAreArray;

constexpr std::size_t kAll = 1000;

// What a drain has prefetched and what it has handed back, in order.
struct Drained {
    std::vector<SlotIndex> prefetched;
    std::vector<SlotIndex> freed;
};

Drained drain(RetireQueue& queue, std::size_t limit) {
    Drained drained;
    const std::size_t count = queue.drain(
        limit,
        [&](SlotIndex slot) { drained.prefetched.push_back(slot); },
        [&](SlotIndex slot) {
            drained.freed.push_back(slot);
            // Not before it was prefetched.
            EXPECT_GE(drained.prefetched.size(), drained.freed.size());
            EXPECT_EQ(drained.prefetched[drained.freed.size() - 1], slot);
        });
    EXPECT_EQ(count, drained.freed.size());
    return drained;
}

std::vector<SlotIndex> slots_from(SlotIndex first, std::size_t count) {
    std::vector<SlotIndex> slots(count);
    std::iota(slots.begin(), slots.end(), first);
    return slots;
}

void push_all(RetireQueue& queue, const std::vector<SlotIndex>& slots) {
    for (const SlotIndex slot : slots)
        queue.push(slot);
}

TEST(RetireQueue, HandsEachSlotBackOnceAfterItsGracePeriod) {
    ManualGrace grace;
    RetireQueue queue(64, grace.period());
    push_all(queue, slots_from(0, 40));
    EXPECT_THAT(drain(queue, kAll).freed, IsEmpty());
    grace.end_all();
    const Drained drained = drain(queue, kAll);
    EXPECT_THAT(drained.freed, UnorderedElementsAreArray(slots_from(0, 40)));
    EXPECT_EQ(drained.prefetched, drained.freed);
    EXPECT_EQ(queue.size(), 0);
}

TEST(RetireQueue, PrefetchesNoMoreThanItHandsBack) {
    ManualGrace grace;
    RetireQueue queue(64, grace.period());
    push_all(queue, slots_from(0, 64));
    (void)drain(queue, 0);
    grace.end_all();
    for (const std::size_t limit : {1U, 20U, 43U}) {
        const Drained drained = drain(queue, limit);
        EXPECT_EQ(drained.freed.size(), limit);
        EXPECT_EQ(drained.prefetched, drained.freed);
    }
    EXPECT_EQ(queue.size(), 0);
}

TEST(RetireQueue, GathersSlotsWhileOthersWait) {
    ManualGrace grace;
    RetireQueue queue(64, grace.period());
    push_all(queue, slots_from(0, 3));
    (void)drain(queue, kAll);
    push_all(queue, slots_from(3, 61));
    grace.end_all();
    EXPECT_THAT(drain(queue, kAll).freed, UnorderedElementsAreArray(slots_from(0, 3)));
    EXPECT_THAT(drain(queue, kAll).freed, IsEmpty());
    grace.end_all();
    EXPECT_THAT(drain(queue, kAll).freed, UnorderedElementsAreArray(slots_from(3, 61)));
}

TEST(RetireQueue, LetsOneBeTakenOutBeforeItsTime) {
    ManualGrace grace;
    RetireQueue queue(64, grace.period());
    push_all(queue, {7, 8});
    (void)drain(queue, kAll);
    push_all(queue, {9, 10, 11});
    const auto take = [&queue](SlotIndex wanted) {
        return queue.take(kAll, [wanted](SlotIndex slot) { return slot == wanted; });
    };
    EXPECT_EQ(take(10), 10U);
    EXPECT_EQ(take(10), XVS_NONE);
    EXPECT_EQ(take(7), 7U);
    EXPECT_EQ(queue.take(2, [](SlotIndex) { return true; }), XVS_NONE);
    grace.end_all();
    EXPECT_THAT(drain(queue, kAll).freed, ElementsAre(8U));
    grace.end_all();
    EXPECT_THAT(drain(queue, kAll).freed, UnorderedElementsAreArray({9U, 11U}));
}

}  // namespace
}  // namespace xvs::flow
