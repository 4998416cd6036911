// ServiceManager: what the control plane can ask of a running director. The netlink server, the
// persisted state and the tests speak to it; the engine stands behind it in xvsd.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "base/result.h"
#include "control/access_rule_list.h"
#include "model/connection.h"
#include "model/counters.h"
#include "model/destination.h"
#include "model/mark_rule.h"
#include "model/sysctls.h"
#include "model/timeouts.h"
#include "model/virtual_service.h"

namespace xvs::control {

struct ServiceStatus {
    model::VirtualService service;
    model::Statistics statistics;
};

struct DestinationStatus {
    model::Destination destination;
    std::uint32_t active_connections = 0;
    std::uint32_t inactive_connections = 0;
    std::uint32_t persistent_connections = 0;
    model::Statistics statistics;
};

// Errors are those of the kernel (ip_vs_ctl.c), by code: AlreadyExists, NoSuchService (ESRCH),
// NotFound (ENOENT: unknown scheduler, unknown destination), OutOfRange, InvalidArgument.
// A call that fails has changed nothing.
// Thread: the control thread. Cost: an edit does not depend on how many services or connections
// live.
class ServiceManager {
public:
    ServiceManager() = default;
    ServiceManager(const ServiceManager&) = delete;
    ServiceManager& operator=(const ServiceManager&) = delete;
    virtual ~ServiceManager() = default;

    virtual Status add_service(const model::VirtualService& service) = 0;
    // Flags are taken as (old & ~mask) | (new & mask) by the caller.
    virtual Status edit_service(const model::VirtualService& service) = 0;
    virtual Status remove_service(const model::ServiceKey& key) = 0;
    virtual void flush() = 0;

    virtual Status add_destination(const model::ServiceKey& key,
                                   const model::Destination& destination) = 0;
    virtual Status edit_destination(const model::ServiceKey& key,
                                    const model::Destination& destination) = 0;
    virtual Status remove_destination(const model::ServiceKey& key, const net::Endpoint& real) = 0;

    [[nodiscard]] virtual Result<ServiceStatus> get_service(const model::ServiceKey& key) const = 0;
    // In listing order; a listing that goes over many datagrams takes this once.
    [[nodiscard]] virtual std::vector<ServiceStatus> services() const = 0;
    // What was asked for of one of them. Cheap where get_service() is not.
    [[nodiscard]] virtual Result<model::VirtualService> configured_service(
        const model::ServiceKey& key) const = 0;
    // Empty for an unknown service, as the kernel's dump is. Newest first (ip_vs_ctl.c adds at the
    // list's head).
    [[nodiscard]] virtual std::vector<DestinationStatus> destinations(
        const model::ServiceKey& key) const = 0;
    // The same without statistics and counts: what was asked for. Cheap where they are not.
    [[nodiscard]] virtual std::vector<model::VirtualService> configured_services() const = 0;
    // Calls `visit` for at most `limit` real servers of the service behind `place`, which moves on,
    // newest first; returns whether there are more.
    virtual bool for_each_destination(
        const model::ServiceKey& key,
        model::DestinationPlace& place,
        std::size_t limit,
        const std::function<void(const model::Destination&)>& visit) const = 0;
    // Calls `visit` for connections from `cursor` on, at most `limit` of them; returns the cursor
    // to go on from, or 0 at the end. Start with 0.
    virtual std::uint64_t for_each_connection(
        std::uint64_t cursor,
        std::size_t limit,
        const std::function<void(const model::ConnectionInfo&)>& visit) const = 0;

    [[nodiscard]] virtual model::Statistics total() const = 0;
    virtual Status zero(const model::ServiceKey& key) = 0;
    virtual void zero_all() = 0;

    [[nodiscard]] virtual model::Timeouts timeouts() const = 0;
    virtual void set_timeouts(const model::Timeouts& timeouts) = 0;
    // AlreadyExists; OutOfMemory where there is room for no more.
    virtual Status add_mark_rule(const model::MarkRule& rule) = 0;
    // NotFound.
    virtual Status remove_mark_rule(const model::MarkRule& rule) = 0;
    // In the order they were added, in which they are gone through.
    [[nodiscard]] virtual std::vector<model::MarkRule> mark_rules() const = 0;

    // NoSuchService, AlreadyExists, OutOfMemory where there is room for no more, InvalidArgument.
    virtual Status add_access_rule(const model::AccessRule& rule) = 0;
    // NoSuchService, NotFound.
    virtual Status remove_access_rule(const model::AccessRule& rule) = 0;
    // As AccessRuleList::for_each(). A service's rules go with it, and with flush().
    virtual bool for_each_access_rule(
        AccessPlace& place,
        std::size_t limit,
        const std::function<void(const model::AccessRule&)>& visit) const = 0;

    [[nodiscard]] virtual model::Sysctls sysctls() const = 0;
    // Errors as model::set_sysctl().
    virtual Status set_sysctl(const model::SysctlValue& wanted) = 0;
    // How many connections the table holds at most.
    [[nodiscard]] virtual std::uint32_t connection_capacity() const = 0;
};

}  // namespace xvs::control
