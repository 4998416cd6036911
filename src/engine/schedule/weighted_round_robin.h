// wrr: turns in proportion to the weights, counted down by their greatest common divisor.
#pragma once

#include <cstdint>
#include <map>

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
    void destination_changed(const DestinationList& destinations,
                             const DestinationState& destination,
                             std::int32_t former_weight) override;
    void take_charge(const DestinationList& destinations) override;

    [[nodiscard]] Foresight foresight() const noexcept override { return Foresight::Turns; }

    // Not the weights: it is told of no change.
    void take_turn_of(const Scheduler& other) noexcept override;

private:
    void add_weight(std::int32_t weight);
    void remove_weight(std::int32_t weight);
    // Begins anew, as after every change.
    void begin_round();

    // How many destinations have each weight above 0: most are alike, however many there are.
    std::map<std::int32_t, std::uint32_t> weights_;

    const DestinationState* last_ = nullptr;
    std::int64_t current_weight_ = 0;
    std::int64_t first_weight_ =
        0;  // what a round starts from: the greatest weight, less divisor - 1
    std::int64_t divisor_ = 1;
};

}  // namespace xvs::engine
