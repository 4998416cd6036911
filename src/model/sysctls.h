// Sysctls: the settings of IPVS that administrators know as net.ipv4.vs.*, by the kernel's names.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace xvs::model {

// Returns 1/32 of the memory, in pages, as the kernel does at boot.
[[nodiscard]] std::uint64_t default_sync_qlen_max() noexcept;

// The defaults of kernel 6.1 (ip_vs_control_net_init_sysctl()). docs/sysctls.md says what each
// does.
struct Sysctls {
    std::int32_t am_droprate = 10;
    std::int32_t amemthresh = 1024;  // pages
    std::int32_t backup_only = 0;
    std::int32_t cache_bypass = 0;
    std::int32_t conn_reuse_mode = 1;
    std::int32_t conntrack = 0;
    std::int32_t drop_entry = 0;   // a DefenceMode
    std::int32_t drop_packet = 0;  // a DefenceMode
    std::int32_t expire_nodest_conn = 0;
    std::int32_t expire_quiescent_template = 0;
    std::int32_t ignore_tunneled = 0;
    std::int32_t lblc_expiration = 86400;   // seconds
    std::int32_t lblcr_expiration = 86400;  // seconds
    std::int32_t nat_icmp_send = 0;
    std::int32_t pmtu_disc = 1;
    std::int32_t run_estimation = 1;
    std::int32_t schedule_icmp = 0;
    std::int32_t secure_tcp = 0;  // a DefenceMode
    std::int32_t sloppy_sctp = 0;
    std::int32_t sloppy_tcp = 0;
    std::int32_t snat_reroute = 1;
    std::int32_t sync_persist_mode = 0;
    std::int32_t sync_ports = 1;
    std::uint64_t sync_qlen_max = default_sync_qlen_max();
    std::int32_t sync_refresh_period = 0;  // seconds
    std::int32_t sync_retries = 0;
    std::int32_t sync_sock_size = 0;  // bytes
    std::int32_t sync_threshold = 3;
    std::int32_t sync_threshold_period = 50;  // the second number of sync_threshold
    std::int32_t sync_version = 1;

    bool operator==(const Sysctls&) const = default;
};

// Of drop_entry, drop_packet and secure_tcp. The two that watch the memory turn into each other.
enum class DefenceMode : std::int32_t { Off = 0, Watching = 1, Defending = 2, Always = 3 };

// The prefix that sysctl(8) shows them with; names are taken with it and without.
inline constexpr std::string_view kSysctlPrefix = "net.ipv4.vs.";

// A name, without the prefix, and its value as text.
struct SysctlValue {
    std::string name;
    std::string value;

    bool operator==(const SysctlValue&) const = default;
};

// Returns all of them, in the order of their names.
[[nodiscard]] std::vector<SysctlValue> list_sysctls(const Sysctls& sysctls);

// Returns those that differ from the defaults.
[[nodiscard]] std::vector<SysctlValue> changed_sysctls(const Sysctls& sysctls);

// NotFound for an unknown name.
[[nodiscard]] Result<SysctlValue> get_sysctl(const Sysctls& sysctls, std::string_view name);

// Sets one; numbers are decimal, or as in C with 0x and 0, and two of them are parted by blanks or
// a comma. NotFound for an unknown name, InvalidArgument for a value that the kernel refuses.
[[nodiscard]] Status set_sysctl(Sysctls& sysctls, std::string_view name, std::string_view value);

}  // namespace xvs::model
