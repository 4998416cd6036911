#include "engine/schedule/power_of_twos.h"

#include "engine/schedule/weighted_least.h"

namespace xvs::engine {
namespace {

std::uint64_t sum_of_weights(const DestinationList& destinations) noexcept {
    std::uint64_t sum = 0;
    for (const DestinationState* each = destinations.first(); each != nullptr; each = each->next) {
        if (each->is_eligible()) sum += static_cast<std::uint64_t>(each->config.weight);
    }
    return sum;
}

}  // namespace

// Kernel: ip_vs_twos.c. Both draws go from 0 to the sum of all weights, and what was drawn is the
// server at which the weights so far reach it: the first has one chance more than its weight.
DestinationState* PowerOfTwos::schedule(const DestinationList& destinations,
                                        const ScheduleRequest& /*request*/) noexcept {
    const std::uint64_t sum = sum_of_weights(destinations);
    if (sum == 0) return nullptr;
    const std::uint64_t draws[] = {draw(sum), draw(sum)};
    DestinationState* chosen[] = {nullptr, nullptr};
    std::uint64_t reached = 0;
    for (DestinationState* each = destinations.first(); each != nullptr; each = each->next) {
        if (!each->is_eligible()) continue;
        reached += static_cast<std::uint64_t>(each->config.weight);
        for (std::size_t which = 0; which < 2; ++which) {
            if (chosen[which] == nullptr && draws[which] <= reached) chosen[which] = each;
        }
        if (chosen[0] != nullptr && chosen[1] != nullptr) break;
    }
    if (chosen[0] == nullptr || chosen[1] == nullptr) return nullptr;
    const bool is_second_freer = is_busier(
        *chosen[0], connection_overhead(*chosen[0]), *chosen[1], connection_overhead(*chosen[1]));
    return is_second_freer ? chosen[1] : chosen[0];
}

std::uint64_t PowerOfTwos::draw(std::uint64_t last) noexcept {
    // splitmix64; the remainder favours small numbers by less than one in 2^29.
    state_ += 0x9e3779b97f4a7c15U;
    std::uint64_t word = state_;
    word = (word ^ (word >> 30)) * 0xbf58476d1ce4e5b9U;
    word = (word ^ (word >> 27)) * 0x94d049bb133111ebU;
    word ^= word >> 31;
    return word % (last + 1);
}

}  // namespace xvs::engine
