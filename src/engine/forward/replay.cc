#include "engine/forward/replay.h"

#include <cstring>

#include "engine/forward/tunnel_header.h"
#include "net/checksum.h"
#include "net/sctp.h"

namespace xvs::engine {
namespace {

constexpr std::uint8_t kEcnMask = 0x03;
constexpr std::uint8_t kEcnCongestionExperienced = 0x03;
constexpr std::uint8_t kEcnCapable = 0x02;  // ECT(0)

// The outer IP header alone; of what follows it, `protocol` and `payload` bytes.
[[gnu::always_inline]] inline void write_outer(std::byte* at,
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
        // Summed up before it is stored: what is read back too soon waits for the stores.
        constexpr std::uint32_t kSize = net::Ipv4View::kMinHeaderSize;
        const std::uint32_t first =
            (0x45U << 24) | (std::uint32_t{traffic_class} << 16) | ((kSize + payload) & 0xffff);
        const std::uint32_t second =
            dont_fragment ? net::Ipv4View::kDontFragment : std::uint32_t{id} << 16;
        const std::uint32_t third =
            (std::uint32_t{ttl} << 24) | (std::uint32_t{net::number(protocol)} << 16);
        const net::ChecksumSum sum =
            net::ChecksumSum{first} + second + third + load_be32(source) + load_be32(destination);
        store_be32(at, first);
        store_be32(at + 4, second);
        store_be32(at + 8, third | net::finish_checksum(sum));
        std::memcpy(at + 12, source, net::Ipv4Address::kSize);
        std::memcpy(at + 16, destination, net::Ipv4Address::kSize);
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

template <class Ip>
void renew_sctp_checksum(Packet<Ip>& packet) noexcept {
    if (const auto sctp = net::SctpWriter::parse(packet.transport()))
        sctp->set_checksum(sctp->computed_checksum());
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
    const bool is_bare = translation.tunnel == static_cast<std::uint8_t>(model::TunnelType::Ipip);
    write_outer(frame.data + kEthernetHeaderSize,
                translation,
                is_bare ? Headers<Ip>::kIpInIp : tunnel_protocol(translation, Headers<Ip>::kIpInIp),
                traffic_class,
                hops,
                dont_fragment,
                static_cast<std::uint32_t>(payload.size()),
                id);
    if (!is_bare) write_tunnel_header(payload, translation, Headers<Ip>::kIpInIp, packet.hash);
}

template void renew_sctp_checksum(Packet<flow::Ipv4>&) noexcept;
template void renew_sctp_checksum(Packet<flow::Ipv6>&) noexcept;
template void encapsulate(Packet<flow::Ipv4>&,
                          const xvs_translation&,
                          std::uint16_t,
                          bool) noexcept;
template void encapsulate(Packet<flow::Ipv6>&,
                          const xvs_translation&,
                          std::uint16_t,
                          bool) noexcept;

}  // namespace xvs::engine
