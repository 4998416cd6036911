#include "engine/schedule/weighted_round_robin.h"

#include <algorithm>
#include <numeric>

namespace xvs::engine {
namespace {

std::int64_t heaviest_eligible(const DestinationList& destinations) noexcept {
    std::int64_t heaviest = 0;
    for (const DestinationState* each = destinations.first(); each != nullptr; each = each->next) {
        if (each->is_eligible()) heaviest = std::max(heaviest, std::int64_t{each->config.weight});
    }
    return heaviest;
}

}  // namespace

DestinationState* WeightedRoundRobin::schedule(const DestinationList& destinations,
                                               const ScheduleRequest& /*request*/) noexcept {
    if (first_weight_ <= 0) return nullptr;  // all are quiesced
    const DestinationState* last = last_;
    std::int64_t heaviest = 0;
    while (true) {
        for (DestinationState* candidate = destinations.after(last); candidate != nullptr;
             candidate = candidate->next) {
            if (!candidate->is_overloaded && candidate->config.weight >= current_weight_) {
                last_ = candidate;
                return candidate;
            }
        }
        last = nullptr;
        if (heaviest == 0) heaviest = heaviest_eligible(destinations);
        if (heaviest == 0) return nullptr;
        // The rounds that nobody is heavy enough for are passed over at once.
        const std::int64_t excess = std::max<std::int64_t>(current_weight_ - heaviest, divisor_);
        current_weight_ -= (excess + divisor_ - 1) / divisor_ * divisor_;
        if (current_weight_ <= 0) current_weight_ = first_weight_;
    }
}

void WeightedRoundRobin::destination_added(const DestinationList& destinations) {
    add_weight(destinations.first()->config.weight);
    begin_round();
}

void WeightedRoundRobin::destination_will_go(const DestinationList& /*destinations*/,
                                             const DestinationState& destination) {
    remove_weight(destination.config.weight);
    begin_round();
}

void WeightedRoundRobin::destination_changed(const DestinationList& /*destinations*/,
                                             const DestinationState& destination,
                                             std::int32_t former_weight) {
    remove_weight(former_weight);
    add_weight(destination.config.weight);
    begin_round();
}

void WeightedRoundRobin::take_charge(const DestinationList& destinations) {
    weights_.clear();
    for (const DestinationState* each = destinations.first(); each != nullptr; each = each->next)
        add_weight(each->config.weight);
    begin_round();
}

void WeightedRoundRobin::take_turn_of(const Scheduler& other) noexcept {
    const auto& model = static_cast<const WeightedRoundRobin&>(other);
    last_ = model.last_;
    current_weight_ = model.current_weight_;
    first_weight_ = model.first_weight_;
    divisor_ = model.divisor_;
}

void WeightedRoundRobin::add_weight(std::int32_t weight) {
    if (weight > 0) ++weights_[weight];
}

void WeightedRoundRobin::remove_weight(std::int32_t weight) {
    const auto found = weights_.find(weight);
    if (found != weights_.end() && --found->second == 0) weights_.erase(found);
}

void WeightedRoundRobin::begin_round() {
    std::int64_t divisor = 0;
    for (const auto& [weight, count] : weights_) {
        divisor = std::gcd(divisor, std::int64_t{weight});
        if (divisor == 1) break;
    }
    const std::int64_t greatest = weights_.empty() ? 0 : weights_.rbegin()->first;
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
