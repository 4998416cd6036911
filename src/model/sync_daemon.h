// SyncDaemon: a side of connection synchronisation as ipvsadm --start-daemon takes it.
#pragma once

#include <cstdint>
#include <string>

#include "net/address.h"

namespace xvs::model {

// Numbers of include/uapi/linux/ip_vs.h, IP_VS_STATE_*.
enum class SyncRole : std::uint8_t { Master = 1, Backup = 2 };

// A zero stands for the default until the daemon runs.
struct SyncDaemon {
    SyncRole role = SyncRole::Master;
    std::string interface;
    std::uint32_t sync_id = 0;
    std::uint16_t max_length = 0;  // of a message, without IP and UDP headers
    net::IpAddress group;
    net::Port port{};
    std::uint8_t ttl = 0;

    bool operator==(const SyncDaemon&) const = default;
};

}  // namespace xvs::model
