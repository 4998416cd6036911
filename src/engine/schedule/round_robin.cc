#include "engine/schedule/round_robin.h"

namespace xvs::engine {

DestinationState* RoundRobin::schedule(const DestinationList& destinations,
                                       const ScheduleRequest& /*request*/) noexcept {
    DestinationState* candidate = destinations.after(last_);
    for (std::size_t tried = 0; tried < destinations.size(); ++tried) {
        if (candidate == nullptr) candidate = destinations.first();
        if (candidate->is_eligible()) {
            last_ = candidate;
            return candidate;
        }
        candidate = candidate->next;
    }
    return nullptr;
}

void RoundRobin::destination_will_go(const DestinationList& /*destinations*/,
                                     const DestinationState& destination) {
    if (last_ == &destination) last_ = destination.previous;
}

}  // namespace xvs::engine
