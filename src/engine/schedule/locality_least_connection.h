// lblc: locality-based least connection. A virtual address stays at one real server until that is
// too busy, then goes where wlc sends it.
#pragma once

#include "engine/schedule/address_cache.h"
#include "engine/schedule/cached_destination.h"
#include "engine/schedule/scheduler.h"

namespace xvs::engine {

// For firewall-mark services of caching proxies, which many virtual addresses belong to.
class LocalityLeastConnection final : public Scheduler {
public:
    // `sysctls` must outlive it.
    LocalityLeastConnection(const model::Sysctls& sysctls, std::uint64_t seed)
        : sysctls_(sysctls), cache_(seed) {}

    DestinationState* schedule(const DestinationList& destinations,
                               const ScheduleRequest& request) noexcept override;

    [[nodiscard]] Foresight foresight() const noexcept override { return Foresight::Counts; }

    void note(const ScheduleRequest& request) noexcept override;
    void recall(const ScheduleRequest& request, DestinationState* last) noexcept override;

private:
    void remember(const ScheduleRequest& request, const CachedDestination& cached) noexcept;

    const model::Sysctls& sysctls_;
    AddressCache<CachedDestination> cache_;
    CachedDestination noted_;
};

}  // namespace xvs::engine
