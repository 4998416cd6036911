// What stands between a tunnel's outer IP header and the packet inside: GUE and GRE.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "flow/layout.h"
#include "net/ip_protocol.h"

namespace xvs::engine {

inline constexpr std::size_t kUdpHeaderSize = 8;
inline constexpr std::size_t kGueHeaderSize = 4;    // version 0, no optional fields
inline constexpr std::size_t kGreHeaderSize = 4;    // RFC 2784, without a checksum
inline constexpr std::size_t kGreChecksumSize = 4;  // and what is reserved behind it

// Returns the protocol of what follows the outer IP header; `inner` is that of the packet inside.
[[nodiscard]] net::IpProtocol tunnel_protocol(const xvs_translation& translation,
                                              net::IpProtocol inner) noexcept;

// Writes the tunnel's own header, if it has one. `payload` is all that follows the outer IP header,
// the packet inside as it will be sent. `hash` is the connection's, from which GUE takes its source
// port, so that a connection stays on one path. Kernel: ipvs_gue_encap(), ipvs_gre_encap().
void write_tunnel_header(std::span<std::byte> payload,
                         const xvs_translation& translation,
                         net::IpProtocol inner,
                         std::uint32_t hash) noexcept;

}  // namespace xvs::engine
