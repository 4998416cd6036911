// Replay: writes a translation into a packet. The programs in the kernel do the same.
#pragma once

#include <cstdint>

#include "engine/parse/packet.h"
#include "flow/layout.h"

namespace xvs::engine {

// Rewrites address and port as `translation` says and updates the checksums that cover them by
// differences: all of a complete one, the pseudo-header's part of a partial one. A fragment that is
// not the first has only its address rewritten. Cost: no memory beyond the packet and the
// translation.
template <class Ip>
void rewrite(Packet<Ip>& packet, const xvs_translation& translation) noexcept;

// Counts TTL or hop limit down. REQUIRES: it is more than 1.
template <class Ip>
void decrement_ttl(Packet<Ip>& packet) noexcept;

template <class Ip>
[[nodiscard]] std::uint8_t ttl(const Packet<Ip>& packet) noexcept;

// Puts the outer header, and the header of GUE or GRE behind it, of `translation` before the
// packet's own, into the frame's headroom. `id` is the outer IPv4 identification, used unless the
// outer header says don't-fragment. Kernel: ip_vs_tunnel_xmit() copies DSCP, TTL and, with
// pmtu_disc, DF, and ECN but for CE (RFC 3168, 9.1.1). REQUIRES: what has a header of GUE or GRE is
// no super-packet and its checksum complete.
template <class Ip>
void encapsulate(Packet<Ip>& packet,
                 const xvs_translation& translation,
                 std::uint16_t id,
                 bool copies_df = true) noexcept;

// Returns the layer-3 length of what goes over the wire: of a super-packet, that of a segment.
template <class Ip>
[[nodiscard]] std::uint32_t segment_length(const Packet<Ip>& packet) noexcept;

// Returns whether the packet is not to be cut on its way: IPv6, or IPv4 with DF.
template <class Ip>
[[nodiscard]] bool is_unfragmentable(const Packet<Ip>& packet) noexcept;

}  // namespace xvs::engine
