#include "engine/forward/quoted.h"

#include <cstring>

#include "net/checksum.h"
#include "net/icmp_view.h"

namespace xvs::engine {
namespace {

net::ChecksumSum pseudo_sum(const Packet<flow::Ipv4>& /*packet*/) noexcept {
    return 0;
}

net::ChecksumSum pseudo_sum(const Packet<flow::Ipv6>& packet) noexcept {
    return net::pseudo_header_sum(packet.ip().source(),
                                  packet.ip().destination(),
                                  net::IpProtocol::Icmpv6,
                                  packet.transport().size());
}

struct AddressPlaces {
    std::size_t source;
    std::size_t destination;
    std::size_t size;
};

constexpr AddressPlaces places(flow::Ipv4 /*family*/) noexcept {
    return {12, 16, 4};
}

constexpr AddressPlaces places(flow::Ipv6 /*family*/) noexcept {
    return {8, 24, 16};
}

void refresh_header_checksum(const std::span<std::byte> packet, flow::Ipv4 /*family*/) noexcept {
    if (const auto ip = net::Ipv4Writer::parse_quoted(packet)) ip->update_checksum();
}

void refresh_header_checksum(std::span<std::byte> /*packet*/, flow::Ipv6 /*family*/) noexcept {}

}  // namespace

template <class Ip>
bool has_valid_icmp_checksum(const Packet<Ip>& packet) noexcept {
    if (packet.frame.offload.has_partial_checksum) return true;
    return net::internet_checksum(packet.transport(), pseudo_sum(packet)) == 0;
}

template <class Ip>
void rewrite_quoted(Packet<Ip>& packet, const xvs_translation& translation) noexcept {
    const bool is_source = (translation.rewrite & XVS_REWRITE_SOURCE) != 0;
    if (!is_source && (translation.rewrite & XVS_REWRITE_DESTINATION) == 0) return;
    QuotedPacket<Ip> quoted;
    if (!parse_quoted(packet, quoted)) return;
    constexpr AddressPlaces kPlaces = places(Ip{});
    std::byte* const outer = packet.frame.data + kEthernetHeaderSize;
    std::byte* const inner = packet.frame.data + quoted.network_offset;
    std::byte* const ports = packet.frame.data + quoted.transport_offset;
    std::memcpy(outer + (is_source ? kPlaces.source : kPlaces.destination),
                translation.address,
                kPlaces.size);
    std::memcpy(inner + (is_source ? kPlaces.destination : kPlaces.source),
                translation.address,
                kPlaces.size);
    if ((translation.rewrite & XVS_KEEP_PORT) == 0) {
        std::memcpy(ports + (is_source ? 2 : 0), &translation.port, sizeof(translation.port));
    }
    const std::span<std::byte> bytes = packet.frame.bytes();
    refresh_header_checksum(bytes.subspan(quoted.network_offset), Ip{});
    refresh_header_checksum(bytes.subspan(kEthernetHeaderSize), Ip{});
    const auto icmp = net::IcmpWriter::parse(packet.transport());
    icmp->set_checksum(0);
    icmp->set_checksum(net::internet_checksum(packet.transport(), pseudo_sum(packet)));
    packet.frame.offload.has_partial_checksum = false;
}

template bool has_valid_icmp_checksum(const Packet<flow::Ipv4>&) noexcept;
template bool has_valid_icmp_checksum(const Packet<flow::Ipv6>&) noexcept;
template void rewrite_quoted(Packet<flow::Ipv4>&, const xvs_translation&) noexcept;
template void rewrite_quoted(Packet<flow::Ipv6>&, const xvs_translation&) noexcept;

}  // namespace xvs::engine
