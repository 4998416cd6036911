#include "engine/schedule/locality_least_connection_replicated.h"

#include "engine/schedule/weighted_least.h"

namespace xvs::engine {

LocalityLeastConnectionReplicated::LocalityLeastConnectionReplicated(const model::Sysctls& sysctls,
                                                                     std::uint64_t seed)
    : sysctls_(sysctls), cache_(seed) {
    members_.reserve(kMaxMembers);
}

// Kernel: ip_vs_lblcr_schedule().
DestinationState* LocalityLeastConnectionReplicated::schedule(
    const DestinationList& destinations, const ScheduleRequest& request) noexcept {
    const Tick expiration = to_expiration(sysctls_.lblcr_expiration);
    Set* set = cache_.find(request.virtual_address, request.now, expiration);
    if (set != nullptr) {
        DestinationState* const member = least_of(*set);
        const bool is_settled = request.now - set->modified_at > expiration;
        if (set->size > 1 && is_settled) shrink(*set, request.now);
        if (member != nullptr && !is_too_busy(*member, destinations)) return member;
    }
    DestinationState* const least = weighted_least(destinations, connection_overhead);
    if (least == nullptr) return nullptr;
    if (set == nullptr) {
        set = &cache_.insert(
            request.virtual_address, request.now, expiration, [this](const Set& gone) noexcept {
                give_back(gone);
            });
        give_back(*set);  // of one that has expired
        *set = {};
    }
    join(*set, *least, request.now);
    return least;
}

// Kernel: ip_vs_dest_set_min().
DestinationState* LocalityLeastConnectionReplicated::least_of(const Set& set) const noexcept {
    DestinationState* least = nullptr;
    std::uint64_t least_overhead = 0;
    for (std::uint32_t at = set.first_plus_one; at != 0; at = members_[at - 1].next_plus_one) {
        const CachedDestination& member = members_[at - 1].server;
        if (!member.is_usable() || member.state->is_overloaded) continue;
        const std::uint64_t overhead = connection_overhead(*member.state);
        if (least == nullptr || is_busier(*least, least_overhead, *member.state, overhead)) {
            least = member.state;
            least_overhead = overhead;
        }
    }
    return least;
}

// The busiest one leaves, or first of all one that is no more. Kernel: ip_vs_dest_set_max(),
// ip_vs_dest_set_erase().
void LocalityLeastConnectionReplicated::shrink(Set& set, Tick now) noexcept {
    std::uint32_t* busiest = nullptr;
    std::uint64_t most_overhead = 0;
    for (std::uint32_t* link = &set.first_plus_one; *link != 0;
         link = &members_[*link - 1].next_plus_one) {
        const CachedDestination& member = members_[*link - 1].server;
        if (!member.is_same()) {
            busiest = link;
            break;
        }
        if (member.state->config.weight <= 0) continue;
        const std::uint64_t overhead = connection_overhead(*member.state);
        const bool is_busiest =
            busiest == nullptr ||
            is_busier(*member.state, overhead, *members_[*busiest - 1].server.state, most_overhead);
        if (!is_busiest) continue;
        busiest = link;
        most_overhead = overhead;
    }
    if (busiest == nullptr) return;
    const std::uint32_t gone = *busiest;
    *busiest = members_[gone - 1].next_plus_one;
    members_[gone - 1].next_plus_one = free_plus_one_;
    free_plus_one_ = gone;
    --set.size;
    set.modified_at = now;
}

// Kernel: ip_vs_dest_set_insert().
void LocalityLeastConnectionReplicated::join(Set& set,
                                             DestinationState& destination,
                                             Tick now) noexcept {
    for (std::uint32_t at = set.first_plus_one; at != 0; at = members_[at - 1].next_plus_one) {
        const CachedDestination& member = members_[at - 1].server;
        if (member.is_same() && member.state == &destination) return;
    }
    const std::uint32_t at = take_member();
    if (at == 0) return;
    members_[at - 1] = {.server = CachedDestination(destination),
                        .next_plus_one = set.first_plus_one};
    set.first_plus_one = at;
    ++set.size;
    set.modified_at = now;
}

// Returns its number, from 1 on; 0 when there is none left.
std::uint32_t LocalityLeastConnectionReplicated::take_member() noexcept {
    if (free_plus_one_ == 0) {
        if (members_.size() == kMaxMembers) return 0;
        members_.emplace_back();  // within what is reserved
        return static_cast<std::uint32_t>(members_.size());
    }
    const std::uint32_t at = free_plus_one_;
    free_plus_one_ = members_[at - 1].next_plus_one;
    return at;
}

void LocalityLeastConnectionReplicated::give_back(const Set& set) noexcept {
    std::uint32_t at = set.first_plus_one;
    while (at != 0) {
        const std::uint32_t next = members_[at - 1].next_plus_one;
        members_[at - 1].next_plus_one = free_plus_one_;
        free_plus_one_ = at;
        at = next;
    }
}

}  // namespace xvs::engine
