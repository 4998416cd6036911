// sed: the real server with the shortest expected delay, (active connections + 1) for its weight.
#pragma once

#include "engine/schedule/scheduler.h"

namespace xvs::engine {

// Returns what sed and nq compare: the connections there would be with the new one. Inactive ones
// cost no time. Kernel: ip_vs_sed_dest_overhead(), ip_vs_nq_dest_overhead().
[[nodiscard]] inline std::uint64_t expected_connections(
    const DestinationState& destination) noexcept {
    return std::uint64_t{destination.active_connections} + 1;
}

class ShortestExpectedDelay final : public Scheduler {
public:
    DestinationState* schedule(const DestinationList& destinations,
                               const ScheduleRequest& request) noexcept override;

    [[nodiscard]] Foresight foresight() const noexcept override { return Foresight::Counts; }
};

}  // namespace xvs::engine
