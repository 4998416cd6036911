#include "engine/schedule/locality_least_connection.h"

#include "engine/schedule/weighted_least.h"

namespace xvs::engine {

// Kernel: ip_vs_lblc_schedule(). One at its upper threshold goes on serving its addresses.
DestinationState* LocalityLeastConnection::schedule(const DestinationList& destinations,
                                                    const ScheduleRequest& request) noexcept {
    const Tick expiration = to_expiration(sysctls_.lblc_expiration);
    const CachedDestination* const cached =
        cache_.find(request.virtual_address, request.now, expiration);
    const bool is_hit =
        cached != nullptr && cached->is_usable() && !is_too_busy(*cached->state, destinations);
    if (is_hit) return cached->state;
    DestinationState* const least = weighted_least(destinations, connection_overhead);
    if (least == nullptr) return nullptr;
    cache_.insert(
        request.virtual_address, request.now, expiration, [](const CachedDestination&) noexcept {
        }) = CachedDestination(*least);
    return least;
}

}  // namespace xvs::engine
