#include "control/engine_service_manager.h"

#include <algorithm>

#include "model/validate.h"

namespace xvs::control {
namespace {

tl::unexpected<Error> no_service(const model::ServiceKey& key) {
    return fail(ErrorCode::NoSuchService, "no " + key.to_string());
}

}  // namespace

Status EngineServiceManager::add_service(const model::VirtualService& service) {
    const std::scoped_lock lock(gate_);
    return engine_.services().add_service(service);
}

Status EngineServiceManager::edit_service(const model::VirtualService& service) {
    const std::scoped_lock lock(gate_);
    return engine_.services().edit_service(service);
}

Status EngineServiceManager::remove_service(const model::ServiceKey& key) {
    while (remove_some(key)) {
    }
    while (remove_some_access(key)) {
    }
    const std::scoped_lock lock(gate_);
    return engine_.services().remove_service(key);
}

// Real servers first, a few at a time: new connections go to those that are left meanwhile.
bool EngineServiceManager::remove_some(const model::ServiceKey& key) {
    const std::scoped_lock lock(gate_);
    engine_.catch_up();  // what has begun in the kernel counts for the service
    return engine_.services().remove_destinations(key, kRemovalsAtOnce);
}

// It has no real servers any more: nobody gets in whom the rest of the list would refuse.
bool EngineServiceManager::remove_some_access(const model::ServiceKey& key) {
    const auto rules = access_rules_.of_service(key, kRemovalsAtOnce);
    const std::scoped_lock lock(gate_);
    for (const model::AccessRule& rule : rules) {
        static_cast<void>(engine_.services().remove_access_rule(rule));
        static_cast<void>(access_rules_.remove(rule));
    }
    return !rules.empty();
}

void EngineServiceManager::flush() {
    for (const model::VirtualService& service : configured_services())
        static_cast<void>(remove_service(service.key));
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
    engine_.catch_up();  // what has begun in the kernel counts for the service
    return engine_.services().remove_destination(key, real);
}

Result<ServiceStatus> EngineServiceManager::get_service(const model::ServiceKey& key) const {
    const model::ServiceKey wanted = model::canonical(key);
    engine::ServiceListing listing;
    while (true) {
        const std::scoped_lock lock(gate_);
        engine_.catch_up();
        const engine::Services& services = engine_.services();
        const engine::ServiceState* service = services.find(wanted);
        if (service == nullptr) return no_service(key);
        if (!services.sum_up(*service, listing)) continue;
        return ServiceStatus{.service = service->config,
                             .statistics = services.statistics(*service, listing)};
    }
}

Result<model::VirtualService> EngineServiceManager::configured_service(
    const model::ServiceKey& key) const {
    const std::scoped_lock lock(gate_);
    const engine::ServiceState* service = engine_.services().find(model::canonical(key));
    if (service == nullptr) return no_service(key);
    return service->config;
}

std::vector<ServiceStatus> EngineServiceManager::services() const {
    std::vector<ServiceStatus> all;
    engine::ServiceListing listing;
    bool has_more = true;
    while (has_more) {
        const std::scoped_lock lock(gate_);
        engine_.catch_up();
        has_more = engine_.services().for_each_service(
            listing,
            [&all](const engine::ServiceState& service, const model::Statistics& statistics) {
                all.push_back({.service = service.config, .statistics = statistics});
            });
    }
    return all;
}

std::vector<model::VirtualService> EngineServiceManager::configured_services() const {
    std::vector<model::VirtualService> all;
    const std::scoped_lock lock(gate_);
    const auto& services = engine_.services().in_order();
    all.reserve(services.size());
    for (const engine::ServiceState* service : services)
        all.push_back(service->config);
    return all;
}

bool EngineServiceManager::for_each_destination(
    const model::ServiceKey& key,
    model::DestinationPlace& place,
    std::size_t limit,
    const std::function<void(const model::Destination&)>& visit) const {
    const std::scoped_lock lock(gate_);
    const engine::ServiceState* service = engine_.services().find(model::canonical(key));
    if (service == nullptr) return false;
    return engine_.services().for_each_destination(
        *service, place, limit, [&visit](const engine::DestinationState& destination) {
            visit(destination.config);
        });
}

std::vector<DestinationStatus> EngineServiceManager::destinations(
    const model::ServiceKey& key) const {
    std::vector<DestinationStatus> all;
    model::DestinationPlace place;
    while (list_some(key, place, all)) {
    }
    return all;
}

bool EngineServiceManager::list_some(const model::ServiceKey& key,
                                     model::DestinationPlace& place,
                                     std::vector<DestinationStatus>& all) const {
    const std::scoped_lock lock(gate_);
    engine_.catch_up();
    const engine::Services& services = engine_.services();
    const engine::ServiceState* service = services.find(model::canonical(key));
    if (service == nullptr) return false;
    if (all.empty()) all.reserve(service->destinations.size());
    return services.for_each_destination(
        *service,
        place,
        services.destinations_at_once(),
        [&](const engine::DestinationState& each) {
            all.push_back({.destination = each.config,
                           .active_connections = each.active_connections,
                           .inactive_connections = each.inactive_connections(),
                           .persistent_connections = each.persistent_connections,
                           .statistics = services.statistics(each)});
        });
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
    engine::TotalListing listing;
    while (true) {
        const std::scoped_lock lock(gate_);
        engine_.catch_up();
        if (engine_.services().sum_up(listing)) return engine_.services().total(listing);
    }
}

Status EngineServiceManager::zero(const model::ServiceKey& key) {
    const model::ServiceKey wanted = model::canonical(key);
    engine::ServiceListing listing;
    while (true) {
        const std::scoped_lock lock(gate_);
        engine_.catch_up();
        engine::ServiceState* service = engine_.services().find(wanted);
        if (service == nullptr) return no_service(key);
        if (engine_.services().zero(*service, listing)) return {};
    }
}

// One that is removed meanwhile has nothing to show any more.
void EngineServiceManager::zero_all() {
    for (const model::VirtualService& service : configured_services())
        static_cast<void>(zero(service.key));
    engine::TotalListing listing;
    while (true) {
        const std::scoped_lock lock(gate_);
        engine_.catch_up();
        if (!engine_.services().sum_up(listing)) continue;
        engine_.services().zero_total(listing);
        return;
    }
}

model::Timeouts EngineServiceManager::timeouts() const {
    const std::scoped_lock lock(gate_);
    return engine_.timeouts();
}

void EngineServiceManager::set_timeouts(const model::Timeouts& timeouts) {
    const std::scoped_lock lock(gate_);
    engine_.set_timeouts(timeouts);
}

Status EngineServiceManager::add_mark_rule(const model::MarkRule& rule) {
    if (auto status = mark_rules_.add(rule); !status) return status;
    publish_mark_rules();
    return {};
}

Status EngineServiceManager::remove_mark_rule(const model::MarkRule& rule) {
    if (auto status = mark_rules_.remove(rule); !status) return status;
    publish_mark_rules();
    return {};
}

std::vector<model::MarkRule> EngineServiceManager::mark_rules() const {
    return mark_rules_.all();
}

void EngineServiceManager::interfaces_changed() {
    const auto& rules = mark_rules_.all();
    const bool has_named = std::any_of(
        rules.begin(), rules.end(), [](const auto& rule) { return !rule.interface.empty(); });
    if (has_named) publish_mark_rules();
}

void EngineServiceManager::publish_mark_rules() {
    const std::vector<xvs_mark_rule> rules = mark_rules_.compiled();
    const std::scoped_lock lock(gate_);
    engine_.services().set_mark_rules(rules);
}

Status EngineServiceManager::add_access_rule(const model::AccessRule& rule) {
    {
        const std::scoped_lock lock(gate_);
        if (auto added = engine_.services().add_access_rule(rule); !added) return added;
    }
    return access_rules_.add(rule);
}

Status EngineServiceManager::remove_access_rule(const model::AccessRule& rule) {
    {
        const std::scoped_lock lock(gate_);
        if (auto removed = engine_.services().remove_access_rule(rule); !removed) return removed;
    }
    return access_rules_.remove(rule);
}

bool EngineServiceManager::for_each_access_rule(
    AccessPlace& place,
    std::size_t limit,
    const std::function<void(const model::AccessRule&)>& visit) const {
    return access_rules_.for_each(place, limit, visit);
}

model::Sysctls EngineServiceManager::sysctls() const {
    const std::scoped_lock lock(gate_);
    return engine_.sysctls();
}

Status EngineServiceManager::set_sysctl(const model::SysctlValue& wanted) {
    const std::scoped_lock lock(gate_);
    return engine_.set_sysctl(wanted.name, wanted.value);
}

std::uint32_t EngineServiceManager::connection_capacity() const {
    const std::scoped_lock lock(gate_);
    return engine_.connection_capacity();
}

}  // namespace xvs::control
