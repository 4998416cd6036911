#include "host/mirror.h"

#include <algorithm>
#include <array>
#include <string>

#include <linux/netconf.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
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
    changes_.add_everything();
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
        observer_.local_prefixes_changed(local_.prefixes());
    }
    const RouteChanges changes = std::exchange(changes_, {});
    if (changes.is_any) observer_.routes_changed(changes);
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
        case RTM_NEWADDR:
        case RTM_DELADDR:
            return apply_address(message);
        case RTM_NEWNETCONF:
        case RTM_DELNETCONF:
            return apply_settings(message);
        default:
            // Rules and next-hop objects.
            changes_.add_everything();
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
    note_state(known, link);
    known = std::move(link);
    may_local_have_changed_ = may_local_have_changed_ || !known.is_up();
    observer_.link_changed(known);
}

// Routes by an interface that goes down are removed without a word, and some come back so with it:
// those by several ways. One that comes up for the first time has none of them yet; its routes come
// with events of their own.
void Mirror::note_state(const Link& former, const Link& link) {
    constexpr std::uint32_t kLowerUp = 1U << 16;  // IFF_LOWER_UP, which <net/if.h> does not have
    constexpr std::uint32_t kState = IFF_UP | IFF_RUNNING | kLowerUp;
    const std::uint32_t before = former.flags & kState;
    const std::uint32_t now = link.flags & kState;
    std::uint32_t& ever = states_[link.ifindex];
    const bool is_known = former.ifindex == link.ifindex;
    if ((before & ~now) != 0) changes_.add_interface(link.ifindex);
    if ((now & ~before & ever) != 0 || (is_known && former.master != link.master)) {
        changes_.add_everything();
    }
    changes_.add_nothing();
    ever |= now;
}

void Mirror::remove_link(std::uint32_t ifindex) {
    const auto found = links_.find(ifindex);
    if (found == links_.end()) return;
    const Link link = std::move(found->second);
    links_.erase(found);
    states_.erase(ifindex);
    changes_.add_interface(ifindex);
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

// Its routes come with events of their own, but those that prefer it as their source go with it
// without a word, and packets may still be sent from it. None do so from one of its link alone.
void Mirror::apply_address(const nlmsghdr& message) {
    const bool is_whole = ::mnl_nlmsg_get_payload_len(&message) >= sizeof(ifaddrmsg);
    const auto* header = static_cast<const ifaddrmsg*>(::mnl_nlmsg_get_payload(&message));
    const bool is_of_link = is_whole && header->ifa_scope >= RT_SCOPE_LINK;
    if (message.nlmsg_type == RTM_DELADDR && !is_of_link) {
        changes_.add_everything();
    } else {
        changes_.add_nothing();
    }
}

// Settings of all interfaces, or of one that may have routes. Every interface that comes or goes
// tells its own.
void Mirror::apply_settings(const nlmsghdr& message) {
    if (message.nlmsg_type == RTM_DELNETCONF) return;
    const auto ifindex = parse_settings_interface(message);
    if (ifindex && *ifindex == NETCONFA_IFINDEX_DEFAULT) return;
    const Link* const link =
        ifindex && *ifindex > 0 ? find_link(static_cast<std::uint32_t>(*ifindex)) : nullptr;
    const bool is_of_one = ifindex && *ifindex > 0;
    if (is_of_one && (link == nullptr || !link->is_up())) return;
    changes_.add_everything();
}

void Mirror::apply_route(const nlmsghdr& message) {
    const auto route = parse_route(message);
    if (!route) return changes_.add_everything();
    changes_.add_destination(
        net::Prefix::of(route->destination.address, route->destination.length));
    if (route->table != RT_TABLE_LOCAL) return;
    const bool is_local = route->type == RTN_LOCAL;
    if (!is_local && route->type != RTN_BROADCAST) return;
    PrefixRoutes& known = is_local ? local_ : broadcast_;
    const std::size_t before = known.prefixes().size();
    if (message.nlmsg_type == RTM_NEWROUTE) {
        known.add(route->destination, route->ifindex);
    } else {
        known.remove(route->destination, route->ifindex);
    }
    have_local_changed_ = have_local_changed_ || (is_local && before != known.prefixes().size());
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
    PrefixRoutes local;
    PrefixRoutes broadcast;
    for (const std::uint8_t family : {std::uint8_t{AF_INET}, std::uint8_t{AF_INET6}}) {
        if (auto status = dump_local(family, local, broadcast); !status) return status;
    }
    have_local_changed_ = have_local_changed_ || local.prefixes() != local_.prefixes();
    local_ = std::move(local);
    broadcast_ = std::move(broadcast);
    return {};
}

Status Mirror::dump_local(std::uint8_t family, PrefixRoutes& local, PrefixRoutes& broadcast) {
    NetlinkRequest request(RTM_GETROUTE, 0);
    auto& header = request.add_header<rtmsg>();
    header.rtm_family = family;
    header.rtm_table = RT_TABLE_LOCAL;
    const int error = questions_.dump(request, [&](const nlmsghdr& message) {
        const auto route = parse_route(message);
        if (!route || route->table != RT_TABLE_LOCAL) return;
        if (route->type == RTN_LOCAL) local.add(route->destination, route->ifindex);
        if (route->type == RTN_BROADCAST) broadcast.add(route->destination, route->ifindex);
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

}  // namespace xvs::host
