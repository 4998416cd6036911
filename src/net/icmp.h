// ICMP for IPv4 (RFC 792): types, codes and which messages quote a packet.
#pragma once

#include "net/icmp_view.h"

namespace xvs::net {

namespace icmp {

inline constexpr std::uint8_t kEchoReply = 0;
inline constexpr std::uint8_t kDestinationUnreachable = 3;
inline constexpr std::uint8_t kSourceQuench = 4;
inline constexpr std::uint8_t kRedirect = 5;
inline constexpr std::uint8_t kEchoRequest = 8;
inline constexpr std::uint8_t kTimeExceeded = 11;
inline constexpr std::uint8_t kParameterProblem = 12;

// Codes of kDestinationUnreachable.
inline constexpr std::uint8_t kNetworkUnreachable = 0;
inline constexpr std::uint8_t kHostUnreachable = 1;
inline constexpr std::uint8_t kProtocolUnreachable = 2;
inline constexpr std::uint8_t kPortUnreachable = 3;
inline constexpr std::uint8_t kFragmentationNeeded = 4;

// Codes of kTimeExceeded.
inline constexpr std::uint8_t kTtlExceeded = 0;
inline constexpr std::uint8_t kReassemblyTimeExceeded = 1;

// Returns whether IPVS looks into the packet that a message of this type quotes. Kernel:
// ip_vs_in_icmp() and ip_vs_out_icmp() leave redirects and parameter problems to the stack.
[[nodiscard]] constexpr bool is_related_error(std::uint8_t type) noexcept {
    return type == kDestinationUnreachable || type == kSourceQuench || type == kTimeExceeded;
}

// Returns the MTU that fragmentation-needed tells.
[[nodiscard]] constexpr std::uint16_t next_hop_mtu(const IcmpView& error) noexcept {
    return error.sequence();
}

}  // namespace icmp

}  // namespace xvs::net
