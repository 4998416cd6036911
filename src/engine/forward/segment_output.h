// Super-packets that must be cut here, since neither the kernel nor a card would give each segment
// what it needs.
#pragma once

#include <cstdint>

#include "engine/packet_port.h"
#include "engine/parse/packet.h"

namespace xvs::engine {

// Bytes of a super-packet's payload that go into one segment, in a buffer of the port's; 0 where no
// segment has room there.
template <class Ip>
[[nodiscard]] std::uint32_t segment_share(const Packet<Ip>& super) noexcept;

// Bytes of its payload.
template <class Ip>
[[nodiscard]] std::uint32_t payload_size(const Packet<Ip>& super) noexcept;

// Makes the segment that carries `size` bytes of the payload from `at` on: headers of its own, the
// checksum complete. Returns false when no buffer was left. Kernel: tcp_gso_segment(),
// __udp_gso_segment().
template <class Ip>
[[nodiscard]] bool make_segment(const Packet<Ip>& super,
                                std::uint32_t at,
                                std::uint32_t size,
                                PacketPort& port,
                                Packet<Ip>& segment) noexcept;

}  // namespace xvs::engine
