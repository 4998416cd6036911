// What an ICMP error quotes: checked and rewritten along with the error itself.
#pragma once

#include "engine/parse/packet.h"
#include "flow/layout.h"

namespace xvs::engine {

// Returns whether the ICMP checksum is right (or left to be filled in).
template <class Ip>
[[nodiscard]] bool has_valid_icmp_checksum(const Packet<Ip>& packet) noexcept;

// Returns whether it is an error whose quoted packet is to be rewritten, with a wrong checksum.
template <class Ip>
[[nodiscard]] bool is_damaged_error(const Packet<Ip>& packet,
                                    const xvs_translation& translation) noexcept {
    const bool is_nat = (translation.rewrite & (XVS_REWRITE_SOURCE | XVS_REWRITE_DESTINATION)) != 0;
    return packet.protocol == Headers<Ip>::kIcmp && is_nat && !has_valid_icmp_checksum(packet);
}

// Rewrites the error as `translation` rewrites the packets of its direction, and the packet it
// quotes, which went the other way, at its other end. REQUIRES: parse_quoted() accepted it. Kernel:
// ip_vs_nat_icmp(). The quoted transport checksum is left alone, as there.
template <class Ip>
void rewrite_quoted(Packet<Ip>& packet, const xvs_translation& translation) noexcept;

}  // namespace xvs::engine
