// fo: the heaviest real server that is available; the others stand by.
#pragma once

#include "engine/schedule/scheduler.h"

namespace xvs::engine {

class WeightedFailover final : public Scheduler {
public:
    DestinationState* schedule(const DestinationList& destinations,
                               const ScheduleRequest& request) noexcept override;

    [[nodiscard]] Foresight foresight() const noexcept override { return Foresight::Turns; }
};

}  // namespace xvs::engine
