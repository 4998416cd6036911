// NumberedPacket: a packet that says which one it is, so that whoever gets it can tell whether it
// is whole, has come where it belongs, and has come before.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "net/address.h"
#include "net/ip_protocol.h"

namespace xvs::lab {

// What stands in the payload.
struct PacketNumber {
    std::uint32_t flow = 0;
    std::uint32_t epoch = 0;   // of the flow: each is a connection of its own
    std::uint32_t sender = 0;  // who counts
    std::uint32_t sequence = 0;

    bool operator==(const PacketNumber&) const = default;
};

struct NumberedPacket {
    net::Endpoint source;
    net::Endpoint destination;
    net::IpProtocol protocol = net::IpProtocol::Udp;
    std::uint8_t tcp_flags = 0;
    std::uint8_t ttl = 64;
    PacketNumber number;
};

inline constexpr std::size_t kMaxNumberedPacket = 128;
inline constexpr std::uint8_t kTcpFin = 1, kTcpSyn = 2, kTcpRst = 4, kTcpAck = 16;

// Writes the packet from its IP header on, with right checksums; returns its size.
[[nodiscard]] std::size_t encode(const NumberedPacket& packet,
                                 std::array<std::byte, kMaxNumberedPacket>& to);

// Reads one; nothing if it is none. `damage` says what is wrong with one that is.
[[nodiscard]] std::optional<NumberedPacket> decode(std::span<const std::byte> bytes,
                                                   std::string& damage);

}  // namespace xvs::lab
