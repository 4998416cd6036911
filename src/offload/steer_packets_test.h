// Packets for the tests of the steering program: of either family, byte by byte.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/byte_order.h"
#include "net/address.h"

namespace xvs::offload {

using Bytes = std::vector<std::byte>;

inline constexpr std::uint8_t kTcp = 6;
inline constexpr std::uint8_t kUdp = 17;
inline constexpr std::uint16_t kMoreFragments = 0x2000;

// A packet of either family, built from the inside out.
struct Packet {
    std::string source = "198.51.100.7";
    std::string destination = "192.0.2.1";
    std::uint16_t source_port = 40001;
    std::uint16_t destination_port = 80;
    std::uint8_t protocol = kTcp;
    std::uint16_t fragment = 0;  // IPv4's field; IPv6: a fragment header with this offset and flag
    std::size_t options = 0;     // bytes of IPv4 options, or of one IPv6 destination options header
    std::size_t transport_size = 20;
    std::optional<std::uint8_t> icmp_type = std::nullopt;  // an ICMP error that quotes `quoted`
    Bytes quoted = {};
};

inline void append(Bytes& to, const Bytes& more) {
    to.insert(to.end(), more.begin(), more.end());
}

inline Bytes transport(const Packet& packet) {
    if (packet.icmp_type) {
        Bytes icmp(8);
        icmp[0] = std::byte{*packet.icmp_type};
        append(icmp, packet.quoted);
        return icmp;
    }
    Bytes bytes(20);
    store_be16(bytes.data(), packet.source_port);
    store_be16(bytes.data() + 2, packet.destination_port);
    bytes.resize(packet.transport_size);
    return bytes;
}

inline Bytes ipv4(const Packet& packet) {
    Bytes ip(20);
    ip[0] = static_cast<std::byte>(0x40 | ((20 + packet.options) / 4));
    store_be16(ip.data() + 6, packet.fragment);
    ip[8] = std::byte{64};
    ip[9] = std::byte{packet.icmp_type ? std::uint8_t{1} : packet.protocol};
    net::IpAddress::parse(packet.source)->v4().store(ip.data() + 12);
    net::IpAddress::parse(packet.destination)->v4().store(ip.data() + 16);
    append(ip, Bytes(packet.options, std::byte{1}));  // no operation
    append(ip, transport(packet));
    return ip;
}

inline Bytes ipv6(const Packet& packet) {
    Bytes ip(40);
    ip[0] = std::byte{0x60};
    std::size_t next_at = 6;
    net::IpAddress::parse(packet.source)->v6().store(ip.data() + 8);
    net::IpAddress::parse(packet.destination)->v6().store(ip.data() + 24);
    if (packet.options > 0) {
        ip[next_at] = std::byte{60};
        next_at = ip.size();
        Bytes header(packet.options);
        header[1] = static_cast<std::byte>(packet.options / 8 - 1);
        append(ip, header);
    }
    if (packet.fragment != 0) {
        ip[next_at] = std::byte{44};
        next_at = ip.size();
        Bytes header(8);
        store_be16(header.data() + 2, packet.fragment);
        append(ip, header);
    }
    ip[next_at] = std::byte{packet.icmp_type ? std::uint8_t{58} : packet.protocol};
    append(ip, transport(packet));
    return ip;
}

inline bool is_ipv6(const Packet& packet) {
    return packet.source.find(':') != std::string::npos;
}

inline Bytes ip_of(const Packet& packet) {
    return is_ipv6(packet) ? ipv6(packet) : ipv4(packet);
}

// To loopback's MAC address, which is all zeroes.
inline Bytes frame_of(const Packet& packet) {
    Bytes frame(14);
    frame[6] = std::byte{0x02};
    store_be16(frame.data() + 12, is_ipv6(packet) ? 0x86dd : 0x0800);
    append(frame, ip_of(packet));
    frame.resize(std::max<std::size_t>(frame.size(), 60));
    return frame;
}

// The same packets in IPv6.
inline Packet v6(Packet packet) {
    const auto to_v6 = [](const std::string& v4) -> std::string {
        if (v4 == "198.51.100.7") return "2001:db8:c::7";
        if (v4 == "192.0.2.1") return "2001:db8::1";
        if (v4 == "10.0.0.11") return "2001:db8:a::11";
        if (v4 == "10.0.0.1") return "2001:db8:a::1";
        return "2001:db8:ffff::1";
    };
    packet.source = to_v6(packet.source);
    packet.destination = to_v6(packet.destination);
    return packet;
}

inline const Packet kToService{};
inline const Packet kFromReal{.source = "10.0.0.11",
                              .destination = "198.51.100.7",
                              .source_port = 8080,
                              .destination_port = 40001};

inline Packet error_about(const Packet& quoted, const std::string& from, const std::string& to) {
    Packet packet{.source = from, .destination = to};
    packet.icmp_type = is_ipv6(quoted) ? std::uint8_t{1} : std::uint8_t{3};
    packet.quoted = ip_of(quoted);
    return packet;
}
}  // namespace xvs::offload
