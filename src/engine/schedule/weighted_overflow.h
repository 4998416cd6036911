// ovf: the heaviest real server until it has more active connections than its weight, then the
// next heaviest.
#pragma once

#include "engine/schedule/scheduler.h"

namespace xvs::engine {

class WeightedOverflow final : public Scheduler {
public:
    DestinationState* schedule(const DestinationList& destinations,
                               const ScheduleRequest& request) noexcept override;

    [[nodiscard]] Foresight foresight() const noexcept override { return Foresight::Counts; }
};

}  // namespace xvs::engine
