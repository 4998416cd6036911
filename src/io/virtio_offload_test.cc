#include "io/virtio_offload.h"

#include <vector>

#include <gtest/gtest.h>

namespace xvs::io {
namespace {

using engine::Offload;
using engine::Segmentation;

constexpr std::size_t kTcpStart = 34;

// A frame whose TCP header, at kTcpStart, has options: 32 bytes in all.
std::vector<std::byte> tcp_super_packet() {
    std::vector<std::byte> frame(9000);
    frame[kTcpStart + 12] = std::byte{8 << 4};
    return frame;
}

TEST(VirtioOffload, FindsWhereASuperPacketsPayloadBegins) {
    const VirtioHeader header{.flags = kVirtioNeedsChecksum,
                              .segmentation = kVirtioTcp4 | kVirtioEcn,
                              .header_length = 9000,
                              .segment_size = 1448,
                              .checksum_start = kTcpStart,
                              .checksum_offset = 16};
    const auto frame = tcp_super_packet();
    const Offload offload = to_offload(header, frame);
    EXPECT_EQ(offload.segmentation, Segmentation::Tcp4);
    EXPECT_TRUE(offload.has_ecn);
    EXPECT_TRUE(offload.has_partial_checksum);
    EXPECT_EQ(offload.segment_size, 1448);
    EXPECT_EQ(offload.header_length, kTcpStart + 32);
    EXPECT_EQ(offload.checksum_start, kTcpStart);
    EXPECT_EQ(offload.checksum_offset, 16);
}

TEST(VirtioOffload, ComesBackAsItWas) {
    const VirtioHeader header{.flags = kVirtioNeedsChecksum,
                              .segmentation = kVirtioTcp6,
                              .header_length = kTcpStart + 32,
                              .segment_size = 1428,
                              .checksum_start = kTcpStart,
                              .checksum_offset = 16};
    const VirtioHeader back = to_virtio(to_offload(header, tcp_super_packet()));
    EXPECT_EQ(back.flags, header.flags);
    EXPECT_EQ(back.segmentation, header.segmentation);
    EXPECT_EQ(back.header_length, header.header_length);
    EXPECT_EQ(back.segment_size, header.segment_size);
    EXPECT_EQ(back.checksum_start, header.checksum_start);
    EXPECT_EQ(back.checksum_offset, header.checksum_offset);
}

TEST(VirtioOffload, NeverSendsThatAChecksumWasFoundRight) {
    VirtioHeader header{};
    header.flags = kVirtioChecksumIsRight;
    EXPECT_EQ(to_virtio(to_offload(header, tcp_super_packet())).flags, 0);
}

TEST(VirtioOffload, NeverReachesBeyondAShortFrame) {
    const VirtioHeader header{.flags = kVirtioNeedsChecksum,
                              .segmentation = kVirtioTcp4,
                              .header_length = 60000,
                              .segment_size = 1448,
                              .checksum_start = 65000,
                              .checksum_offset = 16};
    EXPECT_LE(to_offload(header, std::vector<std::byte>(60)).header_length, 60);
}

}  // namespace
}  // namespace xvs::io
