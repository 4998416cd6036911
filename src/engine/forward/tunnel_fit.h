// Makes TCP fit a tunnel whose clients are not to depend on ICMP errors about it.
#pragma once

#include <cstdint>

#include "engine/parse/packet.h"

namespace xvs::engine {

// Has a SYN announce no more than fits into packets of `mtu` bytes; one that announces nothing, or
// less, stays as it is. REQUIRES: TCP, the transport header is here.
template <class Ip>
void clamp_mss(Packet<Ip>& packet, std::uint32_t mtu) noexcept;

// Has a packet that is longer than `mtu` leave as segments that are not, by making a super-packet
// of it or shortening the segments of one. Leaves alone what has a wrong checksum, or would still
// not fit. REQUIRES: as above.
template <class Ip>
void cut_segments(Packet<Ip>& packet, std::uint32_t mtu) noexcept;

}  // namespace xvs::engine
