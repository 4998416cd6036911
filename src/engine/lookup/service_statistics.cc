#include "engine/lookup/services.h"

namespace xvs::engine {
namespace {

model::Statistics read(model::Counters counters,
                       const model::Counters& zeroed,
                       const model::Rates& scaled) noexcept {
    counters -= zeroed;
    return {.counters = counters, .rates = read_rates(scaled)};
}

}  // namespace

model::Statistics Services::statistics(const ServiceState& service) const noexcept {
    return read(raw(service), service.zeroed, service.scaled_rates);
}

model::Statistics Services::statistics(const DestinationState& destination) const noexcept {
    return read(raw(destination), destination.zeroed, destination.scaled_rates);
}

model::Statistics Services::total() const noexcept {
    return read(raw_total(), zeroed_, scaled_rates_);
}

void Services::zero(ServiceState& service) noexcept {
    for (DestinationState* each = service.destinations.first(); each != nullptr;
         each = each->next) {
        each->zeroed = raw(*each);
        each->scaled_rates = {};
    }
    service.zeroed = raw(service);
    service.scaled_rates = {};
}

void Services::zero_all() noexcept {
    for (ServiceState* service : order_)
        zero(*service);
    zeroed_ = raw_total();
    scaled_rates_ = {};
}

model::Counters Services::raw(const DestinationState& destination) const noexcept {
    model::Counters sum{.connections = destination.connections};
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
    model::Counters sum = service.absorbed;
    for (const DestinationState* each = service.destinations.first(); each; each = each->next) {
        sum += raw(*each);
    }
    return sum;
}

model::Counters Services::raw_total() const noexcept {
    model::Counters sum = absorbed_;
    for (const DestinationState& each : destinations_) {
        if (each.index != XVS_NONE) sum += raw(each);
    }
    return sum;
}

}  // namespace xvs::engine
