// What firewall-mark services have instead of a real server: cache_bypass.
#include "engine/lookup/services.h"
#include "engine/ticks.h"
#include "flow/shared_field.h"

namespace xvs::engine {

Status Services::prepare_bypass() {
    for (ServiceState* const service : order_) {
        if (const Status prepared = prepare_bypass(*service); !prepared) return prepared;
    }
    return {};
}

// One that has connections still goes on, whatever is set.
Status Services::prepare_bypass(ServiceState& service) {
    const model::ServiceKey& key = service.config.key;
    if (key.fwmark == 0 || service.bypass != nullptr) return {};
    const net::IpAddress nowhere = key.family() == net::Family::Ipv4
                                       ? net::IpAddress(net::Ipv4Address{})
                                       : net::IpAddress(net::Ipv6Address{});
    model::Destination wanted;
    wanted.real = {.address = nowhere, .port = net::Port{0}};
    wanted.method = model::ForwardingMethod::Bypass;
    DestinationState* destination = revive(key, wanted.real);
    if (destination == nullptr) {
        if (sysctls_.cache_bypass == 0) return {};
        destination = make_destination(key);
    }
    if (destination == nullptr) {
        return fail(ErrorCode::OutOfMemory,
                    "no room for what cache_bypass needs of " + key.to_string());
    }
    destination->service = &service;
    destination->is_available = true;
    destination->is_adopted = false;
    apply(*destination, wanted);
    service.bypass = destination;
    return {};
}

// Kernel: connections without a destination stay.
void Services::leave_bypass(ServiceState& service) {
    DestinationState* const destination = std::exchange(service.bypass, nullptr);
    if (destination == nullptr) return;
    flow::store_release(tables_.destinations()[destination->index].service, XVS_NONE);
    destination->service = nullptr;
    destination->idle_since_tick = to_tick(clock_.now());
    trash_.emplace(destination->config.real, destination->index);
}

}  // namespace xvs::engine
