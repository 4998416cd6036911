// Mirror: links, local addresses and neighbours as Linux has them, followed by rtnetlink.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "base/result.h"
#include "host/messages.h"
#include "host/netlink_socket.h"
#include "host/prefix_routes.h"
#include "host/route_changes.h"

namespace xvs::host {

// What a Mirror tells, after it has taken the change over itself. Routes and local prefixes are
// told once for all events that came together.
class HostObserver {
public:
    HostObserver() = default;
    HostObserver(const HostObserver&) = delete;
    HostObserver& operator=(const HostObserver&) = delete;
    virtual ~HostObserver() = default;

    virtual void link_changed(const Link& link) = 0;  // or appeared
    virtual void link_gone(const Link& link) = 0;
    virtual void neighbour_changed(const Neighbour& neighbour) = 0;
    virtual void neighbour_gone(const Neighbour& neighbour) = 0;
    virtual void local_prefixes_changed(const std::set<net::Prefix>& prefixes) = 0;
    // Routes, rules or addresses: look-ups may have other answers now.
    virtual void routes_changed(const RouteChanges& changes) = 0;
    // A tc filter or queueing discipline was removed from this interface.
    virtual void filter_removed(std::uint32_t ifindex) = 0;
};

// Thread: the control thread, on_readable() under the worker's gate.
class Mirror {
public:
    // Listens, but knows nothing before synchronize().
    [[nodiscard]] static Result<std::unique_ptr<Mirror>> open(HostObserver& observer);

    [[nodiscard]] int fd() const noexcept { return events_.fd(); }

    // Asks Linux for everything, and tells the observer what is new, changed or gone.
    [[nodiscard]] Status synchronize();

    // Takes over what has changed. Where the kernel says that messages were lost, synchronizes.
    void on_readable();

    [[nodiscard]] const std::map<std::uint32_t, Link>& links() const noexcept { return links_; }

    [[nodiscard]] const Link* find_link(std::uint32_t ifindex) const noexcept;
    [[nodiscard]] const Link* find_link(std::string_view name) const noexcept;
    [[nodiscard]] const Neighbour* find_neighbour(std::uint32_t ifindex,
                                                  const net::IpAddress& address) const noexcept;

    // Whether the local routing table calls `address` this host's own. Allocates nothing.
    [[nodiscard]] bool is_local(const net::IpAddress& address) const noexcept {
        return local_.contains(address);
    }

    // Whether it calls `address` a broadcast address, which no real server can have. Kernel:
    // inet_addr_type(). Allocates nothing.
    [[nodiscard]] bool is_broadcast(const net::IpAddress& address) const noexcept {
        return broadcast_.contains(address);
    }

    [[nodiscard]] const std::set<net::Prefix>& local_prefixes() const noexcept {
        return local_.prefixes();
    }

private:
    using NeighbourKey = std::pair<std::uint32_t, net::IpAddress>;

    Mirror(HostObserver& observer, NetlinkSocket events, NetlinkSocket questions)
        : observer_(observer), events_(std::move(events)), questions_(std::move(questions)) {}

    void apply(const nlmsghdr& message);
    void apply_link(const nlmsghdr& message);
    void apply_neighbour(const nlmsghdr& message);
    void apply_route(const nlmsghdr& message);
    void apply_address(const nlmsghdr& message);
    void apply_settings(const nlmsghdr& message);
    void apply_filter(const nlmsghdr& message);
    void note_state(const Link& former, const Link& link);
    void put_link(Link link);
    void remove_link(std::uint32_t ifindex);
    void put_neighbour(const Neighbour& neighbour);
    void remove_neighbour(const NeighbourKey& key);
    void end_batch();

    [[nodiscard]] Status synchronize_links();
    [[nodiscard]] Status synchronize_local();
    [[nodiscard]] Status dump_local(std::uint8_t family,
                                    PrefixRoutes& local,
                                    PrefixRoutes& broadcast);
    [[nodiscard]] Status synchronize_neighbours();

    HostObserver& observer_;
    NetlinkSocket events_;
    NetlinkSocket questions_;
    std::map<std::uint32_t, Link> links_;
    std::map<NeighbourKey, Neighbour> neighbours_;
    PrefixRoutes local_;
    PrefixRoutes broadcast_;
    bool may_local_have_changed_ = false;
    std::map<std::uint32_t, std::uint32_t> states_;  // by ifindex: the state flags it ever had
    RouteChanges changes_;
    bool have_local_changed_ = false;
};

}  // namespace xvs::host
