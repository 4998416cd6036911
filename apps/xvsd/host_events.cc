#include "xvsd/host_events.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "host/device_features.h"

namespace xvs::xvsd {

using offload::SteeringExtra;

void HostEvents::attach(const Followers& followers, const host::Mirror& mirror) {
    followers_ = followers;
    mirror_ = &mirror;
    local_prefixes_changed(mirror.local_prefixes());
    for (const auto& [ifindex, link] : mirror.links())
        link_changed(link);
}

bool HostEvents::is_chosen(const host::Link& link) const {
    if (!link.is_layer3() && !link.is_loopback()) return false;
    return interfaces_.empty() ||
           std::find(interfaces_.begin(), interfaces_.end(), link.name) != interfaces_.end();
}

bool HostEvents::is_wanted(const host::Link& link) const {
    return is_chosen(link) && !followers_.private_link->is_part(link.ifindex);
}

std::set<SteeringExtra> HostEvents::extras_for(const host::Mirror& mirror, bool at_xdp) const {
    std::set<SteeringExtra> extras;
    for (const auto& [ifindex, link] : mirror.links()) {
        if (!is_chosen(link) || link.is_loopback()) continue;
        if (!link.has_link_header()) extras.insert(SteeringExtra::Bare);
        if (at_xdp && wants_xdp(link)) extras.insert(SteeringExtra::Xdp);
    }
    return extras;
}

// Whether there is the program that an interface needs. If it has not been loaded yet, that is for
// whoever asks take_missing(): this is under the gates, where nothing may take long.
Status HostEvents::check_extra(SteeringExtra extra, std::uint32_t ifindex) {
    if (followers_.program->has(extra)) return {};
    if (const auto found = unavailable_.find(extra); found != unavailable_.end())
        return fail(found->second);
    missing_.insert(extra);
    waiting_.insert(ifindex);
    return fail(ErrorCode::Busy, "its program is being loaded");
}

void HostEvents::extra_added(SteeringExtra extra, const Status& outcome) {
    if (!outcome) unavailable_.emplace(extra, outcome.error());
    for (const std::uint32_t ifindex : std::exchange(waiting_, {})) {
        if (const host::Link* link = mirror_->find_link(ifindex)) link_changed(*link);
    }
}

void HostEvents::link_changed(const host::Link& link) {
    has_changed_ = true;
    if (followers_.router == nullptr) return;
    followers_.router->link_changed(link);
    if (is_wanted(link)) {
        serve(link);
    } else if (followers_.served->is_served(link.ifindex)) {
        release(link);
    } else if (!link.has_link_header()) {
        followers_.ports->set_bare_interface(link.ifindex);
    }
}

void HostEvents::refuse(std::uint32_t ifindex, const std::string& why) {
    if (refused_.emplace(ifindex, why).second) spdlog::error("{}", why);
}

void HostEvents::serve(const host::Link& link) {
    const bool is_new = !followers_.served->is_served(link.ifindex);
    const bool was_at_xdp = is_at_xdp(link);
    if (!link.has_link_header() && !link.is_loopback()) {
        const Status ready = check_extra(SteeringExtra::Bare, link.ifindex);
        if (!ready && ready.error().code == ErrorCode::Busy) return;
        if (!ready) {
            return refuse(
                link.ifindex,
                fmt::format("interface {} is not served: {}", link.name, ready.error().context));
        }
    }
    const auto slot = followers_.served->serve({.ifindex = link.ifindex,
                                                .name = link.name,
                                                .mac = link.mac,
                                                .has_link_header = link.has_link_header(),
                                                .is_loopback = link.is_loopback()});
    if (!slot) return refuse(link.ifindex, slot.error().context);
    refused_.erase(link.ifindex);
    followers_.ports->set_interface(link.ifindex, *slot, link.has_link_header());
    if (!link.is_loopback()) serve_at_xdp(link, *slot);
    if (!is_new && is_at_xdp(link) == was_at_xdp) return;
    spdlog::info("serving interface {} at {}", link.name, is_at_xdp(link) ? "XDP and tc" : "tc");
}

bool HostEvents::is_at_xdp(const host::Link& link) const {
    return followers_.xdp != nullptr &&
           followers_.xdp->is_attached(link.is_part_of_lower() ? link.lower : link.ifindex);
}

std::vector<std::string> HostEvents::attach_points(const host::Mirror& mirror) const {
    std::vector<std::string> points;
    for (const auto& [ifindex, link] : mirror.links()) {
        if (const auto refused = refused_.find(ifindex); refused != refused_.end())
            points.push_back(refused->second);
        if (followers_.served == nullptr || !followers_.served->is_served(ifindex)) continue;
        points.push_back(is_at_xdp(link)
                             ? fmt::format("{}: native XDP and tc, {}{}",
                                           link.name,
                                           why_at_xdp(link, mirror),
                                           followers_.af_xdp->text_of(ifindex))
                             : fmt::format("{}: tc, {}", link.name, why_not_at_xdp(link)));
    }
    return points;
}

std::string HostEvents::why_at_xdp(const host::Link& link, const host::Mirror& mirror) const {
    if (link.is_part_of_lower()) {
        const host::Link* lower = mirror.find_link(link.lower);
        return fmt::format("its frames come from {}", lower != nullptr ? lower->name : "below");
    }
    if (attach_at_xdp_.contains(link.name)) return "as --attach says";
    return "a device whose driver knows XDP";
}

std::string HostEvents::why_not_at_xdp(const host::Link& link) const {
    if (followers_.xdp == nullptr) return "since there is no fast path";
    if (const auto refused = without_xdp_.find(link.ifindex); refused != without_xdp_.end()) {
        return refused->second;
    }
    if (link.is_loopback()) return "for the host's own connections";
    if (!link.has_link_header()) return "without Ethernet headers";
    if (link.is_part_of_lower()) return "as the device under it";
    if (attach_at_xdp_.contains(link.name)) return "as --attach says";
    return link.kind.empty() ? "no device on a bus" : "a " + link.kind;
}

bool HostEvents::wants_xdp(const host::Link& link) const {
    if (!link.has_link_header() || link.is_part_of_lower()) return false;
    const auto chosen = attach_at_xdp_.find(link.name);
    if (chosen != attach_at_xdp_.end()) return chosen->second;
    return link.kind.empty() && host::is_physical(link.name);
}

void HostEvents::serve_at_xdp(const host::Link& link, std::uint16_t slot) {
    if (followers_.xdp == nullptr) return;
    const bool is_new = !followers_.xdp->is_attached(link.ifindex);
    if (is_new && !without_xdp_.contains(link.ifindex) && wants_xdp(link)) attach_at_xdp(link);
    const host::Link* device = link.is_part_of_lower() ? mirror_->find_link(link.lower) : &link;
    followers_.xdp->serve({.ifindex = link.ifindex,
                           .lower = link.is_part_of_lower() ? link.lower : link.ifindex,
                           .vlan = link.vlan,
                           .mac = link.mac,
                           .slot = slot,
                           .leaves_checksums = device != nullptr && !device->kind.empty()});
}

void HostEvents::attach_at_xdp(const host::Link& link) {
    const Status ready = check_extra(SteeringExtra::Xdp, link.ifindex);
    if (!ready && ready.error().code == ErrorCode::Busy) return;
    const Status attached =
        ready ? followers_.xdp->attach(link.ifindex, link.name)
              : fail(ready.error().code,
                     fmt::format(
                         "{}: interface {} is served at tc", ready.error().context, link.name));
    if (attached) {
        followers_.router->set_xdp(link.ifindex, true);
        followers_.af_xdp->open(link.ifindex, link.name, !link.kind.empty());
        return;
    }
    without_xdp_.emplace(link.ifindex, attached.error().context);
    spdlog::warn("{}", attached.error().context);
}

void HostEvents::leave_xdp(std::uint32_t ifindex) {
    if (followers_.xdp == nullptr) return;
    without_xdp_.erase(ifindex);
    followers_.xdp->release(ifindex);
    if (!followers_.xdp->is_attached(ifindex)) return;
    followers_.router->set_xdp(ifindex, false);
    followers_.af_xdp->close(ifindex);
    followers_.xdp->detach(ifindex);
}

// It has become the port of a bridge or bond, say, whose own interface is served instead.
void HostEvents::release(const host::Link& link) {
    leave_xdp(link.ifindex);
    followers_.served->release(link.ifindex);
    followers_.ports->remove_interface(link.ifindex);
    spdlog::info("no longer serving interface {}", link.name);
}

void HostEvents::link_gone(const host::Link& link) {
    has_changed_ = true;
    refused_.erase(link.ifindex);
    waiting_.erase(link.ifindex);
    if (followers_.router == nullptr) return;
    followers_.router->link_gone(link);
    leave_xdp(link.ifindex);
    followers_.ports->remove_interface(link.ifindex);
    if (!followers_.served->is_served(link.ifindex)) return;
    followers_.served->forget(link.ifindex);
    spdlog::info("interface {} is gone", link.name);
}

void HostEvents::neighbour_changed(const host::Neighbour& neighbour) {
    if (followers_.router == nullptr) return;
    if (followers_.router->neighbour_changed(neighbour)) followers_.engine->neighbour_resolved();
}

void HostEvents::neighbour_gone(const host::Neighbour& neighbour) {
    if (followers_.router != nullptr) followers_.router->neighbour_gone(neighbour);
}

void HostEvents::local_prefixes_changed(const std::set<net::Prefix>& prefixes) {
    has_changed_ = true;
    if (followers_.steering != nullptr) followers_.steering->set_local_prefixes(prefixes);
}

void HostEvents::routes_changed(const host::RouteChanges& changes) {
    has_changed_ = true;
    if (followers_.router != nullptr) followers_.router->routes_changed(changes);
}

void HostEvents::filter_removed(std::uint32_t ifindex) {
    if (followers_.served != nullptr && followers_.served->is_served(ifindex))
        may_need_repair_ = true;
}

}  // namespace xvs::xvsd
