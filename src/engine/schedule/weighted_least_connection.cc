#include "engine/schedule/weighted_least_connection.h"

#include "engine/schedule/least_connection.h"

namespace xvs::engine {

// Kernel: ip_vs_wlc.c compares overhead/weight by cross multiplication; the first of equals wins.
DestinationState* WeightedLeastConnection::schedule(const DestinationList& destinations,
                                                    const ScheduleRequest& /*request*/) noexcept {
    DestinationState* least = nullptr;
    std::uint64_t least_overhead = 0;
    for (DestinationState* each = destinations.first(); each != nullptr; each = each->next) {
        if (!each->is_eligible()) continue;
        const std::uint64_t overhead = connection_overhead(*each);
        if (least == nullptr || least_overhead * static_cast<std::uint64_t>(each->config.weight) >
                                    overhead * static_cast<std::uint64_t>(least->config.weight)) {
            least = each;
            least_overhead = overhead;
        }
    }
    return least;
}

}  // namespace xvs::engine
