#include "host/mirror.h"

#include <algorithm>
#include <array>
#include <string>

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <fmt/format.h>
#include <libmnl/libmnl.h>
#include <spdlog/spdlog.h>

namespace xvs::host {
namespace {

constexpr std::array<unsigned, 11> kGroups = {RTNLGRP_LINK,
                                              RTNLGRP_NEIGH,
                                              RTNLGRP_TC,
                                              RTNLGRP_IPV4_IFADDR,
                                              RTNLGRP_IPV6_IFADDR,
                                              RTNLGRP_IPV4_ROUTE,
                                              RTNLGRP_IPV6_ROUTE,
                                              RTNLGRP_IPV4_RULE,
                                              RTNLGRP_IPV6_RULE,
                                              RTNLGRP_NEXTHOP,
                                              RTNLGRP_IPV4_NETCONF};

Status answer(int error, const char* what) {
    if (error == 0) return {};
    return fail(system_error(fmt::format("asking rtnetlink for {}", what), error));
}

}  // namespace

Result<std::unique_ptr<Mirror>> Mirror::open(HostObserver& observer) {
    auto events = NetlinkSocket::open(kGroups);
    if (!events) return fail(events.error());
    auto questions = NetlinkSocket::open();
    if (!questions) return fail(questions.error());
    return std::unique_ptr<Mirror>(new Mirror(observer, std::move(*events), std::move(*questions)));
}

Status Mirror::synchronize() {
    if (auto status = synchronize_links(); !status) return status;
    if (auto status = synchronize_local(); !status) return status;
    if (auto status = synchronize_neighbours(); !status) return status;
    have_routes_changed_ = true;
    may_local_have_changed_ = false;
    end_batch();
    return {};
}

void Mirror::on_readable() {
    const int error = events_.receive_events([this](const nlmsghdr& message) { apply(message); });
    if (error == 0) return end_batch();
    spdlog::warn("rtnetlink messages were lost: reading links, addresses and neighbours anew");
    if (auto status = synchronize(); !status) spdlog::error("{}", status.error().context);
}

void Mirror::end_batch() {
    if (std::exchange(may_local_have_changed_, false)) {
        if (auto status = synchronize_local(); !status) spdlog::error("{}", status.error().context);
    }
    if (std::exchange(have_local_changed_, false)) {
        note_local_lengths();
        observer_.local_prefixes_changed(local_);
    }
    if (std::exchange(have_routes_changed_, false)) observer_.routes_changed();
}

void Mirror::apply(const nlmsghdr& message) {
    switch (message.nlmsg_type) {
        case RTM_NEWLINK:
        case RTM_DELLINK:
            return apply_link(message);
        case RTM_NEWNEIGH:
        case RTM_DELNEIGH:
            return apply_neighbour(message);
        case RTM_NEWROUTE:
        case RTM_DELROUTE:
            return apply_route(message);
        case RTM_DELTFILTER:
        case RTM_DELQDISC:
            return apply_filter(message);
        case RTM_NEWTFILTER:
        case RTM_NEWQDISC:
        case RTM_NEWTCLASS:
        case RTM_DELTCLASS:
            return;
        default:
            // Addresses, rules, next hops: source addresses and routes.
            have_routes_changed_ = true;
    }
}

void Mirror::apply_link(const nlmsghdr& message) {
    auto link = parse_link(message);
    if (!link) return;
    if (message.nlmsg_type == RTM_DELLINK) return remove_link(link->ifindex);
    put_link(std::move(*link));
}

void Mirror::put_link(Link link) {
    Link& known = links_[link.ifindex];
    if (known == link) return;
    known = std::move(link);
    // Routes by an interface that goes down are removed without a word.
    have_routes_changed_ = true;
    may_local_have_changed_ = may_local_have_changed_ || !known.is_up();
    observer_.link_changed(known);
}

void Mirror::remove_link(std::uint32_t ifindex) {
    const auto found = links_.find(ifindex);
    if (found == links_.end()) return;
    const Link link = std::move(found->second);
    links_.erase(found);
    have_routes_changed_ = true;
    may_local_have_changed_ = true;
    observer_.link_gone(link);
}

void Mirror::apply_neighbour(const nlmsghdr& message) {
    const auto neighbour = parse_neighbour(message);
    if (!neighbour) return;
    if (message.nlmsg_type == RTM_DELNEIGH)
        return remove_neighbour({neighbour->ifindex, neighbour->address});
    put_neighbour(*neighbour);
}

void Mirror::put_neighbour(const Neighbour& neighbour) {
    Neighbour& known = neighbours_[{neighbour.ifindex, neighbour.address}];
    if (known == neighbour) return;
    known = neighbour;
    observer_.neighbour_changed(neighbour);
}

void Mirror::remove_neighbour(const NeighbourKey& key) {
    const auto found = neighbours_.find(key);
    if (found == neighbours_.end()) return;
    const Neighbour neighbour = found->second;
    neighbours_.erase(found);
    observer_.neighbour_gone(neighbour);
}

void Mirror::apply_route(const nlmsghdr& message) {
    have_routes_changed_ = true;
    const auto route = parse_route(message);
    if (!route || route->type != RTN_LOCAL || route->table != RT_TABLE_LOCAL) return;
    const bool has_changed = message.nlmsg_type == RTM_NEWROUTE
                                 ? local_.insert(route->destination).second
                                 : local_.erase(route->destination) > 0;
    have_local_changed_ = have_local_changed_ || has_changed;
}

void Mirror::apply_filter(const nlmsghdr& message) {
    if (::mnl_nlmsg_get_payload_len(&message) < sizeof(tcmsg)) return;
    const auto* header = static_cast<const tcmsg*>(::mnl_nlmsg_get_payload(&message));
    observer_.filter_removed(static_cast<std::uint32_t>(header->tcm_ifindex));
}

Status Mirror::synchronize_links() {
    NetlinkRequest request(RTM_GETLINK, 0);
    request.add_header<ifinfomsg>();
    std::map<std::uint32_t, Link> found;
    const int error = questions_.dump(request, [&](const nlmsghdr& message) {
        if (auto link = parse_link(message)) found[link->ifindex] = std::move(*link);
    });
    if (auto status = answer(error, "links"); !status) return status;
    std::vector<std::uint32_t> gone;
    for (const auto& [ifindex, link] : links_) {
        if (!found.contains(ifindex)) gone.push_back(ifindex);
    }
    for (const std::uint32_t ifindex : gone)
        remove_link(ifindex);
    for (auto& [ifindex, link] : found)
        put_link(std::move(link));
    return {};
}

Status Mirror::synchronize_local() {
    std::set<net::Prefix> found;
    for (const std::uint8_t family : {std::uint8_t{AF_INET}, std::uint8_t{AF_INET6}}) {
        if (auto status = dump_local(family, found); !status) return status;
    }
    if (found == local_) return {};
    local_ = std::move(found);
    have_local_changed_ = true;
    return {};
}

void Mirror::note_local_lengths() noexcept {
    local_lengths_.reset();
    for (const net::Prefix& prefix : local_)
        local_lengths_.set(prefix.length);
}

Status Mirror::dump_local(std::uint8_t family, std::set<net::Prefix>& found) {
    NetlinkRequest request(RTM_GETROUTE, 0);
    auto& header = request.add_header<rtmsg>();
    header.rtm_family = family;
    header.rtm_table = RT_TABLE_LOCAL;
    header.rtm_type = RTN_LOCAL;
    const int error = questions_.dump(request, [&](const nlmsghdr& message) {
        const auto route = parse_route(message);
        if (route && route->type == RTN_LOCAL && route->table == RT_TABLE_LOCAL)
            found.insert(route->destination);
    });
    // A kernel without IPv6 knows no such family; a namespace without any address no such table.
    if (error == EAFNOSUPPORT || error == EOPNOTSUPP || error == ENOENT) return {};
    return answer(error, "local addresses");
}

Status Mirror::synchronize_neighbours() {
    NetlinkRequest request(RTM_GETNEIGH, 0);
    request.add_header<ndmsg>();
    std::map<NeighbourKey, Neighbour> found;
    const int error = questions_.dump(request, [&](const nlmsghdr& message) {
        if (const auto neighbour = parse_neighbour(message))
            found[{neighbour->ifindex, neighbour->address}] = *neighbour;
    });
    if (auto status = answer(error, "neighbours"); !status) return status;
    std::vector<NeighbourKey> gone;
    for (const auto& [key, neighbour] : neighbours_) {
        if (!found.contains(key)) gone.push_back(key);
    }
    for (const NeighbourKey& key : gone)
        remove_neighbour(key);
    for (const auto& [key, neighbour] : found)
        put_neighbour(neighbour);
    return {};
}

const Link* Mirror::find_link(std::uint32_t ifindex) const noexcept {
    const auto found = links_.find(ifindex);
    return found == links_.end() ? nullptr : &found->second;
}

const Link* Mirror::find_link(std::string_view name) const noexcept {
    const auto found = std::find_if(
        links_.begin(), links_.end(), [&](const auto& entry) { return entry.second.name == name; });
    return found == links_.end() ? nullptr : &found->second;
}

const Neighbour* Mirror::find_neighbour(std::uint32_t ifindex,
                                        const net::IpAddress& address) const noexcept {
    const auto found = neighbours_.find({ifindex, address});
    return found == neighbours_.end() ? nullptr : &found->second;
}

bool Mirror::is_local(const net::IpAddress& address) const noexcept {
    for (std::size_t length = 0; length <= address.size() * 8; ++length) {
        if (local_lengths_.test(length) &&
            local_.contains(net::Prefix::of(address, static_cast<std::uint8_t>(length))))
            return true;
    }
    return false;
}

}  // namespace xvs::host
