// lc: the real server with the fewest connections, an active one counting for 256 inactive ones.
#pragma once

#include "engine/schedule/scheduler.h"

namespace xvs::engine {

class LeastConnection final : public Scheduler {
public:
    DestinationState* schedule(const DestinationList& destinations,
                               const ScheduleRequest& request) noexcept override;

    [[nodiscard]] Foresight foresight() const noexcept override { return Foresight::Counts; }
};

}  // namespace xvs::engine
