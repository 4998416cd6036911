#include "engine/lookup/services.h"

#include <algorithm>

#include "engine/ticks.h"
#include "flow/shared_field.h"

namespace xvs::engine {
namespace {

constexpr net::Port kFtpPort{21};
constexpr net::Port kFtpDataPort{20};
constexpr std::uint16_t kFirstUnprivilegedPort = 1024;

// Kernel 6.1: the lower threshold, or three quarters of the upper one.
std::uint32_t effective_lower(const model::Destination& config) noexcept {
    if (config.lower_threshold != 0) return config.lower_threshold;
    return config.upper_threshold - (config.upper_threshold >> 2);
}

}  // namespace

std::size_t ServiceKeyHash::operator()(const model::ServiceKey& key) const noexcept {
    std::size_t hash = std::hash<net::IpAddress>{}(key.address);
    hash ^= (std::size_t{net::number(key.port)} << 16 | static_cast<std::size_t>(key.protocol)) *
            0x9e3779b97f4a7c15U;
    return hash ^ (std::size_t{key.fwmark} * 0xc2b2ae3d27d4eb4fU);
}

Services::Services(flow::Tables& tables,
                   Steering& steering,
                   Router& router,
                   const model::Sysctls& sysctls,
                   const Clock& clock)
    : tables_(tables), steering_(steering), router_(router), sysctls_(sysctls), clock_(clock) {
    surroundings_.has_scheduler = has_scheduler;
    surroundings_.has_persistence_engine = [](std::string_view name) {
        return name == "sip";  // by name alone: docs/compatibility.md
    };
    surroundings_.is_local = [this](const net::IpAddress& address) {
        return router_.is_local(address);
    };
    surroundings_.is_broadcast = [this](const net::IpAddress& address) {
        return router_.is_broadcast(address);
    };
    // So that no edit has to move all that is there to a larger table.
    services_.reserve(tables_.services().capacity());
    trash_.reserve(tables_.destinations().capacity());
    if (tables_.adoption() != nullptr) adopt();
}

Status Services::add_service(const model::VirtualService& asked) {
    model::VirtualService wanted = asked;
    wanted.key = model::canonical(asked.key);
    if (services_.contains(wanted.key))
        return fail(ErrorCode::AlreadyExists, wanted.key.to_string() + " exists already");
    if (const Status valid = model::check_service(wanted, surroundings_); !valid) return valid;
    auto service = std::make_unique<ServiceState>();
    service->config = wanted;
    service->config.flags |= model::kServiceHashed;
    service->scheduler = make_scheduler(wanted.scheduler, scheduler_parts());
    service->lock = &locks_.of(wanted.key);
    service->index = allocate_service(wanted.key);
    if (service->index == XVS_NONE)
        return fail(ErrorCode::OutOfMemory, "no room for another virtual service");
    if (const Status prepared = prepare_bypass(*service); !prepared) {
        tables_.services().free(service->index);
        return prepared;
    }
    count_service(wanted.key, +1);
    if (wanted.key.fwmark == 0) {
        steering_.add_service(wanted.key);
        learn_address(wanted.key.address);
    } else {
        learn_all_addresses();
    }
    service->number = ++last_number_;
    attach_stock(*service);
    order_.push_back(service.get());
    services_.emplace(wanted.key, std::move(service));
    return {};
}

// An earlier daemon's record, whose counts it goes on with, or a new one.
std::uint32_t Services::allocate_service(const model::ServiceKey& key) noexcept {
    if (const auto known = adopted_.find(key); known != adopted_.end()) {
        const std::uint32_t index = known->second;
        adopted_.erase(known);
        return index;
    }
    const std::uint32_t index = tables_.services().allocate();
    if (index == XVS_NONE) return XVS_NONE;
    tables_.service_totals(index) = {};
    xvs_service& record = tables_.services()[index];
    record.fwmark = key.fwmark;
    record.protocol = static_cast<std::uint8_t>(key.protocol);
    record.family = static_cast<std::uint8_t>(key.family());
    record.port = to_wire16(net::number(key.port));
    std::copy_n(reinterpret_cast<const std::uint8_t*>(key.address.bytes().data()),
                sizeof(record.address),
                record.address);
    return index;
}

std::uint32_t Services::generation_of(const ServiceState& service) const noexcept {
    return tables_.services()[service.index].generation;
}

Status Services::edit_service(const model::VirtualService& asked) {
    model::VirtualService wanted = asked;
    wanted.key = model::canonical(asked.key);
    ServiceState* service = find(wanted.key);
    if (service == nullptr) return fail(ErrorCode::NoSuchService, "no " + wanted.key.to_string());
    if (const Status valid = model::check_service(wanted, surroundings_); !valid) return valid;
    end_stock(*service);
    if (service->config.scheduler != wanted.scheduler) {
        if (const Status changed = change_scheduler(*service, wanted.scheduler); !changed)
            return changed;
    }
    service->config = wanted;
    service->config.flags |= model::kServiceHashed;
    ++tables_.services()[service->index].epoch;
    return {};
}

Status Services::remove_service(const model::ServiceKey& asked) {
    const model::ServiceKey key = model::canonical(asked);
    const auto found = services_.find(key);
    if (found == services_.end()) return fail(ErrorCode::NoSuchService, "no " + key.to_string());
    ServiceState& service = *found->second;
    end_stock(service);
    service.scheduler.reset();  // no use in telling it of each one
    while (!service.destinations.is_empty())
        unlink(service, *service.destinations.first());
    leave_bypass(service);
    clear_access(service);
    count_service(key, -1);
    if (key.fwmark == 0) {
        steering_.remove_service(key);
        forget_address(key.address);
    }
    service.stock.detach();  // last: no program finds it from here on
    tables_.services().free(service.index);
    const auto place = std::find(order_.begin(), order_.end(), &service);
    if (static_cast<std::size_t>(place - order_.begin()) < estimated_services_)
        --estimated_services_;
    order_.erase(place);
    services_.erase(found);
    return {};
}

void Services::flush() {
    while (!order_.empty())
        (void)remove_service(order_.back()->config.key);
}

Status Services::add_destination(const model::ServiceKey& asked, const model::Destination& wanted) {
    const model::ServiceKey key = model::canonical(asked);
    ServiceState* service = find(key);
    if (service == nullptr) return fail(ErrorCode::NoSuchService, "no " + key.to_string());
    if (const Status valid = check(key, wanted); !valid) return valid;
    if (find_destination(*service, wanted.real) != nullptr) {
        return fail(
            ErrorCode::AlreadyExists,
            wanted.real.to_string() + " is a real server of " + key.to_string() + " already");
    }
    if (const Status valid = model::check_real_address(wanted.real.address, surroundings_);
        !valid) {
        return valid;
    }
    DestinationState* destination = revive(key, wanted.real);
    if (destination == nullptr) {
        destination = make_destination(key);
        if (destination == nullptr)
            return fail(ErrorCode::OutOfMemory, "no room for another real server");
        learn_address(wanted.real.address);
        if (key.fwmark == 0) learn_address(key.address);
    }
    end_stock(*service);
    destination->service = service;
    destination->is_available = true;
    apply(*destination, wanted);
    destination->last_weight = wanted.weight;
    // Counts stay with a real server that returns to the same service. Kernel:
    // __ip_vs_update_dest().
    xvs_destination_totals& totals = tables_.destination_totals(destination->index);
    const bool is_new = totals.service_generation != generation_of(*service);
    if (is_new) forget_counts(*destination);
    totals.service_generation = generation_of(*service);
    const bool was_absorbed = is_new || !destination->is_adopted;
    destination->is_adopted = false;
    if (was_absorbed) give_back(tables_.service_totals(service->index).absorbed, *destination);
    destination->estimated_from = raw(*destination);
    destination->number = ++last_number_;
    service->destinations.push_front(*destination);
    service->by_endpoint.emplace(wanted.real, destination);
    if (service->scheduler) service->scheduler->destination_added(service->destinations);
    ++tables_.services()[service->index].epoch;
    return {};
}

// Returns nullptr where there is no room.
DestinationState* Services::make_destination(const model::ServiceKey& key) {
    const std::uint32_t index = tables_.destinations().allocate();
    if (index == XVS_NONE) return nullptr;
    while (destinations_.size() <= index)
        destinations_.emplace_back();
    DestinationState& destination = destinations_[index];
    destination = DestinationState{};
    destination.index = index;
    destination.service_key = key;
    destination.created = ++last_number_;
    destination.lock = &locks_.of(key);
    tables_.destination_totals(index) = {};
    return &destination;
}

Status Services::edit_destination(const model::ServiceKey& asked,
                                  const model::Destination& wanted) {
    const model::ServiceKey key = model::canonical(asked);
    ServiceState* service = find(key);
    if (service == nullptr) return fail(ErrorCode::NoSuchService, "no " + key.to_string());
    if (const Status valid = check(key, wanted); !valid) return valid;
    DestinationState* destination = find_destination(*service, wanted.real);
    if (destination == nullptr) {
        return fail(ErrorCode::NotFound,
                    wanted.real.to_string() + " is not a real server of " + key.to_string());
    }
    end_stock(*service);
    const std::int32_t former_weight = destination->config.weight;
    apply(*destination, wanted);
    if (wanted.weight != 0) destination->last_weight = wanted.weight;
    if (service->scheduler) {
        service->scheduler->destination_changed(service->destinations, *destination, former_weight);
    }
    ++tables_.services()[service->index].epoch;
    return {};
}

// Kernel IPVS may leave a checksum inside to the far end of a GUE tunnel.
Status Services::check(const model::ServiceKey& key, const model::Destination& wanted) {
    if (const Status valid = model::check_destination(key.family(), wanted); !valid) return valid;
    if (wanted.method == model::ForwardingMethod::Tunnel &&
        wanted.tunnel.type != model::TunnelType::Ipip &&
        wanted.tunnel.flags > model::kTunnelChecksum) {
        return fail(ErrorCode::NotSupported,
                    "remote checksums are not there: add " + wanted.real.to_string() +
                        " with --tun-csum or --tun-nocsum");
    }
    return {};
}

Status Services::remove_destination(const model::ServiceKey& asked, const net::Endpoint& real) {
    const model::ServiceKey key = model::canonical(asked);
    ServiceState* service = find(key);
    if (service == nullptr) return fail(ErrorCode::NoSuchService, "no " + key.to_string());
    DestinationState* destination = find_destination(*service, real);
    if (destination == nullptr) {
        return fail(ErrorCode::NotFound,
                    real.to_string() + " is not a real server of " + key.to_string());
    }
    unlink(*service, *destination);
    return {};
}

bool Services::remove_destinations(const model::ServiceKey& key, std::size_t limit) {
    ServiceState* service = find(model::canonical(key));
    if (service == nullptr) return false;
    for (std::size_t removed = 0; removed < limit && !service->destinations.is_empty(); ++removed)
        unlink(*service, *service->destinations.first());
    return !service->destinations.is_empty();
}

void Services::learn_address(const net::IpAddress& address) {
    addresses_.add(address);
    steering_.add_address(address);
}

// Packets of a service by firewall mark come to any address, and its connections stay when it goes.
void Services::learn_all_addresses() {
    addresses_.hold_all();
    steering_.remember_everyone();
}

void Services::set_mark_rules(std::span<const xvs_mark_rule> rules) {
    mark_rules_.set(rules);
    steering_.set_mark_rules(rules);
}

void Services::forget_address(const net::IpAddress& address) {
    addresses_.remove(address);
    steering_.remove_address(address);
}

ServiceState* Services::find_for_packet(std::uint32_t fwmark,
                                        model::Protocol protocol,
                                        const net::IpAddress& vip,
                                        net::Port port) noexcept {
    if (fwmark != 0) {
        if (ServiceState* service = find(model::canonical({.address = vip, .fwmark = fwmark}))) {
            return service;
        }
    }
    model::ServiceKey key{.protocol = protocol, .address = vip, .port = port, .fwmark = 0};
    if (ServiceState* service = find(key)) return service;
    const bool may_be_ftp_data =
        port == kFtpDataPort || net::number(port) >= kFirstUnprivilegedPort;
    if (ftp_services_ != 0 && protocol == model::Protocol::Tcp && may_be_ftp_data) {
        key.port = kFtpPort;
        if (ServiceState* service = find(key)) return service;
    }
    if (any_port_services_ != 0) {
        key.port = net::Port{0};
        return find(key);
    }
    return nullptr;
}

ServiceState* Services::find(const model::ServiceKey& key) noexcept {
    const auto found = services_.find(key);
    return found == services_.end() ? nullptr : found->second.get();
}

const ServiceState* Services::find(const model::ServiceKey& key) const noexcept {
    const auto found = services_.find(key);
    return found == services_.end() ? nullptr : found->second.get();
}

void Services::bind(DestinationState& destination, bool is_active) noexcept {
    ++destination.total_connections;
    if (is_active) ++destination.active_connections;
    const std::uint32_t upper = destination.config.upper_threshold;
    if (upper != 0 && destination.total_connections == upper) set_overloaded(destination, true);
}

void Services::unbind(DestinationState& destination, bool is_active) noexcept {
    const std::uint32_t before = destination.total_connections--;
    if (is_active) --destination.active_connections;
    const bool reached_lower = before == effective_lower(destination.config);
    if (destination.config.upper_threshold != 0 && reached_lower) review_overload(destination);
    if (destination.total_connections == 0) destination.idle_since_tick = to_tick(clock_.now());
}

void Services::unbind_template(DestinationState& destination) noexcept {
    --destination.persistent_connections;
    destination.idle_since_tick = to_tick(clock_.now());
}

DestinationState* Services::find_destination(const ServiceState& service,
                                             const net::Endpoint& real) noexcept {
    const auto found = service.by_endpoint.find(real);
    return found == service.by_endpoint.end() ? nullptr : found->second;
}

void Services::apply(DestinationState& destination, const model::Destination& wanted) {
    release_translation(destination);
    // Connections take another tunnel with their next packet. Kernel: ip_vs_tunnel_xmit().
    if (destination.config.tunnel != wanted.tunnel && !destination.is_adopted)
        tables_.translations().forget_tunnels(destination.index);
    destination.config = wanted;
    steer_replies(destination, wanted.method == model::ForwardingMethod::Masquerade);
    list_nat_server(destination, wanted.method == model::ForwardingMethod::Masquerade);
    xvs_destination& record = tables_.destinations()[destination.index];
    record.service = destination.service->index;
    record.method = static_cast<std::uint8_t>(wanted.method);
    record.family = static_cast<std::uint8_t>(wanted.real.address.family());
    record.port = to_wire16(net::number(wanted.real.port));
    std::copy_n(reinterpret_cast<const std::uint8_t*>(wanted.real.address.bytes().data()),
                sizeof(record.address),
                record.address);
    const model::ServiceKey& key = destination.service_key;
    record.virtual_family = static_cast<std::uint8_t>(key.family());
    record.virtual_port = to_wire16(net::number(key.port));
    std::copy_n(reinterpret_cast<const std::uint8_t*>(key.address.bytes().data()),
                sizeof(record.virtual_address),
                record.virtual_address);
    record.virtual_fwmark = key.fwmark;
    record.virtual_protocol = static_cast<std::uint8_t>(key.protocol);
    flow::store_release(record.flags, static_cast<__u8>(record.flags | XVS_DESTINATION_AVAILABLE));
    tables_.translations().suspend(destination.index, false);
    review_overload(destination);
}

void Services::review_overload(DestinationState& destination) noexcept {
    const std::uint32_t upper = destination.config.upper_threshold;
    if (upper == 0) {
        set_overloaded(destination, false);
    } else if (destination.total_connections >= upper) {
        set_overloaded(destination, true);
    } else if (destination.total_connections < effective_lower(destination.config)) {
        set_overloaded(destination, false);
    }
}

// Between its thresholds it stays what it was, over a restart too.
void Services::set_overloaded(DestinationState& destination, bool is_overloaded) noexcept {
    if (destination.service != nullptr && destination.is_overloaded != is_overloaded)
        end_stock(*destination.service);
    destination.is_overloaded = is_overloaded;
    xvs_destination& record = tables_.destinations()[destination.index];
    const unsigned others = record.flags & ~XVS_DESTINATION_OVERLOADED;
    const auto wanted =
        static_cast<__u8>(others | (is_overloaded ? XVS_DESTINATION_OVERLOADED : 0));
    if (record.flags != wanted) flow::store_release(record.flags, wanted);
}

void Services::unlink(ServiceState& service, DestinationState& destination) {
    end_stock(service);
    if (service.scheduler)
        service.scheduler->destination_will_go(service.destinations, destination);
    sample(destination);
    service.destinations.remove(destination);
    service.by_endpoint.erase(destination.config.real);
    absorb(tables_.service_totals(service.index).absorbed, destination);
    ++tables_.services()[service.index].epoch;
    steer_replies(destination, false);
    list_nat_server(destination, false);
    // All that were removed before, too.
    has_orphaned_ |= sysctls_.expire_nodest_conn != 0;
    make_unavailable(destination);
    destination.is_available = false;
    destination.service = nullptr;
    destination.idle_since_tick = to_tick(clock_.now());
    trash_.emplace(destination.config.real, destination.index);
}

void Services::make_unavailable(const DestinationState& destination) noexcept {
    __u8& flags = tables_.destinations()[destination.index].flags;
    flow::store_release(flags, static_cast<__u8>(flags & ~XVS_DESTINATION_AVAILABLE));
    tables_.translations().suspend(destination.index, true);
}

// What a local node sends is met only as a NAT source, so it stays one while it has connections.
void Services::steer_replies(DestinationState& destination, bool is_wanted) {
    is_wanted |= destination.is_nat_source && destination.total_connections > 0;
    if (is_wanted == destination.is_nat_source) return;
    const model::Protocol protocol = destination.service_key.protocol;
    if (is_wanted) {
        steering_.add_nat_source(protocol, destination.config.real);
    } else {
        steering_.remove_nat_source(protocol, destination.config.real);
    }
    destination.is_nat_source = is_wanted;
}

void Services::count_service(const model::ServiceKey& key, int by) noexcept {
    unsigned& all = key.family() == net::Family::Ipv4 ? ipv4_services_ : ipv6_services_;
    all += static_cast<unsigned>(by);
    has_turned_ |= all == (by > 0 ? 1 : 0);
    if (++edition_ == 0) ++edition_;
    if (key.fwmark != 0) return;
    if (key.port == net::Port{0}) any_port_services_ += static_cast<unsigned>(by);
    if (key.port == kFtpPort && key.protocol == model::Protocol::Tcp)
        ftp_services_ += static_cast<unsigned>(by);
}

}  // namespace xvs::engine
