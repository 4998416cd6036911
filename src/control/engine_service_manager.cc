#include "control/engine_service_manager.h"

#include "model/validate.h"

namespace xvs::control {

Status EngineServiceManager::add_service(const model::VirtualService& service) {
    const std::scoped_lock lock(gate_);
    return engine_.services().add_service(service);
}

Status EngineServiceManager::edit_service(const model::VirtualService& service) {
    const std::scoped_lock lock(gate_);
    return engine_.services().edit_service(service);
}

Status EngineServiceManager::remove_service(const model::ServiceKey& key) {
    const std::scoped_lock lock(gate_);
    return engine_.services().remove_service(key);
}

void EngineServiceManager::flush() {
    const std::scoped_lock lock(gate_);
    engine_.services().flush();
}

Status EngineServiceManager::add_destination(const model::ServiceKey& key,
                                             const model::Destination& destination) {
    const std::scoped_lock lock(gate_);
    return engine_.services().add_destination(key, destination);
}

Status EngineServiceManager::edit_destination(const model::ServiceKey& key,
                                              const model::Destination& destination) {
    const std::scoped_lock lock(gate_);
    return engine_.services().edit_destination(key, destination);
}

Status EngineServiceManager::remove_destination(const model::ServiceKey& key,
                                                const net::Endpoint& real) {
    const std::scoped_lock lock(gate_);
    return engine_.services().remove_destination(key, real);
}

Result<ServiceStatus> EngineServiceManager::get_service(const model::ServiceKey& key) const {
    const std::scoped_lock lock(gate_);
    const engine::Services& services = engine_.services();
    const engine::ServiceState* service = services.find(model::canonical(key));
    if (service == nullptr) return fail(ErrorCode::NoSuchService, "no " + key.to_string());
    return ServiceStatus{.service = service->config, .statistics = services.statistics(*service)};
}

std::vector<ServiceStatus> EngineServiceManager::services() const {
    const std::scoped_lock lock(gate_);
    const engine::Services& services = engine_.services();
    std::vector<ServiceStatus> all;
    all.reserve(services.in_order().size());
    for (const engine::ServiceState* service : services.in_order()) {
        all.push_back({.service = service->config, .statistics = services.statistics(*service)});
    }
    return all;
}

std::vector<DestinationStatus> EngineServiceManager::destinations(
    const model::ServiceKey& key) const {
    const std::scoped_lock lock(gate_);
    engine_.catch_up();
    const engine::Services& services = engine_.services();
    std::vector<DestinationStatus> all;
    const engine::ServiceState* service = services.find(model::canonical(key));
    if (service == nullptr) return all;
    all.reserve(service->destinations.size());
    for (const engine::DestinationState* each = service->destinations.first(); each != nullptr;
         each = each->next) {
        all.push_back({.destination = each->config,
                       .active_connections = each->active_connections,
                       .inactive_connections = each->inactive_connections(),
                       .persistent_connections = each->persistent_connections,
                       .statistics = services.statistics(*each)});
    }
    return all;
}

std::uint64_t EngineServiceManager::for_each_connection(
    std::uint64_t cursor,
    std::size_t limit,
    const std::function<void(const model::ConnectionInfo&)>& visit) const {
    const std::scoped_lock lock(gate_);
    engine_.catch_up();
    return engine_.for_each_connection(cursor, limit, visit);
}

model::Statistics EngineServiceManager::total() const {
    const std::scoped_lock lock(gate_);
    return engine_.services().total();
}

Status EngineServiceManager::zero(const model::ServiceKey& key) {
    const std::scoped_lock lock(gate_);
    engine::ServiceState* service = engine_.services().find(model::canonical(key));
    if (service == nullptr) return fail(ErrorCode::NoSuchService, "no " + key.to_string());
    engine_.services().zero(*service);
    return {};
}

void EngineServiceManager::zero_all() {
    const std::scoped_lock lock(gate_);
    engine_.services().zero_all();
}

model::Timeouts EngineServiceManager::timeouts() const {
    const std::scoped_lock lock(gate_);
    return engine_.timeouts();
}

void EngineServiceManager::set_timeouts(const model::Timeouts& timeouts) {
    const std::scoped_lock lock(gate_);
    engine_.set_timeouts(timeouts);
}

std::uint32_t EngineServiceManager::connection_capacity() const {
    const std::scoped_lock lock(gate_);
    return engine_.connection_capacity();
}

}  // namespace xvs::control
