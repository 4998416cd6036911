// What stands between a tunnel's outer IP header and the packet inside: GUE and GRE.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "flow/layout.h"
#include "model/destination.h"
#include "net/address.h"
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

// What it says.
struct TunnelHeader {
    model::TunnelType type = model::TunnelType::Ipip;
    net::Port port{};  // GUE's, at its far end
    net::Family inside = net::Family::Ipv4;
    std::size_t size = 0;  // what follows is the packet inside
};

// Reads what follows an outer IP header that names `protocol`; it may be cut short behind that.
// Returns nullopt for what no tunnel of ours sends. Kernel: ipvs_udp_decap(), ipvs_gre_decap().
[[nodiscard]] std::optional<TunnelHeader> read_tunnel_header(
    net::IpProtocol protocol, std::span<const std::byte> payload) noexcept;

}  // namespace xvs::engine
