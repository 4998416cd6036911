#include "base/timer_wheel.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random_test.h"

namespace xvs {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::size_t kAll = 1u << 20;

template <class Wheel>
std::vector<std::uint32_t> advance(Wheel& wheel, std::uint32_t now, std::size_t limit = kAll) {
    std::vector<std::uint32_t> ids;
    wheel.advance(now, limit, [&ids](std::uint32_t id) { ids.push_back(id); });
    return ids;
}

TEST(TimerWheel, HandsAnIdBackWhenItsSlotIsOver) {
    TimerWheel<> wheel(1000, 16);
    ASSERT_TRUE(wheel.schedule(7, 1100));

    EXPECT_THAT(advance(wheel, 1099), IsEmpty());
    EXPECT_THAT(advance(wheel, 1100 + TimerWheel<>::kTicksPerSlot), ElementsAre(7));
    EXPECT_THAT(advance(wheel, 5000), IsEmpty());
}

TEST(TimerWheel, NeverIsEarlyAndAtMostOneSlotLateWhateverIsScheduled) {
    // Starts shortly before ticks wrap.
    constexpr std::uint32_t kStart = 0u - 3000;
    TimerWheel<> wheel(kStart, 4096);
    Random random(42);
    std::map<std::uint32_t, std::uint32_t> due;
    std::uint32_t now = kStart;
    std::uint32_t next_id = 0;
    for (int step = 0; step < 20000; ++step) {
        if (due.size() < 4000) {
            const std::uint32_t at = now + random.below(TimerWheel<>::kHorizonTicks);
            due[next_id] = at;
            ASSERT_TRUE(wheel.schedule(next_id++, at));
        }
        now += random.below(8);
        wheel.advance(now, kAll, [&](std::uint32_t id) {
            ASSERT_EQ(due.count(id), 1u) << "id " << id;
            const auto late = static_cast<std::int32_t>(now - due[id]);
            EXPECT_GT(late, 0);
            EXPECT_LE(late, static_cast<std::int32_t>(TimerWheel<>::kTicksPerSlot) + 8);
            due.erase(id);
        });
    }
    EXPECT_EQ(wheel.size(), due.size());
    now += TimerWheel<>::kHorizonTicks + TimerWheel<>::kTicksPerSlot;
    EXPECT_EQ(advance(wheel, now).size(), due.size());
}

TEST(TimerWheel, ClampsWhatLiesBeyondTheHorizonToItsLastSlot) {
    TimerWheel<> wheel(0, 16);
    const std::uint32_t far = 10 * TimerWheel<>::kHorizonTicks;
    const std::uint32_t clamped = wheel.clamp(far);
    EXPECT_EQ(clamped, TimerWheel<>::kHorizonTicks);
    EXPECT_EQ(wheel.clamp(clamped), clamped);

    ASSERT_TRUE(wheel.schedule(1, far));
    EXPECT_THAT(advance(wheel, clamped - 1), IsEmpty());
    EXPECT_THAT(advance(wheel, clamped + TimerWheel<>::kTicksPerSlot), ElementsAre(1));
}

TEST(TimerWheel, HandsBackSoonWhatWasDueInThePast) {
    TimerWheel<> wheel(5000, 16);
    ASSERT_TRUE(wheel.schedule(1, 100));
    EXPECT_THAT(advance(wheel, 5000 + TimerWheel<>::kTicksPerSlot), ElementsAre(1));
}

TEST(TimerWheel, GoesOnWhereTheLimitStoppedIt) {
    TimerWheel<> wheel(0, 100);
    for (std::uint32_t id = 0; id < 100; ++id)
        ASSERT_TRUE(wheel.schedule(id, 20));

    std::vector<std::uint32_t> ids = advance(wheel, 1000, 33);
    EXPECT_EQ(ids.size(), 33u);
    for (const std::uint32_t id : advance(wheel, 1000, 33))
        ids.push_back(id);
    for (const std::uint32_t id : advance(wheel, 1000, 50))
        ids.push_back(id);
    std::sort(ids.begin(), ids.end());
    EXPECT_EQ(std::unique(ids.begin(), ids.end()) - ids.begin(), 100);
    EXPECT_EQ(wheel.size(), 0u);
}

TEST(TimerWheel, LetsTheCallbackScheduleAgainWithoutBeingCalledForeverAtOnce) {
    TimerWheel<> wheel(0, 16);
    ASSERT_TRUE(wheel.schedule(1, 0));
    int calls = 0;
    const auto again = [&](std::uint32_t id) {
        ++calls;
        EXPECT_TRUE(wheel.schedule(id, 0));
    };
    EXPECT_EQ(wheel.advance(16, kAll, again), 1u);
    EXPECT_EQ(wheel.advance(16, kAll, again), 0u);
    EXPECT_EQ(wheel.advance(32, kAll, again), 1u);
    EXPECT_EQ(calls, 2);
}

TEST(TimerWheel, RefusesAnIdWhenItsRoomIsUsedUpAndReusesRoom) {
    TimerWheel<4, 16> wheel(0, 30);
    std::uint32_t scheduled = 0;
    while (wheel.schedule(scheduled, 8))
        ASSERT_LT(++scheduled, 1000u);
    EXPECT_GE(scheduled, 30u);
    EXPECT_EQ(advance(wheel, 16).size(), scheduled);
    for (std::uint32_t id = 0; id < scheduled; ++id)
        EXPECT_TRUE(wheel.schedule(id, 40));
    EXPECT_EQ(advance(wheel, 1000).size(), scheduled);
}

TEST(TimerWheel, HasRoomForItsCapacityHoweverItIsSpread) {
    TimerWheel<4, 16> wheel(0, 64);
    for (std::uint32_t id = 0; id < 64; ++id)
        EXPECT_TRUE(wheel.schedule(id, (id * 16) % 256)) << id;
}

TEST(TimerWheel, PrefetchesEachIdBeforeItExpires) {
    TimerWheel<> wheel(0, 100);
    for (std::uint32_t id = 0; id < 100; ++id)
        ASSERT_TRUE(wheel.schedule(id, 20));
    std::vector<int> prefetched(100);
    int cold = 0;
    wheel.advance(
        1000,
        kAll,
        [&](std::uint32_t id) { ++prefetched[id]; },
        [&](std::uint32_t id) { cold += prefetched[id] == 0; });
    EXPECT_EQ(cold, 0);
}

}  // namespace
}  // namespace xvs
