#include "engine/schedule/weighted_round_robin.h"

#include <algorithm>
#include <numeric>

namespace xvs::engine {

DestinationState* WeightedRoundRobin::schedule(const DestinationList& destinations,
                                               const ScheduleRequest& /*request*/) noexcept {
    std::int64_t heaviest = 0;
    for (const DestinationState* each = destinations.first(); each != nullptr; each = each->next) {
        if (each->is_eligible()) heaviest = std::max(heaviest, std::int64_t{each->config.weight});
    }
    if (heaviest == 0) return nullptr;
    while (true) {
        for (DestinationState* candidate = destinations.after(last_); candidate != nullptr;
             candidate = candidate->next) {
            if (!candidate->is_overloaded && candidate->config.weight >= current_weight_) {
                last_ = candidate;
                return candidate;
            }
        }
        last_ = nullptr;
        // The rounds that nobody is heavy enough for are passed over at once.
        const std::int64_t excess = std::max<std::int64_t>(current_weight_ - heaviest, divisor_);
        current_weight_ -= (excess + divisor_ - 1) / divisor_ * divisor_;
        if (current_weight_ <= 0) current_weight_ = first_weight_;
    }
}

void WeightedRoundRobin::destination_added(const DestinationList& destinations) {
    recompute(destinations, nullptr);
}

void WeightedRoundRobin::destination_will_go(const DestinationList& destinations,
                                             const DestinationState& destination) {
    recompute(destinations, &destination);
}

void WeightedRoundRobin::destinations_changed(const DestinationList& destinations) {
    recompute(destinations, nullptr);
}

void WeightedRoundRobin::recompute(const DestinationList& destinations,
                                   const DestinationState* without) {
    std::int64_t divisor = 0;
    std::int64_t greatest = 0;
    for (const DestinationState* each = destinations.first(); each != nullptr; each = each->next) {
        if (each == without || each->config.weight <= 0) continue;
        divisor = std::gcd(divisor, std::int64_t{each->config.weight});
        greatest = std::max(greatest, std::int64_t{each->config.weight});
    }
    last_ = nullptr;
    divisor_ = std::max<std::int64_t>(divisor, 1);
    first_weight_ = greatest - (divisor_ - 1);
    if (current_weight_ > first_weight_ || current_weight_ == 0) {
        current_weight_ = first_weight_;
    } else if (divisor_ > 1) {
        current_weight_ = (current_weight_ / divisor_) * divisor_ + 1;
    }
}

}  // namespace xvs::engine
