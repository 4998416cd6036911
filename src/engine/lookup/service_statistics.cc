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

model::Statistics Services::statistics(const ServiceState& service) const noexcept {
    return read(
        raw(service), load(tables_.service_totals(service.index).zeroed), service.scaled_rates);
}

model::Statistics Services::statistics(const DestinationState& destination) const noexcept {
    return read(raw(destination),
                load(tables_.destination_totals(destination.index).zeroed),
                destination.scaled_rates);
}

model::Statistics Services::total() const noexcept {
    return read(raw_total(), load(tables_.totals().zeroed), scaled_rates_);
}

void Services::zero(ServiceState& service) noexcept {
    for (DestinationState* each = service.destinations.first(); each != nullptr;
         each = each->next) {
        forget_counts(*each);
        each->scaled_rates = {};
    }
    store(tables_.service_totals(service.index).zeroed, raw(service));
    service.scaled_rates = {};
}

void Services::zero_all() noexcept {
    for (ServiceState* service : order_)
        zero(*service);
    store(tables_.totals().zeroed, raw_total());
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

model::Counters Services::raw(const ServiceState& service) const noexcept {
    model::Counters sum = load(tables_.service_totals(service.index).absorbed);
    for (const DestinationState* each = service.destinations.first(); each; each = each->next) {
        sum += raw(*each);
    }
    return sum;
}

model::Counters Services::raw_total() const noexcept {
    model::Counters sum = load(tables_.totals().absorbed);
    for (const DestinationState& each : destinations_) {
        if (each.index != XVS_NONE) sum += raw(each);
    }
    return sum;
}

}  // namespace xvs::engine
