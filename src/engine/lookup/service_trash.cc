// Real servers that were removed: remembered for a while, and revived when they are added again.
#include <algorithm>

#include "engine/lookup/services.h"
#include "engine/ticks.h"

namespace xvs::engine {

DestinationState* Services::revive(const model::ServiceKey& key, const net::Endpoint& real) {
    const auto [first, last] = trash_.equal_range(real);
    for (auto each = first; each != last; ++each) {
        DestinationState& destination = destinations_[each->second];
        if (destination.service_key == key) {
            trash_.erase(each);
            return &destination;
        }
    }
    return nullptr;
}

bool Services::empty_trash() {
    std::size_t freed = 0;
    std::size_t looked_at = 0;
    while (!trash_.empty() && trash_position_ < destinations_.size()) {
        if (freed == kFreedAtOnce || looked_at++ == kCountersAtOnce) return true;
        DestinationState& destination = destinations_[trash_position_++];
        if (!is_due_for_freeing(destination)) continue;
        remove_from_trash(destination);
        free_destination(destination);
        ++freed;
    }
    trash_position_ = 0;
    return false;
}

bool Services::is_due_for_freeing(const DestinationState& destination) const noexcept {
    const bool is_in_trash = destination.index != XVS_NONE && destination.service == nullptr;
    const bool is_idle =
        destination.total_connections == 0 && destination.persistent_connections == 0;
    return is_in_trash && is_idle &&
           to_tick(clock_.now()) - destination.idle_since_tick >= to_ticks(kTrashPeriod);
}

void Services::remove_from_trash(const DestinationState& destination) {
    const auto [first, last] = trash_.equal_range(destination.config.real);
    const auto found = std::find_if(
        first, last, [&](const auto& entry) { return entry.second == destination.index; });
    if (found != last) trash_.erase(found);
}

void Services::free_destination(DestinationState& destination) {
    release_translation(destination);
    steer_replies(destination, false);
    if (!destination.is_bypass()) absorb(tables_.totals().absorbed, destination);
    ++freed_;
    for (std::uint32_t row = 0; row < tables_.header().counter_rows; ++row)
        tables_.counters(row, destination.index) = xvs_counters{};
    tables_.destination_totals(destination.index) = {};
    if (!destination.is_bypass()) forget_address(destination.config.real.address);
    if (destination.service_key.fwmark == 0) forget_address(destination.service_key.address);
    tables_.destinations().free(destination.index);
    destination = DestinationState{};
}

}  // namespace xvs::engine
