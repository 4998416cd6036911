// Protocol numbers of the IPv4 Protocol and IPv6 Next Header fields (IANA).
#pragma once

#include <cstdint>

namespace xvs::net {

// Any value may occur on the wire; those that XVS knows have names.
enum class IpProtocol : std::uint8_t {
    HopByHopOptions = 0,
    Icmp = 1,
    Ipv4 = 4,
    Tcp = 6,
    Udp = 17,
    Ipv6 = 41,
    Routing = 43,
    Fragment = 44,
    Gre = 47,
    Esp = 50,
    Ah = 51,
    Icmpv6 = 58,
    NoNextHeader = 59,
    DestinationOptions = 60,
    Sctp = 132,
};

[[nodiscard]] constexpr std::uint8_t number(IpProtocol protocol) noexcept {
    return static_cast<std::uint8_t>(protocol);
}

}  // namespace xvs::net
