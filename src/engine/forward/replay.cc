#include "engine/forward/replay.h"

#include <cstring>

#include "engine/forward/tunnel_header.h"
#include "net/checksum.h"
#include "net/sctp.h"
#include "net/tcp.h"
#include "net/udp.h"

namespace xvs::engine {
namespace {

constexpr std::uint8_t kEcnMask = 0x03;
constexpr std::uint8_t kEcnCongestionExperienced = 0x03;
constexpr std::uint8_t kEcnCapable = 0x02;  // ECT(0)

net::ChecksumDelta load_delta(std::uint16_t wire) noexcept {
    return net::ChecksumDelta(from_wire16(wire));
}

// A partial checksum holds the pseudo-header's plain sum, so the difference is added to it as such.
std::uint16_t add_to_sum(std::uint16_t sum, net::ChecksumDelta delta) noexcept {
    const std::uint32_t total = std::uint32_t{sum} + delta.value();
    return static_cast<std::uint16_t>((total & 0xffff) + (total >> 16));
}

template <class Ip>
void rewrite_transport(Packet<Ip>& packet, const xvs_translation& translation) noexcept {
    std::byte* const transport = packet.transport().data();
    if ((translation.rewrite & XVS_KEEP_PORT) == 0) {
        std::byte* const port =
            (translation.rewrite & XVS_REWRITE_SOURCE) != 0 ? transport : transport + 2;
        std::memcpy(port, &translation.port, sizeof(translation.port));
    }
    if (packet.protocol == net::IpProtocol::Sctp) {
        // Addresses are none of its checksum's business; wrong or not, it is made anew with a port.
        // Kernel: sctp_snat_handler(), sctp_nat_csum().
        if ((translation.rewrite & XVS_KEEP_PORT) != 0) return;
        if (const auto sctp = net::SctpWriter::parse(packet.transport()))
            sctp->set_checksum(sctp->computed_checksum());
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

// The outer IP header alone; of what follows it, `protocol` and `payload` bytes.
void write_outer(std::byte* at,
                 const xvs_translation& translation,
                 net::IpProtocol protocol,
                 std::uint8_t traffic_class,
                 std::uint8_t ttl,
                 bool dont_fragment,
                 std::uint32_t payload,
                 std::uint16_t id) noexcept {
    const auto* source = reinterpret_cast<const std::byte*>(translation.outer_source);
    const auto* destination = reinterpret_cast<const std::byte*>(translation.outer_destination);
    const std::uint8_t ecn = traffic_class & kEcnMask;
    traffic_class = static_cast<std::uint8_t>(
        (traffic_class & ~kEcnMask) | (ecn == kEcnCongestionExperienced ? kEcnCapable : ecn));
    if (translation.outer_family == static_cast<std::uint8_t>(net::Family::Ipv4)) {
        constexpr std::size_t kSize = net::Ipv4View::kMinHeaderSize;
        std::memset(at, 0, kSize);
        at[0] = std::byte{0x45};
        at[1] = std::byte{traffic_class};
        store_be16(at + 2, static_cast<std::uint16_t>(kSize + payload));
        store_be16(at + 4, dont_fragment ? std::uint16_t{0} : id);
        store_be16(at + 6, dont_fragment ? net::Ipv4View::kDontFragment : std::uint16_t{0});
        at[8] = std::byte{ttl};
        at[9] = std::byte{net::number(protocol)};
        std::memcpy(at + 12, source, net::Ipv4Address::kSize);
        std::memcpy(at + 16, destination, net::Ipv4Address::kSize);
        store_be16(at + 10, net::internet_checksum({at, kSize}));
        return;
    }
    std::memset(at, 0, net::Ipv6View::kHeaderSize);
    store_be32(at, (6U << 28) | (std::uint32_t{traffic_class} << 20));
    store_be16(at + 4, static_cast<std::uint16_t>(payload));
    at[6] = std::byte{net::number(protocol)};
    at[7] = std::byte{ttl};
    std::memcpy(at + 8, source, net::Ipv6Address::kSize);
    std::memcpy(at + 24, destination, net::Ipv6Address::kSize);
}

}  // namespace

template <>
std::uint8_t ttl(const Packet<flow::Ipv4>& packet) noexcept {
    return packet.ip().ttl();
}

template <>
std::uint8_t ttl(const Packet<flow::Ipv6>& packet) noexcept {
    return packet.ip().hop_limit();
}

template <>
void decrement_ttl(Packet<flow::Ipv4>& packet) noexcept {
    packet.ip().decrement_ttl();
}

template <>
void decrement_ttl(Packet<flow::Ipv6>& packet) noexcept {
    packet.ip().decrement_hop_limit();
}

template <>
bool is_unfragmentable(const Packet<flow::Ipv4>& packet) noexcept {
    return packet.ip().dont_fragment();
}

template <>
bool is_unfragmentable(const Packet<flow::Ipv6>& /*packet*/) noexcept {
    return true;
}

template <>
void rewrite(Packet<flow::Ipv4>& packet, const xvs_translation& translation) noexcept {
    if ((translation.rewrite & (XVS_REWRITE_SOURCE | XVS_REWRITE_DESTINATION)) == 0) return;
    const auto ip = packet.ip();
    const std::size_t at = (translation.rewrite & XVS_REWRITE_SOURCE) != 0 ? 12 : 16;
    std::memcpy(ip.bytes().data() + at, translation.address, net::Ipv4Address::kSize);
    ip.set_checksum(load_delta(translation.network_difference).apply(ip.checksum()));
    if (packet.has_transport_header()) rewrite_transport(packet, translation);
}

template <>
void rewrite(Packet<flow::Ipv6>& packet, const xvs_translation& translation) noexcept {
    if ((translation.rewrite & (XVS_REWRITE_SOURCE | XVS_REWRITE_DESTINATION)) == 0) return;
    const std::size_t at = (translation.rewrite & XVS_REWRITE_SOURCE) != 0 ? 8 : 24;
    std::memcpy(packet.ip().bytes().data() + at, translation.address, net::Ipv6Address::kSize);
    if (packet.has_transport_header()) rewrite_transport(packet, translation);
}

template <class Ip>
void encapsulate(Packet<Ip>& packet,
                 const xvs_translation& translation,
                 std::uint16_t id,
                 bool copies_df) noexcept {
    // IPv6 inside has no DF to copy; the kernel leaves an outer IPv4 header's clear then.
    const bool dont_fragment =
        copies_df && Ip::kFamily == net::Family::Ipv4 && is_unfragmentable(packet);
    const std::uint8_t traffic_class = packet.ip().traffic_class();
    const std::uint8_t hops = ttl(packet);
    Frame& frame = packet.frame;
    const std::uint16_t overhead = translation.overhead;
    frame.data -= overhead;
    frame.length += overhead;
    frame.headroom -= overhead;
    if (frame.offload.has_partial_checksum) {
        frame.offload.checksum_start =
            static_cast<std::uint16_t>(frame.offload.checksum_start + overhead);
    }
    if (frame.offload.segmentation != Segmentation::None) {
        frame.offload.header_length =
            static_cast<std::uint16_t>(frame.offload.header_length + overhead);
    }
    const std::size_t outer_header =
        translation.outer_family == static_cast<std::uint8_t>(net::Family::Ipv4)
            ? net::Ipv4View::kMinHeaderSize
            : net::Ipv6View::kHeaderSize;
    const auto payload = frame.bytes().subspan(kEthernetHeaderSize + outer_header);
    write_outer(frame.data + kEthernetHeaderSize,
                translation,
                tunnel_protocol(translation, Headers<Ip>::kIpInIp),
                traffic_class,
                hops,
                dont_fragment,
                static_cast<std::uint32_t>(payload.size()),
                id);
    write_tunnel_header(payload, translation, Headers<Ip>::kIpInIp, packet.hash);
}

template <class Ip>
std::uint32_t segment_length(const Packet<Ip>& packet) noexcept {
    const Offload& offload = packet.frame.offload;
    if (offload.segmentation == Segmentation::None) return packet.network_length();
    const std::size_t header =
        packet.protocol == net::IpProtocol::Tcp
            ? std::size_t{4} * (std::to_integer<unsigned>(packet.transport()[12]) >> 4)
            : net::UdpView::kHeaderSize;
    return static_cast<std::uint32_t>(packet.transport_offset - kEthernetHeaderSize + header +
                                      offload.segment_size);
}

template void encapsulate(Packet<flow::Ipv4>&,
                          const xvs_translation&,
                          std::uint16_t,
                          bool) noexcept;
template void encapsulate(Packet<flow::Ipv6>&,
                          const xvs_translation&,
                          std::uint16_t,
                          bool) noexcept;
template std::uint32_t segment_length(const Packet<flow::Ipv4>&) noexcept;
template std::uint32_t segment_length(const Packet<flow::Ipv6>&) noexcept;

}  // namespace xvs::engine
