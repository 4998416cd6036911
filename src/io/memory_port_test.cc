#include "io/memory_port.h"

#include <array>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace xvs::io {
namespace {

using ::testing::IsEmpty;

constexpr std::uint32_t kOutside = 2;
constexpr std::uint32_t kInside = 3;

std::vector<std::byte> frame_of(std::size_t size, unsigned value) {
    return std::vector<std::byte>(size, static_cast<std::byte>(value));
}

TEST(MemoryPort, HandsUpWhatWasInjectedInBurstsOfAtMostThirtyTwo) {
    MemoryPort port;
    for (unsigned i = 0; i < 40; ++i)
        port.inject(frame_of(60, i), kOutside, XVS_REASON_FLOW);

    std::array<engine::Frame, 64> frames;
    EXPECT_EQ(port.receive(frames), engine::kMaxBurst);
    EXPECT_EQ(frames[31].data[0], std::byte{31});
    EXPECT_EQ(frames[31].interface, kOutside);
    EXPECT_EQ(frames[31].reason, XVS_REASON_FLOW);
    EXPECT_GE(frames[31].headroom, engine::kFrameHeadroom);
    EXPECT_EQ(port.receive(frames), 8U);
    EXPECT_EQ(port.receive(frames), 0U);
}

TEST(MemoryPort, KeepsOffloadsThere) {
    MemoryPort port;
    const engine::Offload super_packet{.segmentation = engine::Segmentation::Tcp4,
                                       .has_partial_checksum = true,
                                       .has_ecn = false,
                                       .segment_size = 1448,
                                       .header_length = 66,
                                       .checksum_start = 34,
                                       .checksum_offset = 16};
    port.inject(frame_of(9000, 1), kOutside, XVS_REASON_FLOW, super_packet);

    std::array<engine::Frame, 1> frames;
    ASSERT_EQ(port.receive(frames), 1U);
    port.transmit(frames[0], kInside);
    port.flush();

    const auto output = port.take_output();
    ASSERT_EQ(output.size(), 1U);
    EXPECT_EQ(output[0].interface, kInside);
    EXPECT_EQ(output[0].offload.segment_size, 1448);
    EXPECT_EQ(output[0].bytes, frame_of(9000, 1));
}

TEST(MemoryPort, SendsNothingBeforeTheFlushAndThenInOrder) {
    MemoryPort port;
    port.inject(frame_of(60, 1), kOutside);
    std::array<engine::Frame, 1> frames;
    ASSERT_EQ(port.receive(frames), 1U);
    engine::Frame made = port.make_frame();
    made.length = 2;
    made.data[0] = made.data[1] = std::byte{9};

    port.transmit(made, kOutside);
    port.give_to_host(frames[0]);
    EXPECT_THAT(port.take_output(), IsEmpty());
    port.flush();

    const auto output = port.take_output();
    ASSERT_EQ(output.size(), 2U);
    EXPECT_EQ(output[0].bytes, frame_of(2, 9));
    EXPECT_EQ(output[1].way, MemoryPort::Way::ToHost);
    EXPECT_EQ(output[1].interface, kOutside);
}

TEST(MemoryPort, OverwritesABurstAtTheNextReceive) {
    MemoryPort port;
    port.inject(frame_of(60, 1), kOutside);
    std::array<engine::Frame, 1> frames;
    ASSERT_EQ(port.receive(frames), 1U);
    const std::byte* kept = frames[0].data;
    EXPECT_EQ(port.receive(frames), 0U);
    EXPECT_NE(*kept, std::byte{1});
}

TEST(MemoryPort, RunsOutOfMadeFramesUntilTheFlush) {
    MemoryPort port;
    for (std::size_t i = 0; i < engine::kMaxBurst; ++i)
        EXPECT_NE(port.make_frame().data, nullptr);
    EXPECT_EQ(port.make_frame().data, nullptr);
    port.flush();
    EXPECT_NE(port.make_frame().data, nullptr);
}

}  // namespace
}  // namespace xvs::io
