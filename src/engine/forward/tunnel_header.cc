#include "engine/forward/tunnel_header.h"

#include "base/byte_order.h"
#include "model/destination.h"
#include "net/address.h"
#include "net/checksum.h"
#include "net/ethernet.h"
#include "net/udp.h"

namespace xvs::engine {
namespace {

// Where Linux takes the ports of its own from, unless told otherwise.
constexpr std::uint32_t kFirstSourcePort = 32768;
constexpr std::uint32_t kLastSourcePort = 60999;

constexpr std::uint16_t kGreHasChecksum = 0x8000;

model::TunnelType type_of(const xvs_translation& translation) noexcept {
    return static_cast<model::TunnelType>(translation.tunnel);
}

std::uint16_t source_port(std::uint32_t hash) noexcept {
    const std::uint64_t scaled = std::uint64_t{hash} * (kLastSourcePort - kFirstSourcePort);
    return static_cast<std::uint16_t>(kFirstSourcePort + (scaled >> 32));
}

net::ChecksumSum outer_pseudo_sum(const xvs_translation& translation, std::size_t length) noexcept {
    const auto* source = reinterpret_cast<const std::byte*>(translation.outer_source);
    const auto* destination = reinterpret_cast<const std::byte*>(translation.outer_destination);
    if (translation.outer_family == static_cast<std::uint8_t>(net::Family::Ipv4)) {
        return net::pseudo_header_sum(net::Ipv4Address::load(source),
                                      net::Ipv4Address::load(destination),
                                      net::IpProtocol::Udp,
                                      length);
    }
    return net::pseudo_header_sum(net::Ipv6Address::load(source),
                                  net::Ipv6Address::load(destination),
                                  net::IpProtocol::Udp,
                                  length);
}

void write_gue(std::span<std::byte> payload,
               const xvs_translation& translation,
               net::IpProtocol inner,
               std::uint32_t hash) noexcept {
    std::byte* const gue = payload.data() + kUdpHeaderSize;
    store_be32(gue, std::uint32_t{net::number(inner)} << 16);
    const auto udp = net::UdpWriter::parse_header(payload);
    udp->set_source_port(net::Port{source_port(hash)});
    udp->set_destination_port(net::Port{from_wire16(translation.tunnel_port)});
    udp->set_length(payload.size());
    udp->set_checksum(0);
    if (translation.tunnel_flags == 0) return;
    udp->set_checksum(net::finish_udp_checksum(outer_pseudo_sum(translation, payload.size()) +
                                               net::checksum_sum(payload)));
}

void write_gre(std::span<std::byte> payload,
               const xvs_translation& translation,
               net::IpProtocol inner) noexcept {
    const auto type = inner == net::IpProtocol::Ipv4 ? net::EtherType::Ipv4 : net::EtherType::Ipv6;
    const bool has_checksum = translation.tunnel_flags != 0;
    store_be16(payload.data(), has_checksum ? kGreHasChecksum : std::uint16_t{0});
    store_be16(payload.data() + 2, static_cast<std::uint16_t>(type));
    if (!has_checksum) return;
    store_be32(payload.data() + kGreHeaderSize, 0);
    store_be16(payload.data() + kGreHeaderSize, net::internet_checksum(payload));
}

std::optional<net::Family> family_of(net::IpProtocol inner) noexcept {
    if (inner == net::IpProtocol::Ipv4) return net::Family::Ipv4;
    if (inner == net::IpProtocol::Ipv6) return net::Family::Ipv6;
    return std::nullopt;
}

std::optional<TunnelHeader> read_gue(std::span<const std::byte> payload) noexcept {
    constexpr unsigned kVersionAndControl = 0xe0;
    constexpr unsigned kLength = 0x1f;  // of optional fields, in words
    if (payload.size() < kUdpHeaderSize + kGueHeaderSize) return std::nullopt;
    const std::byte* const gue = payload.data() + kUdpHeaderSize;
    const auto first = std::to_integer<unsigned>(gue[0]);
    const auto inside = family_of(net::IpProtocol{std::to_integer<std::uint8_t>(gue[1])});
    if ((first & kVersionAndControl) != 0 || !inside) return std::nullopt;
    return TunnelHeader{
        .type = model::TunnelType::Gue,
        .port = net::Port{load_be16(payload.data() + 2)},
        .inside = *inside,
        .size = kUdpHeaderSize + kGueHeaderSize + std::size_t{4} * (first & kLength)};
}

std::optional<TunnelHeader> read_gre(std::span<const std::byte> payload) noexcept {
    if (payload.size() < kGreHeaderSize) return std::nullopt;
    const std::uint16_t flags = load_be16(payload.data());
    const net::EtherType type{load_be16(payload.data() + 2)};
    if ((flags & ~kGreHasChecksum) != 0) return std::nullopt;
    if (type != net::EtherType::Ipv4 && type != net::EtherType::Ipv6) return std::nullopt;
    return TunnelHeader{
        .type = model::TunnelType::Gre,
        .inside = type == net::EtherType::Ipv4 ? net::Family::Ipv4 : net::Family::Ipv6,
        .size = flags == 0 ? kGreHeaderSize : kGreHeaderSize + kGreChecksumSize};
}

}  // namespace

net::IpProtocol tunnel_protocol(const xvs_translation& translation,
                                net::IpProtocol inner) noexcept {
    switch (type_of(translation)) {
        case model::TunnelType::Gue:
            return net::IpProtocol::Udp;
        case model::TunnelType::Gre:
            return net::IpProtocol::Gre;
        case model::TunnelType::Ipip:
            break;
    }
    return inner;
}

void write_tunnel_header(std::span<std::byte> payload,
                         const xvs_translation& translation,
                         net::IpProtocol inner,
                         std::uint32_t hash) noexcept {
    switch (type_of(translation)) {
        case model::TunnelType::Gue:
            return write_gue(payload, translation, inner, hash);
        case model::TunnelType::Gre:
            return write_gre(payload, translation, inner);
        case model::TunnelType::Ipip:
            break;
    }
}

std::optional<TunnelHeader> read_tunnel_header(net::IpProtocol protocol,
                                               std::span<const std::byte> payload) noexcept {
    std::optional<TunnelHeader> header;
    if (protocol == net::IpProtocol::Udp) {
        header = read_gue(payload);
    } else if (protocol == net::IpProtocol::Gre) {
        header = read_gre(payload);
    } else if (const auto inside = family_of(protocol)) {
        header = TunnelHeader{.inside = *inside};
    }
    return header && header->size <= payload.size() ? header : std::nullopt;
}

}  // namespace xvs::engine
