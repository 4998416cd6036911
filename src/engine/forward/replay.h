// Replay: writes a translation into a packet. The programs in the kernel do the same.
#pragma once

#include <cstdint>
#include <cstring>

#include "engine/parse/packet.h"
#include "flow/layout.h"
#include "net/checksum.h"
#include "net/tcp.h"
#include "net/udp.h"

namespace xvs::engine {

// Makes an SCTP packet's checksum anew, whatever it was.
template <class Ip>
void renew_sctp_checksum(Packet<Ip>& packet) noexcept;

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

[[nodiscard]] inline std::uint8_t ttl(const Packet<flow::Ipv4>& packet) noexcept {
    return packet.ip().ttl();
}

[[nodiscard]] inline std::uint8_t ttl(const Packet<flow::Ipv6>& packet) noexcept {
    return packet.ip().hop_limit();
}

// Counts TTL or hop limit down. REQUIRES: it is more than 1.
inline void decrement_ttl(Packet<flow::Ipv4>& packet) noexcept {
    packet.ip().decrement_ttl();
}

inline void decrement_ttl(Packet<flow::Ipv6>& packet) noexcept {
    packet.ip().decrement_hop_limit();
}

// Returns whether the packet is not to be cut on its way: IPv6, or IPv4 with DF.
[[nodiscard]] inline bool is_unfragmentable(const Packet<flow::Ipv4>& packet) noexcept {
    return packet.ip().dont_fragment();
}

[[nodiscard]] inline bool is_unfragmentable(const Packet<flow::Ipv6>& /*packet*/) noexcept {
    return true;
}

// Returns the layer-3 length of what goes over the wire: of a super-packet, that of a segment.
template <class Ip>
[[nodiscard]] std::uint32_t segment_length(const Packet<Ip>& packet) noexcept {
    const Offload& offload = packet.frame.offload;
    if (offload.segmentation == Segmentation::None) return packet.network_length();
    const std::size_t header =
        packet.protocol == net::IpProtocol::Tcp
            ? std::size_t{4} * (std::to_integer<unsigned>(packet.transport()[12]) >> 4)
            : net::UdpView::kHeaderSize;
    return static_cast<std::uint32_t>(packet.transport_offset - kEthernetHeaderSize + header +
                                      offload.segment_size);
}

namespace detail {

[[nodiscard]] inline net::ChecksumDelta load_delta(std::uint16_t wire) noexcept {
    return net::ChecksumDelta(from_wire16(wire));
}

// A partial checksum holds the pseudo-header's plain sum, so the difference is added to it as such.
[[nodiscard]] inline std::uint16_t add_to_sum(std::uint16_t sum,
                                              net::ChecksumDelta delta) noexcept {
    const std::uint32_t total = std::uint32_t{sum} + delta.value();
    return static_cast<std::uint16_t>((total & 0xffff) + (total >> 16));
}

template <class Ip>
[[gnu::always_inline]] inline void rewrite_transport(Packet<Ip>& packet,
                                                     const xvs_translation& translation) noexcept {
    std::byte* const transport = packet.transport().data();
    if ((translation.rewrite & XVS_KEEP_PORT) == 0) {
        std::byte* const port =
            (translation.rewrite & XVS_REWRITE_SOURCE) != 0 ? transport : transport + 2;
        std::memcpy(port, &translation.port, sizeof(translation.port));
    }
    if (packet.protocol == net::IpProtocol::Sctp) [[unlikely]] {
        // Addresses are none of its checksum's business; wrong or not, it is made anew with a port.
        // Kernel: sctp_snat_handler(), sctp_nat_csum().
        if ((translation.rewrite & XVS_KEEP_PORT) == 0) renew_sctp_checksum(packet);
        return;
    }
    const bool is_tcp = packet.protocol == net::IpProtocol::Tcp;
    const std::size_t place =
        is_tcp ? net::TcpView::kChecksumOffset : net::UdpView::kChecksumOffset;
    std::byte* const field = transport + place;
    const std::uint16_t before = load_be16(field);
    // Of a tunnel's packet the partial one may be that of the packet inside.
    const Offload& offload = packet.frame.offload;
    const bool is_partial = offload.has_partial_checksum &&
                            offload.checksum_start == packet.transport_offset &&
                            offload.checksum_offset == place;
    if (is_partial) {
        store_be16(field, add_to_sum(before, load_delta(translation.address_difference)));
        return;
    }
    const net::ChecksumDelta delta = load_delta(translation.full_difference);
    store_be16(field, is_tcp ? delta.apply(before) : delta.apply_udp(before));
}

}  // namespace detail

// Rewrites address and port as `translation` says and updates the checksums that cover them by
// differences: all of a complete one, the pseudo-header's part of a partial one. A fragment that is
// not the first has only its address rewritten. Cost: no memory beyond the packet and the
// translation.
template <class Ip>
void rewrite(Packet<Ip>& packet, const xvs_translation& translation) noexcept {
    if ((translation.rewrite & (XVS_REWRITE_SOURCE | XVS_REWRITE_DESTINATION)) == 0) return;
    constexpr std::size_t kSize = Packet<Ip>::Address::kSize;
    const auto ip = packet.ip();
    std::byte* const source = ip.bytes().data() + Headers<Ip>::kSourceOffset;
    const bool is_source = (translation.rewrite & XVS_REWRITE_SOURCE) != 0;
    std::memcpy(is_source ? source : source + kSize, translation.address, kSize);
    if constexpr (Ip::kFamily == net::Family::Ipv4) {
        const net::ChecksumDelta delta = detail::load_delta(translation.network_difference);
        ip.set_checksum(delta.apply(ip.checksum()));
    }
    if (packet.has_transport_header()) detail::rewrite_transport(packet, translation);
}

}  // namespace xvs::engine
