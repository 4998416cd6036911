// Command: a command line that has been understood.
#pragma once

#include <cstdint>
#include <optional>

#include "model/destination.h"
#include "model/sync_daemon.h"
#include "model/timeouts.h"
#include "model/virtual_service.h"

namespace xvs::cli {

// In the order of the rows of the table in legality.cc.
enum class Verb {
    AddService,
    EditService,
    DeleteService,
    Flush,
    AddServer,
    EditServer,
    DeleteServer,
    List,
    SetTimeouts,
    StartDaemon,
    StopDaemon,
    Restore,
    Save,
    Zero,
    Help,
    Version,
};

// In the order of the columns there, which is the order that ipvsadm complains in.
enum class Option : unsigned {
    Numeric,
    Connection,
    Service,
    Scheduler,
    Persistent,
    Netmask,
    RealServer,
    ForwardingMethod,
    Weight,
    UpperThreshold,
    LowerThreshold,
    McastInterface,
    Timeout,
    Daemon,
    Statistics,
    Rate,
    Thresholds,
    PersistentConnections,
    NoSort,
    SyncId,
    Exact,
    OnePacket,
    PersistenceEngine,
    SchedulerFlags,
    McastGroup,
    McastPort,
    McastTtl,
    SyncMaxLength,
    TunnelInfo,
    TunnelType,
    TunnelPort,
    TunnelNoChecksum,
    TunnelChecksum,
    TunnelRemoteChecksum,
    MssClamp,  // of XVS alone from here on
};

inline constexpr unsigned kOptionCount = 35;

class OptionSet {
public:
    [[nodiscard]] bool has(Option option) const noexcept {
        return (bits_ >> static_cast<unsigned>(option) & 1) != 0;
    }

    template <class... Options>
    [[nodiscard]] bool has_any(Options... options) const noexcept {
        return (has(options) || ...);
    }

    void add(Option option) noexcept { bits_ |= std::uint64_t{1} << static_cast<unsigned>(option); }

private:
    std::uint64_t bits_ = 0;
};

struct Command {
    Verb verb = Verb::List;
    OptionSet options;
    model::VirtualService service;
    model::Destination destination;
    model::SyncDaemon daemon;
    model::Timeouts timeouts{.tcp_s = 0, .tcp_fin_s = 0, .udp_s = 0};
};

}  // namespace xvs::cli
