// ICMPv6 (RFC 4443): types, codes and which messages quote a packet.
#pragma once

#include "net/icmp_view.h"

namespace xvs::net {

namespace icmpv6 {

inline constexpr std::uint8_t kDestinationUnreachable = 1;
inline constexpr std::uint8_t kPacketTooBig = 2;
inline constexpr std::uint8_t kTimeExceeded = 3;
inline constexpr std::uint8_t kParameterProblem = 4;
inline constexpr std::uint8_t kEchoRequest = 128;
inline constexpr std::uint8_t kEchoReply = 129;
inline constexpr std::uint8_t kNeighbourSolicitation = 135;
inline constexpr std::uint8_t kNeighbourAdvertisement = 136;

// Codes of kDestinationUnreachable.
inline constexpr std::uint8_t kNoRoute = 0;
inline constexpr std::uint8_t kAdministrativelyProhibited = 1;
inline constexpr std::uint8_t kAddressUnreachable = 3;
inline constexpr std::uint8_t kPortUnreachable = 4;

// Codes of kTimeExceeded.
inline constexpr std::uint8_t kHopLimitExceeded = 0;
inline constexpr std::uint8_t kReassemblyTimeExceeded = 1;

// Returns whether a message of this type quotes a packet: all errors do (RFC 4443, 2.1).
[[nodiscard]] constexpr bool is_related_error(std::uint8_t type) noexcept {
    return type < 128;
}

// Returns the MTU that packet-too-big tells.
[[nodiscard]] constexpr std::uint32_t next_hop_mtu(const IcmpView& error) noexcept {
    return error.rest();
}

}  // namespace icmpv6

}  // namespace xvs::net
