#include "io/virtio_offload.h"

#include <algorithm>

namespace xvs::io {
namespace {

// The TCP data offset's place, and the size of a UDP header: all that is to be known of either.
constexpr std::size_t kTcpDataOffset = 12;
constexpr std::size_t kTcpHeaderSize = 20;
constexpr std::size_t kUdpHeaderSize = 8;

engine::Segmentation to_segmentation(std::uint8_t said) noexcept {
    switch (said & ~kVirtioEcn) {
        case kVirtioTcp4:
            return engine::Segmentation::Tcp4;
        case kVirtioTcp6:
            return engine::Segmentation::Tcp6;
        case kVirtioUdp:
            return engine::Segmentation::Udp;
        default:
            return engine::Segmentation::None;
    }
}

std::uint8_t to_virtio_segmentation(engine::Segmentation segmentation) noexcept {
    switch (segmentation) {
        case engine::Segmentation::Tcp4:
            return kVirtioTcp4;
        case engine::Segmentation::Tcp6:
            return kVirtioTcp6;
        case engine::Segmentation::Udp:
            return kVirtioUdp;
        case engine::Segmentation::None:
            break;
    }
    return 0;
}

// What the kernel says is the size of the first buffer, which may hold the whole frame.
std::uint16_t headers_before_payload(const engine::Offload& offload,
                                     std::uint16_t said,
                                     std::span<const std::byte> frame) noexcept {
    const std::size_t transport = offload.checksum_start;
    std::size_t size = said;
    if (offload.has_partial_checksum && offload.segmentation == engine::Segmentation::Udp) {
        size = transport + kUdpHeaderSize;
    } else if (offload.has_partial_checksum && transport + kTcpHeaderSize <= frame.size()) {
        size =
            transport + (std::to_integer<std::size_t>(frame[transport + kTcpDataOffset]) >> 4) * 4;
    }
    return static_cast<std::uint16_t>(std::min(size, frame.size()));
}

}  // namespace

engine::Offload to_offload(const VirtioHeader& header, std::span<const std::byte> frame) noexcept {
    engine::Offload offload;
    if ((header.flags & kVirtioNeedsChecksum) != 0) {
        offload.has_partial_checksum = true;
        offload.checksum_start = header.checksum_start;
        offload.checksum_offset = header.checksum_offset;
    }
    offload.segmentation = to_segmentation(header.segmentation);
    if (offload.segmentation == engine::Segmentation::None) return offload;
    offload.has_ecn = (header.segmentation & kVirtioEcn) != 0;
    offload.segment_size = header.segment_size;
    offload.header_length = headers_before_payload(offload, header.header_length, frame);
    return offload;
}

// kVirtioChecksumIsRight is never set: on a frame that is sent the kernel takes it amiss.
VirtioHeader to_virtio(const engine::Offload& offload) noexcept {
    VirtioHeader header{};
    if (offload.has_partial_checksum) {
        header.flags = kVirtioNeedsChecksum;
        header.checksum_start = offload.checksum_start;
        header.checksum_offset = offload.checksum_offset;
    }
    header.segmentation = to_virtio_segmentation(offload.segmentation);
    if (header.segmentation == 0) return header;
    if (offload.has_ecn) header.segmentation |= kVirtioEcn;
    header.segment_size = offload.segment_size;
    header.header_length = offload.header_length;
    return header;
}

}  // namespace xvs::io
