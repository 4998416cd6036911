#include "engine/schedule/weighted_overflow.h"

namespace xvs::engine {
namespace {

bool overflows(const DestinationState& destination) noexcept {
    return destination.active_connections > static_cast<std::uint32_t>(destination.config.weight);
}

}  // namespace

// Kernel: ip_vs_ovf.c. Once all overflow it schedules nothing.
DestinationState* WeightedOverflow::schedule(const DestinationList& destinations,
                                             const ScheduleRequest& /*request*/) noexcept {
    DestinationState* heaviest = nullptr;
    for (DestinationState* each = destinations.first(); each != nullptr; each = each->next) {
        if (!each->is_eligible() || overflows(*each)) continue;
        if (heaviest == nullptr || each->config.weight > heaviest->config.weight) heaviest = each;
    }
    return heaviest;
}

}  // namespace xvs::engine
