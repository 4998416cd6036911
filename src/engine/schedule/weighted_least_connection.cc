#include "engine/schedule/weighted_least_connection.h"

#include "engine/schedule/weighted_least.h"

namespace xvs::engine {

// Kernel: ip_vs_wlc.c compares overhead/weight by cross multiplication; the first of equals wins.
DestinationState* WeightedLeastConnection::schedule(const DestinationList& destinations,
                                                    const ScheduleRequest& /*request*/) noexcept {
    return weighted_least(destinations, connection_overhead);
}

}  // namespace xvs::engine
