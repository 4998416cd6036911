#include "engine/schedule/shortest_expected_delay.h"

#include "engine/schedule/weighted_least.h"

namespace xvs::engine {

DestinationState* ShortestExpectedDelay::schedule(const DestinationList& destinations,
                                                  const ScheduleRequest& /*request*/) noexcept {
    return weighted_least(destinations, expected_connections);
}

}  // namespace xvs::engine
