// Sysctls: the settings of IPVS that administrators know as net.ipv4.vs.*, by the kernel's names.
#pragma once

#include <cstdint>

namespace xvs::model {

// Defaults: kernel 6.1, ip_vs_control_net_init_sysctl().
struct Sysctls {
    std::int32_t lblc_expiration = 86400;   // seconds
    std::int32_t lblcr_expiration = 86400;  // seconds

    bool operator==(const Sysctls&) const = default;
};

}  // namespace xvs::model
