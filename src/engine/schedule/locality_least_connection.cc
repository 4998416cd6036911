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
    remember(request, CachedDestination(*least));
    return least;
}

void LocalityLeastConnection::remember(const ScheduleRequest& request,
                                       const CachedDestination& cached) noexcept {
    const auto forget = [](const CachedDestination&) noexcept {
    };
    cache_.insert(
        request.virtual_address, request.now, to_expiration(sysctls_.lblc_expiration), forget) =
        cached;
}

// A service with a stock has one virtual address.
void LocalityLeastConnection::note(const ScheduleRequest& request) noexcept {
    const CachedDestination* const cached =
        cache_.find(request.virtual_address, request.now, to_expiration(sysctls_.lblc_expiration));
    noted_ = cached != nullptr ? *cached : CachedDestination();
}

void LocalityLeastConnection::recall(const ScheduleRequest& request,
                                     DestinationState* last) noexcept {
    remember(request, last != nullptr ? CachedDestination(*last) : noted_);
}

}  // namespace xvs::engine
