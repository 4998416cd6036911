#include "flow/grace_period.h"

#include <atomic>

#include <gtest/gtest.h>

#include "flow/manual_grace_test.h"

namespace xvs::flow {
namespace {

TEST(GracePeriod, IsOverAtOnceWhereNobodyElseReads) {
    GracePeriod period;
    EXPECT_FALSE(period.is_needed());
    EXPECT_TRUE(period.has_ended(period.request()));
    EXPECT_TRUE(period.has_ended(period.next()));
}

TEST(GracePeriod, DoesNotEndBeforeTheReadersHaveLeft) {
    ManualGrace grace;
    const GracePeriod::Number number = grace.period().request();
    EXPECT_FALSE(grace.period().has_ended(number));
    grace.end_all();
    EXPECT_TRUE(grace.period().has_ended(number));
}

TEST(GracePeriod, CountsAPeriodThatHasBegunAsTooEarlyForWhatIsTakenOutNow) {
    std::atomic<bool> inside = false;
    std::atomic<bool> leave = false;
    GracePeriod period([&] {
        inside = true;
        while (!leave)
            std::this_thread::yield();
    });
    const GracePeriod::Number first = period.request();
    while (!inside)
        std::this_thread::yield();

    const GracePeriod::Number second = period.request();
    EXPECT_GT(second, first);
    leave = true;
    while (!period.has_ended(second))
        std::this_thread::yield();
    EXPECT_TRUE(period.is_idle());
}

TEST(GracePeriod, EndsWithTheKernelsOwnPeriod) {
    GracePeriod period(&wait_for_kernel_readers);
    for (int i = 0; i < 3; ++i) {
        const GracePeriod::Number number = period.request();
        while (!period.has_ended(number))
            std::this_thread::yield();
    }
}

}  // namespace
}  // namespace xvs::flow
