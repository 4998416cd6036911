// lc: the real server with the fewest connections, an active one counting for 256 inactive ones.
#pragma once

#include "engine/schedule/scheduler.h"

namespace xvs::engine {

// Returns what the least-connection schedulers compare. Kernel: ip_vs_dest_conn_overhead().
[[nodiscard]] inline std::uint64_t connection_overhead(
    const DestinationState& destination) noexcept {
    return (std::uint64_t{destination.active_connections} << 8) +
           destination.inactive_connections();
}

class LeastConnection final : public Scheduler {
public:
    DestinationState* schedule(const DestinationList& destinations,
                               const ScheduleRequest& request) noexcept override;
};

}  // namespace xvs::engine
