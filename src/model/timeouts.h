// Timeouts: the three that ipvsadm --set changes.
#pragma once

#include <cstdint>

namespace xvs::model {

// Seconds. Defaults: kernel ip_vs_proto_tcp.c, ip_vs_proto_udp.c.
struct Timeouts {
    std::uint32_t tcp_s = 900;
    std::uint32_t tcp_fin_s = 120;
    std::uint32_t udp_s = 300;

    bool operator==(const Timeouts&) const = default;
};

}  // namespace xvs::model
