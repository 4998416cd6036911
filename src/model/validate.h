// What IPVS refuses of a service or a destination, as pure checks: the engine's service table and
// the tests' fake share them. Kernel: ip_vs_ctl.c.
#pragma once

#include <functional>
#include <string_view>

#include "base/result.h"
#include "model/access_rule.h"
#include "model/destination.h"
#include "model/virtual_service.h"

namespace xvs::model {

// What the checks must ask. A function that is not set answers "no".
struct Surroundings {
    std::function<bool(std::string_view)> has_scheduler;
    std::function<bool(std::string_view)> has_persistence_engine;
    // One of this host's own addresses.
    std::function<bool(const net::IpAddress&)> is_local;
    // The broadcast address of a network this host is in.
    std::function<bool(const net::IpAddress&)> is_broadcast;
};

// The scheduler name that stands for a service without one; it is always known.
inline constexpr std::string_view kNoScheduler = "none";

// Returns the key as tables hold it: of a firewall mark nothing but the mark and the family count.
[[nodiscard]] ServiceKey canonical(const ServiceKey& key);

// Of a service that is added or edited: NotFound for an unknown scheduler or persistence engine,
// InvalidArgument for an IPv6 persistence mask other than 1..128.
// A port of zero passes without persistence, as in the kernel; ipvsadm alone refuses it.
[[nodiscard]] Status check_service(const VirtualService& service, const Surroundings& surroundings);

// Of a destination that is added or edited: OutOfRange for a negative weight or a lower threshold
// above the upper one; InvalidArgument for an upper threshold above INT_MAX, a GUE tunnel without a
// port, or a family other than the service's without a tunnel.
// The port stays as it is: with DR and TUN ipvsadm replaces it by the service's, the kernel does
// not.
[[nodiscard]] Status check_destination(net::Family service_family, const Destination& destination);

// InvalidArgument where the service has no clients of the prefix's family.
[[nodiscard]] Status check_access_rule(const AccessRule& rule);

// Of a destination that is added, once it is known not to exist: InvalidArgument for an address
// that is neither unicast nor local, or is link-local (IPv6) and not local.
[[nodiscard]] Status check_real_address(const net::IpAddress& address,
                                        const Surroundings& surroundings);

}  // namespace xvs::model
