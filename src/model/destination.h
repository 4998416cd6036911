// Destination: a real server of a virtual service, as ipvsadm -a takes it.
#pragma once

#include <compare>
#include <cstdint>
#include <string>

#include "net/address.h"

namespace xvs::model {

// Numbers of include/uapi/linux/ip_vs.h, IP_VS_CONN_F_FWD_MASK; FullNat is Alibaba's.
enum class ForwardingMethod : std::uint8_t {
    Masquerade = 0,
    LocalNode = 1,
    Tunnel = 2,
    DirectRoute = 3,
    Bypass = 4,
    FullNat = 5,
};

enum class TunnelType : std::uint8_t { Ipip = 0, Gue = 1, Gre = 2 };

// TunnelOptions::flags: the tunnel's own header has a checksum (IP_VS_TUNNEL_ENCAP_FLAG_CSUM).
inline constexpr std::uint16_t kTunnelChecksum = 1;

struct TunnelOptions {
    TunnelType type = TunnelType::Ipip;
    net::Port port{};         // GUE only
    std::uint16_t flags = 0;  // 0 no checksum, 1 checksum, 2 remote checksum

    bool operator==(const TunnelOptions&) const = default;
};

// How far a listing of a service's real servers has come: behind the one that was listed last. The
// default is its beginning.
struct DestinationPlace {
    std::uint64_t number = 0;
    std::uint32_t index = 0;
};

struct Destination {
    net::Endpoint real;  // RIP and port; the key within its service
    ForwardingMethod method = ForwardingMethod::DirectRoute;
    std::int32_t weight = 1;  // 0: quiesced
    std::uint32_t upper_threshold = 0;
    std::uint32_t lower_threshold = 0;
    TunnelOptions tunnel;

    bool operator==(const Destination&) const = default;
};

}  // namespace xvs::model
