#include "io/xdp_ring.h"

#include <array>

#include <gtest/gtest.h>

namespace xvs::io {
namespace {

// A ring of four numbers, with both of its ends.
class XdpRingTest : public ::testing::Test {
protected:
    struct Memory {
        std::uint32_t producer = 0;
        std::uint32_t consumer = 0;
        std::uint32_t flags = 0;
        std::uint32_t padding = 0;
        std::array<std::uint64_t, 4> entries{};
    };

    [[nodiscard]] XdpRing<std::uint64_t> ring() {
        return XdpRing<std::uint64_t>(
            {.memory = reinterpret_cast<std::byte*>(&memory_), .offsets = &offsets_, .size = 4});
    }

    Memory memory_;
    xdp_ring_offset offsets_{.producer = offsetof(Memory, producer),
                             .consumer = offsetof(Memory, consumer),
                             .desc = offsetof(Memory, entries),
                             .flags = offsetof(Memory, flags)};
    XdpRing<std::uint64_t> producer_ = ring();
    XdpRing<std::uint64_t> consumer_ = ring();
};

TEST_F(XdpRingTest, HandsOverWhatIsPublishedInOrder) {
    EXPECT_TRUE(producer_.try_put(7));
    EXPECT_TRUE(producer_.try_put(8));
    EXPECT_EQ(consumer_.count(), 0U);
    producer_.publish();
    ASSERT_EQ(consumer_.count(), 2U);
    EXPECT_EQ(consumer_.take(), 7U);
    EXPECT_TRUE(producer_.has_unread());
    EXPECT_EQ(consumer_.take(), 8U);
    consumer_.release();
    EXPECT_FALSE(producer_.has_unread());
}

TEST_F(XdpRingTest, TakesNoMoreThanItHolds) {
    for (std::uint64_t i = 0; i < 4; ++i)
        EXPECT_TRUE(producer_.try_put(i));
    EXPECT_FALSE(producer_.try_put(4));
    producer_.publish();
    EXPECT_EQ(consumer_.take(), 0U);
    EXPECT_FALSE(producer_.try_put(4)) << "a place that is read still";
    consumer_.release();
    EXPECT_TRUE(producer_.try_put(4));
}

TEST_F(XdpRingTest, GoesRound) {
    for (std::uint64_t i = 0; i < 1000; ++i) {
        ASSERT_TRUE(producer_.try_put(i));
        producer_.publish();
        ASSERT_EQ(consumer_.count(), 1U);
        ASSERT_EQ(consumer_.take(), i);
        consumer_.release();
    }
}

TEST_F(XdpRingTest, SaysWhenTheKernelWantsToBeWoken) {
    EXPECT_FALSE(producer_.needs_wakeup());
    memory_.flags = XDP_RING_NEED_WAKEUP;
    EXPECT_TRUE(producer_.needs_wakeup());
}

}  // namespace
}  // namespace xvs::io
