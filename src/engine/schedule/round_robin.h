// rr: hand each new connection to the next available real server in turn.
#pragma once

#include "engine/schedule/scheduler.h"

namespace xvs::engine {

class RoundRobin final : public Scheduler {
public:
    DestinationState* schedule(const DestinationList& destinations,
                               const ScheduleRequest& request) noexcept override;

    // When the last server served goes, its predecessor counts as the last one. Kernel: ip_vs_rr.c
    void destination_will_go(const DestinationList& destinations,
                             const DestinationState& destination) override;

    [[nodiscard]] Foresight foresight() const noexcept override { return Foresight::Turns; }

    void take_turn_of(const Scheduler& other) noexcept override {
        last_ = static_cast<const RoundRobin&>(other).last_;
    }

private:
    const DestinationState* last_ = nullptr;  // nullptr: the turn starts at the list's head
};

}  // namespace xvs::engine
