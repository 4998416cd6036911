// Packets too long for their next hop that may be cut: IPv4 without DF, also in a tunnel over IPv6.
#pragma once

#include <cstdint>

#include "engine/forward/transmitter.h"
#include "engine/packet_port.h"
#include "engine/parse/packet.h"

namespace xvs::engine {

// Cuts a packet of at most 64 KiB into fragments of at most `mtu` bytes and sends them; a partial
// checksum is completed first. Over IPv6, where they have `identification`, it is one of the
// director's own, whose header has no extensions. Returns false when buffers ran out. Kernel:
// ip_do_fragment(), ip6_fragment().
[[nodiscard]] bool send_fragments(const Outgoing& outgoing,
                                  std::uint32_t mtu,
                                  std::uint32_t identification,
                                  PacketPort& port,
                                  Transmitter& transmitter) noexcept;

// Lowers a super-packet's segment size until its segments fit `mtu`.
template <class Ip>
void limit_segments(Packet<Ip>& packet, std::uint32_t mtu) noexcept;

// Fills in the checksum that a frame's offload leaves to the device. REQUIRES: no super-packet.
void complete_checksum(Frame& frame) noexcept;

// The same of an SCTP packet, whose checksum is a CRC.
template <class Ip>
void complete_sctp_checksum(Packet<Ip>& packet) noexcept;

}  // namespace xvs::engine
