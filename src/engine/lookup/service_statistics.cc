#include <algorithm>

#include "engine/lookup/services.h"

namespace xvs::engine {
namespace {

model::Counters load(const xvs_sums& sums) noexcept {
    return {.connections = sums.connections,
            .packets_in = sums.counters.packets_in,
            .packets_out = sums.counters.packets_out,
            .bytes_in = sums.counters.bytes_in,
            .bytes_out = sums.counters.bytes_out};
}

void store(xvs_sums& sums, const model::Counters& counters) noexcept {
    sums = {.connections = counters.connections,
            .counters = {.packets_in = counters.packets_in,
                         .bytes_in = counters.bytes_in,
                         .packets_out = counters.packets_out,
                         .bytes_out = counters.bytes_out}};
}

model::Statistics read(model::Counters counters,
                       const model::Counters& zeroed,
                       const model::Rates& scaled) noexcept {
    counters -= zeroed;
    return {.counters = counters, .rates = read_rates(scaled)};
}

}  // namespace

model::Statistics Services::statistics(const ServiceState& service,
                                       const ServiceListing& whole) const noexcept {
    return read(
        whole.sum, load(tables_.service_totals(service.index).zeroed), service.scaled_rates);
}

model::Statistics Services::statistics(const DestinationState& destination) const noexcept {
    return read(raw(destination),
                load(tables_.destination_totals(destination.index).zeroed),
                destination.scaled_rates);
}

model::Statistics Services::total(const TotalListing& whole) const noexcept {
    return read(whole.sum, load(tables_.totals().zeroed), scaled_rates_);
}

bool Services::zero(ServiceState& service, ServiceListing& listing) {
    begin_sum(service, listing);
    const bool has_more = for_each_destination(
        service, listing.place, destinations_at_once(), [&](const DestinationState& each) {
            DestinationState& destination = destinations_[each.index];
            forget_counts(destination);
            destination.scaled_rates = {};
            listing.sum += load(tables_.destination_totals(destination.index).zeroed);
        });
    if (has_more) return false;
    store(tables_.service_totals(service.index).zeroed, listing.sum);
    service.scaled_rates = {};
    return true;
}

void Services::zero_total(const TotalListing& whole) noexcept {
    store(tables_.totals().zeroed, whole.sum);
    scaled_rates_ = {};
}

// Its counts are those of what is to come from now on.
void Services::forget_counts(DestinationState& destination) noexcept {
    store(tables_.destination_totals(destination.index).zeroed, raw(destination));
}

void Services::absorb(xvs_sums& absorbed, const DestinationState& destination) const noexcept {
    model::Counters sum = load(absorbed);
    sum += raw(destination);
    store(absorbed, sum);
}

void Services::give_back(xvs_sums& absorbed, const DestinationState& destination) const noexcept {
    model::Counters sum = load(absorbed);
    sum -= raw(destination);
    store(absorbed, sum);
}

model::Counters Services::raw(const DestinationState& destination) const noexcept {
    model::Counters sum{.connections = tables_.destination_totals(destination.index).connections};
    for (std::uint32_t row = 0; row < tables_.header().counter_rows; ++row) {
        const xvs_counters& counters = tables_.counters(row, destination.index);
        sum.packets_in += counters.packets_in;
        sum.packets_out += counters.packets_out;
        sum.bytes_in += counters.bytes_in;
        sum.bytes_out += counters.bytes_out;
    }
    return sum;
}

model::Counters Services::absorbed(const ServiceState& service) const noexcept {
    return load(tables_.service_totals(service.index).absorbed);
}

bool Services::sum_up(TotalListing& listing) const noexcept {
    const bool is_outdated = listing.freed != freed_ && listing.restarts++ < kMaxRestarts;
    if (listing.next == 0 || is_outdated) {
        listing.next = 0;
        listing.freed = freed_;
        listing.sum = load(tables_.totals().absorbed);
    }
    for (std::size_t left = destinations_at_once(); left > 0; --left) {
        if (listing.next >= destinations_.size()) return true;
        const DestinationState& each = destinations_[listing.next++];
        if (each.index != XVS_NONE && !each.is_bypass()) listing.sum += raw(each);
    }
    return listing.next >= destinations_.size();
}

void Services::sample(DestinationState& destination) noexcept {
    const model::Counters now = raw(destination);
    model::Counters since = now;
    since -= destination.estimated_from;
    if (destination.service != nullptr) destination.service->sampled += since;
    sampled_ += since;
    destination.estimated_from = now;
}

bool Services::estimate_rates(Nanoseconds elapsed) noexcept {
    const bool is_at_end = elapsed >= kEstimatePeriod;
    const std::size_t all = destinations_.size();
    const std::size_t due =
        is_at_end ? all
                  : all * static_cast<std::size_t>(elapsed.count()) /
                        static_cast<std::size_t>(Nanoseconds(kEstimatePeriod).count());
    std::size_t left = destinations_at_once();
    while (estimated_destinations_ < due) {
        if (left-- == 0) return false;
        DestinationState& destination = destinations_[estimated_destinations_++];
        if (destination.service == nullptr || destination.is_bypass()) continue;
        model::Counters from = destination.estimated_from;
        sample(destination);
        estimate(destination.estimated_from, from, destination.scaled_rates);
    }
    if (!is_at_end) return true;
    while (estimated_services_ < order_.size()) {
        if (left-- == 0) return false;
        ServiceState& service = *order_[estimated_services_++];
        estimate(service.sampled, service.estimated_from, service.scaled_rates);
    }
    estimate(sampled_, estimated_from_, scaled_rates_);
    estimated_destinations_ = 0;
    estimated_services_ = 0;
    return true;
}

std::size_t Services::destinations_at_once() const noexcept {
    return std::max<std::size_t>(kCountersAtOnce / tables_.header().counter_rows, 1);
}

bool Services::for_each_destination(
    const ServiceState& service,
    model::DestinationPlace& place,
    std::size_t limit,
    const std::function<void(const DestinationState&)>& visit) const {
    const DestinationState* next = service.destinations.first();
    const DestinationState* const last =
        place.index < destinations_.size() ? &destinations_[place.index] : nullptr;
    const bool is_there_still = last != nullptr && place.number != 0 &&
                                last->number == place.number && last->service == &service;
    if (is_there_still) {
        next = last->next;
    } else if (place.number != 0) {
        // It was removed. What stood before it, or was added since then, has a greater number.
        while (next != nullptr && next->number > place.number)
            next = next->next;
    }
    for (; next != nullptr && limit > 0; next = next->next, --limit) {
        visit(*next);
        place = {.number = next->number, .index = next->index};
    }
    return next != nullptr;
}

void Services::begin_sum(const ServiceState& service, ServiceListing& listing) const noexcept {
    const std::uint32_t epoch = tables_.services()[service.index].epoch;
    const bool is_new = listing.summed != service.number;
    if (is_new) listing.restarts = 0;
    if (!is_new && (listing.epoch == epoch || listing.restarts++ >= kMaxRestarts)) return;
    listing.summed = service.number;
    listing.epoch = epoch;
    listing.place = {};
    listing.sum = absorbed(service);
}

bool Services::sum_up(const ServiceState& service, ServiceListing& listing) const {
    begin_sum(service, listing);
    return !for_each_destination(
        service, listing.place, destinations_at_once(), [&](const DestinationState& destination) {
            listing.sum += raw(destination);
        });
}

bool Services::for_each_service(ServiceListing& listing, const VisitService& visit) const {
    std::size_t left = destinations_at_once();
    while (left > 0) {
        const auto next = std::upper_bound(order_.begin(),
                                           order_.end(),
                                           listing.listed,
                                           [](std::uint64_t number, const ServiceState* service) {
                                               return number < service->number;
                                           });
        if (next == order_.end()) return false;
        const ServiceState& service = **next;
        if (!sum_up(service, listing)) return true;
        visit(service, statistics(service, listing));
        listing.listed = service.number;
        left -= std::min(left, service.destinations.size() + 1);
    }
    return true;
}

}  // namespace xvs::engine
