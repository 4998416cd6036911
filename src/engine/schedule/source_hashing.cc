#include "engine/schedule/source_hashing.h"

#include "engine/schedule/address_hash.h"
#include "engine/schedule/destination_ring.h"

namespace xvs::engine {

DestinationState* SourceHashing::schedule(const DestinationList& destinations,
                                          const ScheduleRequest& request) noexcept {
    const std::uint32_t own =
        golden_hash(hashed_port(request) + folded(request.client), kTableBits);
    return at_place(destinations, own, request.service_flags);
}

ClientTable SourceHashing::client_table(std::uint32_t service_flags) const noexcept {
    const std::uint32_t port = hashes_port(service_flags) ? XVS_STOCK_WITH_PORT : 0;
    return {.kind = XVS_STOCK_BY_SH | port, .places = 1U << kTableBits};
}

// Kernel: ip_vs_sh_get(), ip_vs_sh_get_fallback(). The fallback goes around the table from as far
// behind the own place as that is from the beginning.
DestinationState* SourceHashing::at_place(const DestinationList& /*destinations*/,
                                          std::uint32_t own,
                                          std::uint32_t service_flags) noexcept {
    DestinationState* const first = places_[own];
    if (first == nullptr || first->is_eligible()) return first;
    if (!has_fallback(service_flags)) return nullptr;
    for (std::uint32_t tried = 0; tried < places_.size(); ++tried) {
        DestinationState* const candidate = places_[(tried + own + own) % places_.size()];
        if (candidate->is_eligible()) return candidate;
    }
    return nullptr;
}

void SourceHashing::destination_added(const DestinationList& destinations) {
    assign(destinations, nullptr);
}

void SourceHashing::destination_will_go(const DestinationList& destinations,
                                        const DestinationState& destination) {
    assign(destinations, &destination);
}

void SourceHashing::destination_changed(const DestinationList& destinations,
                                        const DestinationState& /*destination*/,
                                        std::int32_t former_weight) {
    (void)former_weight;
    assign(destinations, nullptr);
}

void SourceHashing::take_charge(const DestinationList& destinations) {
    assign(destinations, nullptr);
}

// Kernel: ip_vs_sh_reassign(); one of weight 0 has a place all the same.
void SourceHashing::assign(const DestinationList& destinations,
                           const DestinationState* gone) noexcept {
    DestinationRing ring(destinations, gone);
    std::int32_t taken = 0;
    for (DestinationState*& place : places_) {
        place = ring.current();
        if (place == nullptr || ++taken < place->config.weight) continue;
        ring.advance();
        taken = 0;
    }
}

}  // namespace xvs::engine
