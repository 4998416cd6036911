#include "tests/lab/numbered_packet.h"

#include <algorithm>

#include "net/checksum.h"
#include "net/ipv4.h"
#include "net/ipv6.h"

namespace xvs::lab {
namespace {

constexpr std::uint32_t kMagic = 0x58565354;
constexpr std::size_t kPayload = 24;
constexpr std::size_t kTcpHeader = 20;
constexpr std::size_t kUdpHeader = 8;

// Depends on every field, so that no two packets can be mixed.
std::uint32_t seal_of(const PacketNumber& number) {
    std::uint64_t seal = 0x9e3779b97f4a7c15U;
    for (const std::uint32_t word : {number.flow, number.epoch, number.sender, number.sequence})
        seal = (seal ^ word) * 0xff51afd7ed558ccdU;
    return static_cast<std::uint32_t>(seal >> 32);
}

void store_number(std::byte* at, const PacketNumber& number) {
    store_be32(at, kMagic);
    store_be32(at + 4, number.flow);
    store_be32(at + 8, number.epoch);
    store_be32(at + 12, number.sender);
    store_be32(at + 16, number.sequence);
    store_be32(at + 20, seal_of(number));
}

net::ChecksumSum pseudo_sum(const NumberedPacket& packet, std::size_t length) {
    const auto sum = [&](const auto& source, const auto& destination) {
        return net::pseudo_header_sum(source, destination, packet.protocol, length);
    };
    if (packet.source.address.family() == net::Family::Ipv4)
        return sum(packet.source.address.v4(), packet.destination.address.v4());
    return sum(packet.source.address.v6(), packet.destination.address.v6());
}

std::size_t transport_header(net::IpProtocol protocol) {
    return protocol == net::IpProtocol::Tcp ? kTcpHeader : kUdpHeader;
}

std::size_t checksum_place(net::IpProtocol protocol) {
    return protocol == net::IpProtocol::Tcp ? 16 : 6;
}

void encode_ip4(const NumberedPacket& packet, std::byte* at, std::size_t length) {
    at[0] = std::byte{0x45};
    store_be16(at + 2, static_cast<std::uint16_t>(20 + length));
    store_be16(at + 6, net::Ipv4View::kDontFragment);
    at[8] = std::byte{packet.ttl};
    at[9] = std::byte{net::number(packet.protocol)};
    packet.source.address.v4().store(at + 12);
    packet.destination.address.v4().store(at + 16);
    store_be16(at + 10, net::internet_checksum({at, 20}));
}

void encode_ip6(const NumberedPacket& packet, std::byte* at, std::size_t length) {
    at[0] = std::byte{0x60};
    store_be16(at + 4, static_cast<std::uint16_t>(length));
    at[6] = std::byte{net::number(packet.protocol)};
    at[7] = std::byte{packet.ttl};
    packet.source.address.v6().store(at + 8);
    packet.destination.address.v6().store(at + 24);
}

// Returns where the transport header starts; 0 if this is no packet with ports.
std::size_t decode_ip(std::span<const std::byte> bytes,
                      NumberedPacket& packet,
                      std::string& damage) {
    if (const auto v4 = net::Ipv4View::parse(bytes)) {
        if (!v4->has_valid_checksum()) damage = "a wrong IP checksum";
        packet.protocol = v4->protocol();
        packet.ttl = v4->ttl();
        packet.source.address = v4->source();
        packet.destination.address = v4->destination();
        return v4->header_size();
    }
    if (const auto v6 = net::Ipv6View::parse(bytes)) {
        packet.protocol = v6->next_header();
        packet.ttl = v6->hop_limit();
        packet.source.address = v6->source();
        packet.destination.address = v6->destination();
        return net::Ipv6View::kHeaderSize;
    }
    return 0;
}

}  // namespace

std::size_t encode(const NumberedPacket& packet, std::array<std::byte, kMaxNumberedPacket>& to) {
    to.fill(std::byte{0});
    const bool is_v4 = packet.source.address.family() == net::Family::Ipv4;
    const std::size_t header = is_v4 ? 20 : 40;
    const std::size_t length = transport_header(packet.protocol) + kPayload;
    std::byte* const transport = to.data() + header;
    if (is_v4) {
        encode_ip4(packet, to.data(), length);
    } else {
        encode_ip6(packet, to.data(), length);
    }
    store_be16(transport, net::number(packet.source.port));
    store_be16(transport + 2, net::number(packet.destination.port));
    if (packet.protocol == net::IpProtocol::Tcp) {
        transport[12] = std::byte{kTcpHeader / 4 << 4};
        transport[13] = std::byte{packet.tcp_flags};
        store_be16(transport + 14, 0xffff);
    } else {
        store_be16(transport + 4, static_cast<std::uint16_t>(length));
    }
    store_number(transport + transport_header(packet.protocol), packet.number);
    std::byte* const field = transport + checksum_place(packet.protocol);
    std::uint16_t checksum =
        net::internet_checksum({transport, length}, pseudo_sum(packet, length));
    if (checksum == 0 && packet.protocol == net::IpProtocol::Udp) checksum = 0xffff;
    store_be16(field, checksum);
    return header + length;
}

std::optional<NumberedPacket> decode(std::span<const std::byte> bytes, std::string& damage) {
    damage.clear();
    NumberedPacket packet;
    const std::size_t at = decode_ip(bytes, packet, damage);
    const bool has_ports =
        packet.protocol == net::IpProtocol::Tcp || packet.protocol == net::IpProtocol::Udp;
    if (at == 0 || !has_ports) return std::nullopt;
    const std::size_t header = transport_header(packet.protocol);
    if (bytes.size() != at + header + kPayload) return std::nullopt;
    const std::byte* const transport = bytes.data() + at;
    const std::byte* const payload = transport + header;
    if (load_be32(payload) != kMagic) return std::nullopt;
    packet.source.port = net::Port{load_be16(transport)};
    packet.destination.port = net::Port{load_be16(transport + 2)};
    if (packet.protocol == net::IpProtocol::Tcp)
        packet.tcp_flags = std::to_integer<std::uint8_t>(transport[13]);
    packet.number = {.flow = load_be32(payload + 4),
                     .epoch = load_be32(payload + 8),
                     .sender = load_be32(payload + 12),
                     .sequence = load_be32(payload + 16)};
    const auto whole = bytes.subspan(at);
    if (net::internet_checksum(whole, pseudo_sum(packet, whole.size())) != 0)
        damage = "a wrong transport checksum";
    // Of TCP 0 is a checksum as good as any.
    const bool is_udp = packet.protocol == net::IpProtocol::Udp;
    if (is_udp && load_be16(transport + checksum_place(packet.protocol)) == 0)
        damage = "no checksum";
    if (load_be32(payload + 20) != seal_of(packet.number)) damage = "a broken seal";
    return packet;
}

}  // namespace xvs::lab
