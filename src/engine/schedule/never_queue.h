// nq: the first real server without an active connection; when there is none, as sed.
#pragma once

#include "engine/schedule/scheduler.h"

namespace xvs::engine {

class NeverQueue final : public Scheduler {
public:
    DestinationState* schedule(const DestinationList& destinations,
                               const ScheduleRequest& request) noexcept override;

    [[nodiscard]] Foresight foresight() const noexcept override { return Foresight::Counts; }
};

}  // namespace xvs::engine
