// lblcr: lblc with replication. A virtual address has a set of real servers, which grows while they
// are too busy and shrinks after a time.
#pragma once

#include <cstdint>
#include <vector>

#include "base/page_allocator.h"
#include "engine/schedule/address_cache.h"
#include "engine/schedule/cached_destination.h"
#include "engine/schedule/scheduler.h"

namespace xvs::engine {

class LocalityLeastConnectionReplicated final : public Scheduler {
public:
    // `sysctls` must outlive it.
    LocalityLeastConnectionReplicated(const model::Sysctls& sysctls, std::uint64_t seed);

    DestinationState* schedule(const DestinationList& destinations,
                               const ScheduleRequest& request) noexcept override;

private:
    // The servers of an address, the newest first. Its zero-initialized form is an empty one.
    struct Set {
        std::uint32_t first_plus_one = 0;  // of members_
        std::uint32_t size = 0;
        Tick modified_at = 0;
    };

    struct Member {
        CachedDestination server;
        std::uint32_t next_plus_one = 0;
    };

    using Cache = AddressCache<Set>;

    // Members of all sets: beyond these a server serves without joining its set.
    static constexpr std::uint32_t kMaxMembers = 2 * Cache::kCapacity;

    [[nodiscard]] DestinationState* least_of(const Set& set) const noexcept;
    void shrink(Set& set, Tick now) noexcept;
    void join(Set& set, DestinationState& destination, Tick now) noexcept;
    [[nodiscard]] std::uint32_t take_member() noexcept;
    void give_back(const Set& set) noexcept;

    const model::Sysctls& sysctls_;
    Cache cache_;
    std::vector<Member, PageAllocator<Member>> members_;
    std::uint32_t free_plus_one_ = 0;
};

}  // namespace xvs::engine
