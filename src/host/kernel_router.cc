#include "host/kernel_router.h"

#include <algorithm>
#include <cstring>

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "flow/shared_field.h"

namespace xvs::host {
namespace {

std::uint8_t family_number(const net::IpAddress& address) noexcept {
    return address.family() == net::Family::Ipv4 ? AF_INET : AF_INET6;
}

std::span<const std::byte> bytes_of(const net::IpAddress& address) noexcept {
    return {address.bytes().data(), address.size()};
}

engine::Route unreachable() noexcept {
    return {};
}

}  // namespace

Result<std::unique_ptr<KernelRouter>> KernelRouter::open(const Mirror& mirror,
                                                         flow::NextHopTable& next_hops,
                                                         const Clock& clock,
                                                         std::array<std::uint32_t, 2> seed) {
    auto socket = NetlinkSocket::open();
    if (!socket) return fail(socket.error());
    std::unique_ptr<KernelRouter> router(
        new KernelRouter(mirror, next_hops, clock, seed, std::move(*socket)));
    router->adopt();
    return router;
}

KernelRouter::KernelRouter(const Mirror& mirror,
                           flow::NextHopTable& next_hops,
                           const Clock& clock,
                           std::array<std::uint32_t, 2> seed,
                           NetlinkSocket socket)
    : mirror_(mirror),
      next_hops_(next_hops),
      clock_(clock),
      socket_(std::move(socket)),
      keys_(xvs_make_hash_keys(seed.data())),
      index_(next_hops.capacity(), keys_),
      paths_(keys_),
      answers_(kAnswers),
      uses_(next_hops.capacity()),
      reach_(next_hops.capacity()) {}

// Next hops of an earlier daemon. Which of them are still the way nobody has watched since: whoever
// names one looks its way up again, and finds the same record where it is.
void KernelRouter::adopt() noexcept {
    for (std::uint32_t index = 0; index < next_hops_.used(); ++index) {
        if (!next_hops_.is_used(index)) continue;
        const xvs_next_hop& hop = next_hops_[index];
        std::array<std::byte, sizeof(hop.gateway)> bytes;
        std::memcpy(bytes.data(), hop.gateway, bytes.size());
        const bool is_ipv4 = hop.family == static_cast<std::uint8_t>(net::Family::Ipv4);
        const net::IpAddress gateway = is_ipv4
                                           ? net::IpAddress(net::Ipv4Address::load(bytes.data()))
                                           : net::IpAddress(net::Ipv6Address(bytes));
        const Link* link = mirror_.find_link(hop.interface);
        const std::uint32_t limit = link != nullptr && hop.mtu < link->mtu ? hop.mtu : 0;
        if (link == nullptr || index_.find(link->ifindex, gateway, limit) != XVS_NONE) {
            next_hops_.free(index);
            continue;
        }
        next_hops_.invalidate(index);
        index_.insert(index, link->ifindex, gateway, limit);
        fill(index, *link, gateway);
    }
}

engine::Route KernelRouter::find_route(const net::IpAddress& destination,
                                       const net::IpAddress& source) noexcept {
    Answer& answer = place_of(destination, source);
    if (!is_valid(answer) || answer.destination != destination || answer.source != source) {
        answer.route = ask(destination, source);
        answer.destination = destination;
        answer.source = source;
        answer.epoch = epoch_;
        answer.until = clock_.now() + kAnswerLife;
        const bool has_hop = answer.route.kind == engine::RouteKind::Unicast;
        answer.generation = has_hop ? next_hops_[answer.route.next_hop].generation : 0;
    }
    if (answer.route.kind == engine::RouteKind::Unicast)
        uses_[answer.route.next_hop].asked_at = clock_.now();
    return answer.route;
}

// One place an address: whoever comes to it later has it.
KernelRouter::Answer& KernelRouter::place_of(const net::IpAddress& destination,
                                             const net::IpAddress& source) noexcept {
    static_assert((kAnswers & (kAnswers - 1)) == 0);
    return answers_[hash_addresses(keys_, destination, source, 0) & (kAnswers - 1)];
}

bool KernelRouter::is_valid(const Answer& answer) const noexcept {
    if (answer.epoch != epoch_ || clock_.now() >= answer.until) return false;
    return answer.route.kind != engine::RouteKind::Unicast ||
           next_hops_.is_current(answer.route.next_hop, answer.generation);
}

engine::Route KernelRouter::ask(const net::IpAddress& destination,
                                const net::IpAddress& source) noexcept {
    RouteEntry found;
    int error = look_up(destination, source, found);
    // Linux looks for no way from an address that is not its own.
    if (error != 0 && !source.is_unspecified()) error = look_up(destination, {}, found);
    if (error != 0) return unreachable();
    if (found.type == RTN_LOCAL || found.type == RTN_ANYCAST) {
        engine::Route route;
        route.kind = engine::RouteKind::Local;
        route.source = found.source.is_unspecified() ? destination : found.source;
        return route;
    }
    const Link* link = mirror_.find_link(found.ifindex);
    if (found.type != RTN_UNICAST || link == nullptr) return unreachable();
    std::uint32_t mtu = link->mtu;
    for (const std::uint32_t limit : {found.mtu, paths_.find(destination)}) {
        if (limit != 0) mtu = std::min(mtu, limit);
    }
    const std::uint32_t hop =
        intern(*link, found.gateway.value_or(destination), mtu < link->mtu ? mtu : 0);
    if (hop == XVS_NONE) return unreachable();
    reach_.add(hop, destination);
    return engine::Route{
        .kind = engine::RouteKind::Unicast, .next_hop = hop, .mtu = mtu, .source = found.source};
}

int KernelRouter::look_up(const net::IpAddress& destination,
                          const net::IpAddress& source,
                          RouteEntry& found) noexcept {
    ++questions_;
    NetlinkRequest request(RTM_GETROUTE, 0);
    auto& header = request.add_header<rtmsg>();
    const auto bits = static_cast<std::uint8_t>(destination.size() * 8);
    header.rtm_family = family_number(destination);
    header.rtm_dst_len = bits;
    request.put(RTA_DST, bytes_of(destination));
    if (!source.is_unspecified() && source.family() == destination.family()) {
        header.rtm_src_len = bits;
        request.put(RTA_SRC, bytes_of(source));
    }
    bool has_answer = false;
    const int error = socket_.query(request, [&](const nlmsghdr& message) {
        if (const auto route = parse_route(message)) {
            found = *route;
            has_answer = true;
        }
    });
    if (error != 0) return error;
    return has_answer ? 0 : EIO;
}

// `limit`: how long packets may be, 0 if they may be as long as the link takes them.
std::uint32_t KernelRouter::intern(const Link& link,
                                   const net::IpAddress& gateway,
                                   std::uint32_t limit) noexcept {
    if (const std::uint32_t known = index_.find(link.ifindex, gateway, limit); known != XVS_NONE)
        return known;
    std::uint32_t index = next_hops_.allocate();
    if (index == XVS_NONE) {
        is_full_ = is_shared_;
        if (is_shared_) return XVS_NONE;
        free_idle();
        index = next_hops_.allocate();
        if (index == XVS_NONE) return XVS_NONE;
    }
    index_.insert(index, link.ifindex, gateway, limit);
    reach_.clear(index);
    fill(index, link, gateway);
    return index;
}

void KernelRouter::make_room() noexcept {
    if (!is_full_) return;
    is_full_ = false;
    free_idle();
    ++epoch_;  // whoever found no room asks again
}

void KernelRouter::fill(std::uint32_t index,
                        const Link& link,
                        const net::IpAddress& gateway) noexcept {
    xvs_next_hop& hop = next_hops_[index];
    uses_[index] = Use{.asked_at = clock_.now(), .resolved_at = {}};
    hop.interface = link.ifindex;
    const std::uint32_t limit = index_.limit_of(index);
    hop.mtu = limit == 0 ? link.mtu : std::min(limit, link.mtu);
    hop.flags = link.has_link_header() ? XVS_HOP_LINK_HEADER : 0;
    hop.family = static_cast<std::uint8_t>(gateway.family());
    std::memcpy(hop.gateway, gateway.bytes().data(), sizeof(hop.gateway));
    set_peer_flag(index, link);
    set_xdp_way(index, link);
    if (!link.has_neighbours()) {
        // Where nobody asks for addresses, Linux sends to the interface's own.
        next_hops_.resolve(index, link.mac, link.mac);
        return;
    }
    if (const Neighbour* neighbour = mirror_.find_neighbour(link.ifindex, gateway))
        take_neighbour(index, *neighbour);
}

void KernelRouter::set_peer_redirect(PeerRedirect wanted, const Taps& taps) noexcept {
    peer_redirect_ = wanted;
    taps_ = taps;
    index_.for_each([this](std::uint32_t index) {
        if (const Link* link = mirror_.find_link(index_.interface_of(index)))
            set_peer_flag(index, *link);
    });
}

void KernelRouter::set_peer_flag(std::uint32_t index, const Link& link) noexcept {
    const bool is_seen = link.promiscuity > 0 || taps_.is_on(link.ifindex);
    const bool is_wanted =
        peer_redirect_ == PeerRedirect::On || (peer_redirect_ == PeerRedirect::Auto && !is_seen);
    set_flag(index, XVS_HOP_PEER, is_wanted && link.has_peer_elsewhere());
}

void KernelRouter::set_xdp(std::uint32_t device, bool is_attached) {
    if (is_attached) {
        xdp_devices_.insert(device);
    } else {
        xdp_devices_.erase(device);
    }
    index_.for_each([this](std::uint32_t index) {
        if (const Link* link = mirror_.find_link(index_.interface_of(index)))
            set_xdp_way(index, *link);
    });
}

// What a macvlan sends may be for another macvlan beside it, which the device under both never
// sees.
void KernelRouter::set_xdp_way(std::uint32_t index, const Link& link) noexcept {
    xvs_next_hop& hop = next_hops_[index];
    set_flag(index, XVS_HOP_XDP, false);
    const std::uint32_t device = link.kind == "vlan" ? link.lower : link.ifindex;
    if (!xdp_devices_.contains(device) || !link.has_link_header()) return;
    flow::store_release(hop.vlan, link.vlan);
    flow::store_release(hop.lower, device);
    set_flag(index, XVS_HOP_XDP, true);
}

void KernelRouter::set_flag(std::uint32_t index, std::uint8_t flag, bool is_set) noexcept {
    xvs_next_hop& hop = next_hops_[index];
    const auto without = static_cast<__u8>(hop.flags & ~flag);
    flow::store_release(hop.flags, static_cast<__u8>(without | (is_set ? flag : 0)));
}

void KernelRouter::take_neighbour(std::uint32_t index, const Neighbour& neighbour) noexcept {
    const Link* link = mirror_.find_link(neighbour.ifindex);
    if (link == nullptr || !link->has_neighbours()) return;
    if (!neighbour.is_resolved()) return next_hops_.unresolve(index);
    next_hops_.resolve(index, neighbour.mac, link->mac);
    // Nothing that the kernel sends keeps the neighbour fresh: XVS's packets pass it by.
    if (neighbour.is_stale() && clock_.now() - uses_[index].asked_at < kIdleLife)
        use_neighbour(index);
}

void KernelRouter::resolve(std::uint32_t index) noexcept {
    Use& use = uses_[index];
    const Nanoseconds now = clock_.now();
    use.asked_at = now;
    if (use.resolved_at != Nanoseconds{} && now - use.resolved_at < kResolveInterval) return;
    use.resolved_at = now;
    use_neighbour(index);
}

// Has Linux ask for the neighbour, or confirm what it knows, as if it had a packet to send.
void KernelRouter::use_neighbour(std::uint32_t index) noexcept {
    const net::IpAddress& gateway = index_.gateway_of(index);
    NetlinkRequest request(RTM_NEWNEIGH, NLM_F_CREATE);
    auto& header = request.add_header<ndmsg>();
    header.ndm_family = family_number(gateway);
    header.ndm_ifindex = static_cast<int>(index_.interface_of(index));
    header.ndm_flags = NTF_USE;
    header.ndm_state = NUD_NONE;
    request.put(NDA_DST, bytes_of(gateway));
    // An interface that is down takes no request; its routes go, and the next hop with them.
    static_cast<void>(socket_.execute(request));
}

bool KernelRouter::is_local(const net::IpAddress& address) noexcept {
    return mirror_.is_local(address);
}

bool KernelRouter::is_broadcast(const net::IpAddress& address) noexcept {
    return mirror_.is_broadcast(address);
}

bool KernelRouter::neighbour_changed(const Neighbour& neighbour) noexcept {
    bool is_known = false;
    index_.for_each_of(neighbour.ifindex, neighbour.address, [&](std::uint32_t index) {
        take_neighbour(index, neighbour);
        is_known = true;
    });
    return is_known && neighbour.is_resolved();
}

void KernelRouter::neighbour_gone(const Neighbour& neighbour) noexcept {
    const Link* link = mirror_.find_link(neighbour.ifindex);
    if (link == nullptr || !link->has_neighbours()) return;
    index_.for_each_of(neighbour.ifindex, neighbour.address, [this](std::uint32_t index) {
        next_hops_.unresolve(index);
    });
}

void KernelRouter::link_changed(const Link& link) noexcept {
    index_.for_each([&](std::uint32_t index) {
        if (index_.interface_of(index) == link.ifindex) fill(index, link, index_.gateway_of(index));
    });
}

void KernelRouter::link_gone(const Link& link) noexcept {
    index_.for_each([&](std::uint32_t index) {
        if (index_.interface_of(index) != link.ifindex) return;
        index_.erase(index);
        next_hops_.free(index);
    });
}

void KernelRouter::routes_changed(const RouteChanges& changes) noexcept {
    ++epoch_;
    forget_paths(changes);
    index_.for_each([&](std::uint32_t index) {
        if (is_concerned(index, changes)) invalidate(index);
    });
}

// A new way may take longer packets. Kernel: what was learned is kept with the route.
void KernelRouter::forget_paths(const RouteChanges& changes) noexcept {
    const bool is_any = changes.is_everything || !changes.interfaces.empty();
    (void)paths_.forget([&](const net::IpAddress& destination, Nanoseconds /*until*/) {
        return is_any ||
               std::any_of(changes.destinations.begin(),
                           changes.destinations.end(),
                           [&](const net::Prefix& each) { return each.contains(destination); });
    });
}

void KernelRouter::forget_old_paths() noexcept {
    const Nanoseconds now = clock_.now();
    const auto is_over = [now](const net::IpAddress& /*destination*/, Nanoseconds until) {
        return now >= until;
    };
    if (!paths_.forget(is_over)) return;
    ++epoch_;
    index_.for_each([this](std::uint32_t index) {
        if (index_.limit_of(index) != 0) invalidate(index);
    });
}

// Whoever names it looks its way up again.
void KernelRouter::invalidate(std::uint32_t index) noexcept {
    next_hops_.invalidate(index);
    reach_.clear(index);
}

engine::PathMtu KernelRouter::learn_path_mtu(const net::IpAddress& destination,
                                             std::uint32_t mtu) noexcept {
    const engine::Route route = find_route(destination, {});
    if (route.kind != engine::RouteKind::Unicast) return {.before = mtu, .now = mtu};
    const bool was_learned = paths_.find(destination) != 0;
    engine::PathMtu path{.before = route.mtu, .now = route.mtu, .was_learned = was_learned};
    if (mtu > route.mtu) return path;
    paths_.learn(destination, mtu, clock_.now());
    path.now = std::min(route.mtu, paths_.find(destination));
    if (path.now < path.before) invalidate(route.next_hop);
    return path;
}

bool KernelRouter::is_concerned(std::uint32_t index, const RouteChanges& changes) const noexcept {
    if (changes.is_everything) return true;
    const auto is_one_of = [](const auto& all, const auto& condition) {
        return std::any_of(all.begin(), all.end(), condition);
    };
    return is_one_of(changes.interfaces,
                     [&](std::uint32_t each) { return each == index_.interface_of(index); }) ||
           is_one_of(changes.destinations,
                     [&](const net::Prefix& each) { return reach_.may_reach(index, each); });
}

void KernelRouter::free_idle() noexcept {
    const Nanoseconds now = clock_.now();
    if (now - freed_at_ < std::chrono::seconds(1)) return;
    freed_at_ = now;
    // Those who still name one of them look their way up again.
    for (const Nanoseconds life : {Nanoseconds(kIdleLife), Nanoseconds(kIdleLife) / 15}) {
        const std::uint32_t before = next_hops_.size();
        index_.for_each([&](std::uint32_t index) {
            if (now - uses_[index].asked_at < life) return;
            index_.erase(index);
            next_hops_.free(index);
        });
        if (next_hops_.size() < before) return;
    }
}

}  // namespace xvs::host
