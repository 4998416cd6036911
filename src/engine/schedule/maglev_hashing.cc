#include "engine/schedule/maglev_hashing.h"

#include <algorithm>
#include <numeric>

#include "base/sip_hash.h"
#include "engine/schedule/address_hash.h"

namespace xvs::engine {
namespace {

// Constant, so that all directors agree. Kernel: ip_vs_mh_state_alloc's keys.
constexpr SipHashKey kPlaceKey{2654435761U, 2654435761U};
constexpr SipHashKey kStepKey{2654446892U, 2654446892U};

// A weight, as parts of the greatest common divisor, counts with so many bits.
constexpr unsigned kWeightBits = 6;

struct Share {
    std::uint32_t divisor = 0;  // 0: nobody has any weight
    unsigned shift = 0;
};

// Kernel: ip_vs_mh_gcd_weight(), ip_vs_mh_shift_weight().
Share share(const DestinationList& destinations, const DestinationState* gone) noexcept {
    Share result;
    std::uint32_t heaviest = 0;
    for (const DestinationState* each = destinations.first(); each != nullptr; each = each->next) {
        if (each == gone) continue;
        const auto weight = static_cast<std::uint32_t>(each->last_weight);
        result.divisor = std::gcd(result.divisor, weight);
        heaviest = std::max(heaviest, weight);
    }
    if (result.divisor == 0) return result;
    while ((heaviest / result.divisor) >> result.shift >> kWeightBits != 0)
        ++result.shift;
    return result;
}

// Kernel: ip_vs_mh_permutate() takes an address for one of the service's family, of which an IPv4
// one has 32 bits.
std::uint32_t folded_as_of_service(const DestinationState& destination) noexcept {
    const net::IpAddress& address = destination.config.real.address;
    const bool is_short = destination.service_key.family() == net::Family::Ipv4 &&
                          address.family() == net::Family::Ipv6;
    return is_short ? load_be32(address.bytes().data()) : folded(address);
}

}  // namespace

// Kernel: ip_vs_mh_get(), ip_vs_mh_get_fallback().
DestinationState* MaglevHashing::schedule(const DestinationList& destinations,
                                          const ScheduleRequest& request) noexcept {
    if (is_stale_) fill(destinations, nullptr);
    if (owners_.empty()) return nullptr;
    const std::uint32_t hashed = hashed_port(request) + folded(request.client);
    DestinationState* const own = owner(hashed);
    if (own == nullptr || own->is_eligible()) return own;
    if (!has_fallback(request.service_flags)) return nullptr;
    const std::uint32_t place = sip_hash_1_3(hashed, kPlaceKey) % kTableSize;
    for (std::uint32_t tried = 0; tried < kTableSize; ++tried) {
        DestinationState* const candidate = owner((tried + place) % kTableSize + hashed);
        if (candidate == nullptr || candidate->is_eligible()) return candidate;
    }
    return nullptr;
}

DestinationState* MaglevHashing::owner(std::uint32_t hashed) const noexcept {
    return owner_of_place(sip_hash_1_3(hashed, kPlaceKey) % kTableSize);
}

ClientTable MaglevHashing::client_table(std::uint32_t service_flags) const noexcept {
    const std::uint32_t port = hashes_port(service_flags) ? XVS_STOCK_WITH_PORT : 0;
    return {.kind = XVS_STOCK_BY_MH | port, .places = kTableSize};
}

// Whom the fallback finds depends on more of the client than its place.
DestinationState* MaglevHashing::at_place(const DestinationList& destinations,
                                          std::uint32_t place,
                                          std::uint32_t /*service_flags*/) noexcept {
    if (is_stale_) fill(destinations, nullptr);
    if (owners_.empty()) return nullptr;
    DestinationState* const own = owner_of_place(place);
    return own != nullptr && own->is_eligible() ? own : nullptr;
}

DestinationState* MaglevHashing::owner_of_place(std::uint32_t place) const noexcept {
    const std::uint16_t walk = owners_[place];
    return walk == kNobody ? nullptr : walks_[walk].destination;
}

void MaglevHashing::destination_added(const DestinationList& destinations) {
    if (destinations.size() <= kTableSize) {
        make_room(destinations.size());
        is_stale_ = true;
    } else if (is_stale_) {
        fill(destinations, destinations.first());
    }
}

void MaglevHashing::destination_will_go(const DestinationList& destinations,
                                        const DestinationState& destination) {
    if (destinations.size() - 1 <= kTableSize) {
        is_stale_ = true;
        return;
    }
    for (Walk& walk : walks_) {
        if (walk.destination == &destination) walk.destination = nullptr;
    }
}

void MaglevHashing::destination_changed(const DestinationList& destinations,
                                        const DestinationState& /*destination*/,
                                        std::int32_t former_weight) {
    (void)former_weight;
    if (destinations.size() <= kTableSize) is_stale_ = true;
}

void MaglevHashing::take_charge(const DestinationList& destinations) {
    make_room(destinations.size());
    is_stale_ = true;
}

void MaglevHashing::make_room(std::size_t count) {
    if (owners_.empty()) owners_.resize(kTableSize, kNobody);
    if (walks_.capacity() < count) walks_.reserve(std::max(count, 2 * walks_.capacity()));
}

void MaglevHashing::fill(const DestinationList& destinations,
                         const DestinationState* gone) noexcept {
    is_stale_ = false;
    std::fill(owners_.begin(), owners_.end(), kNobody);
    begin_walks(destinations, gone);
    const bool has_any =
        std::any_of(walks_.begin(), walks_.end(), [](const Walk& walk) { return walk.turns > 0; });
    if (!has_any) return;
    // Kernel: ip_vs_mh_populate(). In each round every server takes the next free places of its
    // walk, as many as it has turns.
    for (std::uint16_t taken = 0;;) {
        for (std::size_t each = 0; each < walks_.size(); ++each) {
            Walk& walk = walks_[each];
            for (std::uint32_t turn = 0; turn < walk.turns; ++turn) {
                while (owners_[walk.place] != kNobody) {
                    const std::uint32_t next = std::uint32_t{walk.place} + walk.step;
                    walk.place = static_cast<std::uint16_t>(next % kTableSize);
                }
                owners_[walk.place] = static_cast<std::uint16_t>(each);
                if (++taken == kTableSize) return;
            }
        }
    }
}

// Kernel: ip_vs_mh_permutate(). A quiesced server keeps its places by its last weight.
void MaglevHashing::begin_walks(const DestinationList& destinations,
                                const DestinationState* gone) noexcept {
    const auto [divisor, shift] = share(destinations, gone);
    walks_.clear();
    for (DestinationState* each = destinations.first(); each != nullptr; each = each->next) {
        if (each == gone) continue;
        const std::uint32_t hashed =
            net::number(each->config.real.port) + folded_as_of_service(*each);
        const auto weight = static_cast<std::uint32_t>(each->last_weight);
        const std::uint32_t turns = weight == 0 ? 0 : (weight / divisor) >> shift;
        walks_.push_back(
            {.destination = each,
             .place = static_cast<std::uint16_t>(sip_hash_1_3(hashed, kPlaceKey) % kTableSize),
             .step = static_cast<std::uint16_t>(
                 (sip_hash_1_3(hashed, kStepKey) % (kTableSize - 1)) + 1),
             .turns = weight == 0 ? 0 : std::max<std::uint32_t>(turns, 1)});
    }
}

}  // namespace xvs::engine
