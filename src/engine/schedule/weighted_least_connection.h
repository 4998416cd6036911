// wlc: the real server with the fewest connections for its weight; ipvsadm's default.
#pragma once

#include "engine/schedule/scheduler.h"

namespace xvs::engine {

class WeightedLeastConnection final : public Scheduler {
public:
    DestinationState* schedule(const DestinationList& destinations,
                               const ScheduleRequest& request) noexcept override;

    [[nodiscard]] Foresight foresight() const noexcept override { return Foresight::Counts; }
};

}  // namespace xvs::engine
