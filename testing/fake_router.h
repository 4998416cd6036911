// FakeRouter: routes and neighbours that a test writes down.
#pragma once

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "engine/router.h"
#include "flow/tables.h"
#include "net/address.h"

namespace xvs::testing {

class FakeRouter final : public engine::Router {
public:
    explicit FakeRouter(flow::Tables& tables) : tables_(tables) {}

    // Knows what `former` knew, whose tables these are.
    void take_over(const FakeRouter& former) {
        local_ = former.local_;
        routes_ = former.routes_;
        defaults_ = former.defaults_;
    }

    // An interface as the director sees it: its own MAC and address, and the MTU.
    struct Interface {
        std::uint32_t index = 0;
        net::MacAddress mac;
        std::uint32_t mtu = 1500;
    };

    void add_local(const net::IpAddress& address) { local_.insert(address); }

    void remove_local(const net::IpAddress& address) { local_.erase(address); }

    [[nodiscard]] const std::set<net::IpAddress>& locals() const noexcept { return local_; }

    // `destination` is reached over `interface` by a neighbour with that MAC, from `source`.
    // Returns the next hop.
    std::uint32_t add_route(const net::IpAddress& destination,
                            const Interface& interface,
                            const net::MacAddress& neighbour,
                            const net::IpAddress& source) {
        const std::uint32_t index = tables_.next_hops().allocate();
        xvs_next_hop& hop = tables_.next_hops()[index];
        hop.interface = interface.index;
        hop.mtu = interface.mtu;
        hop.flags = XVS_HOP_LINK_HEADER;
        tables_.next_hops().resolve(index, neighbour, interface.mac);
        routes_[destination] = {.kind = engine::RouteKind::Unicast,
                                .next_hop = index,
                                .mtu = interface.mtu,
                                .source = source};
        return index;
    }

    // Returns the next hop of a route that was added.
    [[nodiscard]] std::uint32_t next_hop_of(const net::IpAddress& destination) const {
        return routes_.at(destination).next_hop;
    }

    void remove_route(const net::IpAddress& destination) {
        const auto found = routes_.find(destination);
        if (found == routes_.end()) return;
        tables_.next_hops().free(found->second.next_hop);
        routes_.erase(found);
    }

    // Where everything of that family goes that no route names: as `like` does.
    void set_default(const net::IpAddress& like) { defaults_[like.family()] = like; }

    void remove_defaults() { defaults_.clear(); }

    // How often the engine has asked for a way.
    [[nodiscard]] std::uint64_t lookups() const noexcept { return lookups_; }

    engine::Route find_route(const net::IpAddress& destination,
                             const net::IpAddress& /*source*/) noexcept override {
        ++lookups_;
        if (local_.contains(destination)) {
            engine::Route local;
            local.kind = engine::RouteKind::Local;
            return local;
        }
        auto found = routes_.find(destination);
        if (found == routes_.end()) {
            const auto like = defaults_.find(destination.family());
            if (like != defaults_.end()) found = routes_.find(like->second);
        }
        return found == routes_.end() ? engine::Route{} : found->second;
    }

    // The next hop's address stays the same, for it and for whoever shares its way.
    engine::PathMtu learn_path_mtu(const net::IpAddress& destination,
                                   std::uint32_t mtu) noexcept override {
        const engine::Route former = find_route(destination, {});
        const bool was_learned = learned_.contains(destination);
        engine::PathMtu path{.before = former.mtu, .now = former.mtu, .was_learned = was_learned};
        if (former.kind != engine::RouteKind::Unicast || mtu > former.mtu) return path;
        learned_.insert(destination);
        const bool is_ipv4 = destination.family() == net::Family::Ipv4;
        path.now = std::min(former.mtu, std::max(mtu, is_ipv4 ? 552U : 1280U));
        if (path.now == path.before) return path;
        const std::uint32_t index = tables_.next_hops().allocate();
        if (index == XVS_NONE) {
            path.now = path.before;
            return path;
        }
        const std::uint32_t generation = tables_.next_hops()[index].generation;
        tables_.next_hops()[index] = tables_.next_hops()[former.next_hop];
        tables_.next_hops()[index].generation = generation;
        tables_.next_hops()[index].mtu = path.now;
        tables_.next_hops().invalidate(former.next_hop);
        engine::Route route = former;
        route.next_hop = index;
        route.mtu = path.now;
        routes_[destination] = route;
        return path;
    }

    void resolve(std::uint32_t index) noexcept override { asked_.push_back(index); }

    // Next hops whose neighbours were asked for.
    [[nodiscard]] const std::vector<std::uint32_t>& asked() const { return asked_; }

    [[nodiscard]] bool is_local(const net::IpAddress& address) noexcept override {
        return local_.contains(address);
    }

    [[nodiscard]] bool is_broadcast(const net::IpAddress& /*address*/) noexcept override {
        return false;
    }

private:
    flow::Tables& tables_;
    std::set<net::IpAddress> local_;
    std::map<net::IpAddress, engine::Route> routes_;
    std::map<net::Family, net::IpAddress> defaults_;
    std::set<net::IpAddress> learned_;
    std::vector<std::uint32_t> asked_;
    std::uint64_t lookups_ = 0;
};

}  // namespace xvs::testing
