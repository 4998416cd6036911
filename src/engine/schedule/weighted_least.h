// weighted_least: what wlc, sed, nq, lblc and lblcr have in common.
#pragma once

#include <cstdint>

#include "engine/lookup/destination_state.h"

namespace xvs::engine {

// Returns what the least-connection schedulers compare. Kernel: ip_vs_dest_conn_overhead().
[[nodiscard]] inline std::uint64_t connection_overhead(
    const DestinationState& destination) noexcept {
    return (std::uint64_t{destination.active_connections} << 8) +
           destination.inactive_connections();
}

// Whether `overhead` for the weight of `one` is more than `other_overhead` for that of `other`, by
// cross multiplication.
[[nodiscard]] inline bool is_busier(const DestinationState& one,
                                    std::uint64_t overhead,
                                    const DestinationState& other,
                                    std::uint64_t other_overhead) noexcept {
    return overhead * static_cast<std::uint64_t>(other.config.weight) >
           other_overhead * static_cast<std::uint64_t>(one.config.weight);
}

// Returns the eligible real server with the least overhead for its weight, the first of equals, or
// nullptr. Cost: a look at each of them.
template <class Overhead>
[[nodiscard]] DestinationState* weighted_least(const DestinationList& destinations,
                                               Overhead overhead_of) noexcept {
    DestinationState* least = nullptr;
    std::uint64_t least_overhead = 0;
    for (DestinationState* each = destinations.first(); each != nullptr; each = each->next) {
        if (!each->is_eligible()) continue;
        const std::uint64_t overhead = overhead_of(*each);
        if (least == nullptr || is_busier(*least, least_overhead, *each, overhead)) {
            least = each;
            least_overhead = overhead;
        }
    }
    return least;
}

}  // namespace xvs::engine
