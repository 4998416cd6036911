// Router: the seam to what Linux knows of routes and neighbours.
#pragma once

#include <cstdint>

#include "net/address.h"

namespace xvs::engine {

enum class RouteKind : std::uint8_t {
    Unicast,      // by `next_hop`
    Local,        // an address of this host's own
    Unreachable,  // no route, or one that says unreachable, blackhole or prohibit
};

struct Route {
    RouteKind kind = RouteKind::Unreachable;
    std::uint32_t next_hop = 0;  // index into the next-hop records
    std::uint32_t mtu = 0;  // of the path as far as Linux knows it: the route's or the interface's
    net::IpAddress source;  // the address of this host's that Linux would send from
};

// How long a packet the path to an address takes.
struct PathMtu {
    std::uint32_t before = 0;  // as far as was known until now
    std::uint32_t now = 0;
    bool was_learned = false;  // until now, from an earlier error
};

// Thread: the worker. Must not allocate; may make a system call for an address not met before.
class Router {
public:
    Router() = default;
    Router(const Router&) = delete;
    Router& operator=(const Router&) = delete;
    virtual ~Router() = default;

    // Returns the way to `destination` for a packet from `source` (unspecified: any). The next-hop
    // record is valid when it returns, though its neighbour may be unresolved.
    virtual Route find_route(const net::IpAddress& destination,
                             const net::IpAddress& source) noexcept = 0;

    // A router on the way to `destination` has said that it takes packets of up to `mtu` bytes. A
    // path is never taken for longer than it was before, nor for shorter than what every router
    // must take; what was learned is forgotten after ten minutes. Next hops on the way to it may
    // get a new generation. Kernel: __ip_rt_update_pmtu().
    virtual PathMtu learn_path_mtu(const net::IpAddress& destination,
                                   std::uint32_t mtu) noexcept = 0;

    // Asks Linux to resolve the neighbour of next hop `index` (ARP or neighbour discovery); returns
    // at once, the record becomes XVS_HOP_RESOLVED later. May be called for each packet that waits.
    virtual void resolve(std::uint32_t index) noexcept = 0;

    // Returns whether `address` is this host's own.
    [[nodiscard]] virtual bool is_local(const net::IpAddress& address) noexcept = 0;

    // Returns whether `address` is the broadcast address of a network that this host is in.
    [[nodiscard]] virtual bool is_broadcast(const net::IpAddress& address) noexcept = 0;
};

}  // namespace xvs::engine
