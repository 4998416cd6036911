#include "engine/schedule/weighted_failover.h"

namespace xvs::engine {

// Kernel: ip_vs_fo.c; the first of equals wins.
DestinationState* WeightedFailover::schedule(const DestinationList& destinations,
                                             const ScheduleRequest& /*request*/) noexcept {
    DestinationState* heaviest = nullptr;
    for (DestinationState* each = destinations.first(); each != nullptr; each = each->next) {
        if (!each->is_eligible()) continue;
        if (heaviest == nullptr || each->config.weight > heaviest->config.weight) heaviest = each;
    }
    return heaviest;
}

}  // namespace xvs::engine
