// VirtualService: what an administrator says of a service, as ipvsadm -A takes it.
#pragma once

#include <compare>
#include <cstdint>
#include <string>

#include "net/address.h"

namespace xvs::model {

// The number in the IP header.
enum class Protocol : std::uint8_t { Ip = 0, Tcp = 6, Udp = 17, Sctp = 132 };

// What names a service: either a firewall mark (fwmark != 0) in a family, or protocol, VIP and
// port. Kernel: ip_vs_ctl.c keeps the two kinds in two tables.
struct ServiceKey {
    Protocol protocol = Protocol::Tcp;
    net::IpAddress address;  // of a firewall-mark service only the family counts
    net::Port port{};
    std::uint32_t fwmark = 0;

    [[nodiscard]] net::Family family() const noexcept { return address.family(); }

    // "TCP 192.0.2.1:80", "UDP [2001:db8::1]:53", "FWM 7", for messages.
    [[nodiscard]] std::string to_string() const;

    auto operator<=>(const ServiceKey&) const noexcept = default;
};

// Bits of VirtualService::flags (include/uapi/linux/ip_vs.h, IP_VS_SVC_F_*).
inline constexpr std::uint32_t kServicePersistent = 0x1;
inline constexpr std::uint32_t kServiceHashed = 0x2;
inline constexpr std::uint32_t kServiceOnePacket = 0x4;
inline constexpr std::uint32_t kServiceScheduler1 = 0x8;   // sh-fallback, mh-fallback
inline constexpr std::uint32_t kServiceScheduler2 = 0x10;  // sh-port, mh-port
inline constexpr std::uint32_t kServiceScheduler3 = 0x20;

struct VirtualService {
    ServiceKey key;
    std::string scheduler = "wlc";
    std::uint32_t flags = 0;
    std::uint32_t persistence_timeout_s = 0;
    // IPv4: the mask as a number in host order; IPv6: the prefix length, 1..128.
    std::uint32_t persistence_mask = 0xffffffff;
    std::string persistence_engine;
    // Of TCP to TUN servers: SYNs announce what fits into the tunnel, and longer segments are cut.
    bool clamps_mss = false;

    bool operator==(const VirtualService&) const = default;
};

}  // namespace xvs::model
