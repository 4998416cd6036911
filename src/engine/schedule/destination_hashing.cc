#include "engine/schedule/destination_hashing.h"

#include "engine/schedule/address_hash.h"
#include "engine/schedule/destination_ring.h"

namespace xvs::engine {

DestinationState* DestinationHashing::schedule(const DestinationList& /*destinations*/,
                                               const ScheduleRequest& request) noexcept {
    DestinationState* const own = places_[golden_hash(folded(request.virtual_address), kTableBits)];
    return own != nullptr && own->is_eligible() ? own : nullptr;
}

void DestinationHashing::destination_added(const DestinationList& destinations) {
    assign(destinations, nullptr);
}

void DestinationHashing::destination_will_go(const DestinationList& destinations,
                                             const DestinationState& destination) {
    assign(destinations, &destination);
}

void DestinationHashing::take_charge(const DestinationList& destinations) {
    assign(destinations, nullptr);
}

void DestinationHashing::assign(const DestinationList& destinations,
                                const DestinationState* gone) noexcept {
    DestinationRing ring(destinations, gone);
    for (DestinationState*& place : places_)
        place = ring.take();
}

}  // namespace xvs::engine
