#include "engine/schedule/never_queue.h"

#include "engine/schedule/shortest_expected_delay.h"
#include "engine/schedule/weighted_least.h"

namespace xvs::engine {

DestinationState* NeverQueue::schedule(const DestinationList& destinations,
                                       const ScheduleRequest& /*request*/) noexcept {
    for (DestinationState* each = destinations.first(); each != nullptr; each = each->next) {
        if (each->is_eligible() && each->active_connections == 0) return each;
    }
    return weighted_least(destinations, expected_connections);
}

}  // namespace xvs::engine
