// wrr: turns in proportion to the weights, counted down by their greatest common divisor.
#pragma once

#include <cstdint>

#include "engine/schedule/scheduler.h"

namespace xvs::engine {

// Kernel: ip_vs_wrr.c keeps a current weight; in each pass over the list the servers whose weight
// is at least that get a turn, then it goes down by the divisor.
class WeightedRoundRobin final : public Scheduler {
public:
    DestinationState* schedule(const DestinationList& destinations,
                               const ScheduleRequest& request) noexcept override;
    void destination_added(const DestinationList& destinations) override;
    void destination_will_go(const DestinationList& destinations,
                             const DestinationState& destination) override;
    void destinations_changed(const DestinationList& destinations) override;

private:
    void recompute(const DestinationList& destinations, const DestinationState* without);

    const DestinationState* last_ = nullptr;
    std::int64_t current_weight_ = 0;
    std::int64_t first_weight_ =
        0;  // what a round starts from: the greatest weight, less divisor - 1
    std::int64_t divisor_ = 1;
};

}  // namespace xvs::engine
