// CachedDestination: a real server as lblc and lblcr remember it, whatever becomes of it meanwhile.
#pragma once

#include <cstdint>

#include "engine/lookup/destination_state.h"

namespace xvs::engine {

struct CachedDestination {
    // Its memory is that of the table of real servers and stays; what it holds may be another one.
    DestinationState* state = nullptr;
    std::uint64_t created = 0;

    CachedDestination() = default;

    explicit CachedDestination(DestinationState& destination) noexcept
        : state(&destination), created(destination.created) {}

    // Whether it is still the same real server, be it a removed one. Kernel: a cache entry holds a
    // reference, and meets its server again when that is revived.
    [[nodiscard]] bool is_same() const noexcept {
        return state != nullptr && state->created == created;
    }

    [[nodiscard]] bool is_usable() const noexcept {
        return is_same() && state->is_available && state->config.weight > 0;
    }
};

// Whether it has more active connections than its weight while another has less than half as many
// as it may. Kernel: is_overloaded() of ip_vs_lblc.c and ip_vs_lblcr.c.
[[nodiscard]] inline bool is_too_busy(const DestinationState& destination,
                                      const DestinationList& destinations) noexcept {
    const auto weight = static_cast<std::uint32_t>(destination.config.weight);
    if (destination.active_connections <= weight) return false;
    for (const DestinationState* each = destinations.first(); each != nullptr; each = each->next) {
        if (std::uint64_t{each->active_connections} * 2 <
            static_cast<std::uint64_t>(each->config.weight)) {
            return true;
        }
    }
    return false;
}

}  // namespace xvs::engine
