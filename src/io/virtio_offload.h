// Between a virtio-net header, as AF_PACKET sockets speak it, and the engine's Offload.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/packet_port.h"

namespace xvs::io {

// As <linux/virtio_net.h> has it, which no C++ compiler takes: it names a field `class`.
struct VirtioHeader {
    std::uint8_t flags = 0;
    std::uint8_t segmentation = 0;
    std::uint16_t header_length = 0;
    std::uint16_t segment_size = 0;
    std::uint16_t checksum_start = 0;
    std::uint16_t checksum_offset = 0;
};

static_assert(sizeof(VirtioHeader) == 10);

inline constexpr std::uint8_t kVirtioNeedsChecksum = 1;
inline constexpr std::uint8_t kVirtioChecksumIsRight = 2;
inline constexpr std::uint8_t kVirtioTcp4 = 1;
inline constexpr std::uint8_t kVirtioTcp6 = 4;
inline constexpr std::uint8_t kVirtioUdp = 5;  // Linux 6.2
inline constexpr std::uint8_t kVirtioEcn = 0x80;

// `frame` is what the header belongs to: how long the headers before a super-packet's payload are
// stands in its transport header.
[[nodiscard]] engine::Offload to_offload(const VirtioHeader& header,
                                         std::span<const std::byte> frame) noexcept;

[[nodiscard]] VirtioHeader to_virtio(const engine::Offload& offload) noexcept;

}  // namespace xvs::io
