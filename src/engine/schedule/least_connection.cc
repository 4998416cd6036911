#include "engine/schedule/least_connection.h"

#include "engine/schedule/weighted_least.h"

namespace xvs::engine {

DestinationState* LeastConnection::schedule(const DestinationList& destinations,
                                            const ScheduleRequest& /*request*/) noexcept {
    DestinationState* least = nullptr;
    std::uint64_t least_overhead = 0;
    for (DestinationState* each = destinations.first(); each != nullptr; each = each->next) {
        if (!each->is_eligible()) continue;
        const std::uint64_t overhead = connection_overhead(*each);
        if (least == nullptr || overhead < least_overhead) {
            least = each;
            least_overhead = overhead;
        }
    }
    return least;
}

}  // namespace xvs::engine
