#include "host/private_link.h"

#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sys/socket.h>

#include <fmt/format.h>

#include "host/device_features.h"
#include "host/messages.h"
#include "host/netlink_socket.h"

namespace xvs::host {
namespace {

// By which a later daemon knows that the pair is XVS's.
constexpr std::string_view kAlias = "xvsd: private link to the engine";
constexpr std::uint32_t kMtu = 65535;

Error creation_error(int error) {
    if (error == EPERM) {
        return Error{.code = ErrorCode::NotPermitted,
                     .context =
                         "making a network interface is refused: run xvsd as root, or with "
                         "CAP_NET_ADMIN"};
    }
    Error result = system_error(
        fmt::format(
            "making the interfaces {} and {}", PrivateLink::kNearName, PrivateLink::kFarName),
        error);
    if (error == EOPNOTSUPP) result.context += "; the kernel needs veth (CONFIG_VETH)";
    return result;
}

void put_end(NetlinkRequest& request, std::string_view name) {
    request.put_string(IFLA_IFNAME, name);
    request.put_u32(IFLA_MTU, kMtu);
}

int create_pair(NetlinkSocket& socket) {
    NetlinkRequest request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
    auto& near = request.add_header<ifinfomsg>();
    near.ifi_flags = IFF_NOARP;
    near.ifi_change = IFF_NOARP;
    put_end(request, PrivateLink::kNearName);
    const std::size_t info = request.begin_nest(IFLA_LINKINFO);
    request.put_string(IFLA_INFO_KIND, "veth");
    const std::size_t data = request.begin_nest(IFLA_INFO_DATA);
    const std::size_t peer = request.begin_nest(VETH_INFO_PEER);
    auto& far = request.add_header<ifinfomsg>();
    far.ifi_flags = IFF_NOARP;
    far.ifi_change = IFF_NOARP;
    put_end(request, PrivateLink::kFarName);
    request.end_nest(peer);
    request.end_nest(data);
    request.end_nest(info);
    return socket.execute(request);
}

// Before the link is up: then an IPv6 address would be there already. A kernel without IPv6
// refuses, and makes none.
void keep_ipv6_silent(NetlinkSocket& socket, std::uint32_t ifindex) {
    NetlinkRequest request(RTM_NEWLINK, 0);
    request.add_header<ifinfomsg>().ifi_index = static_cast<int>(ifindex);
    const std::size_t families = request.begin_nest(IFLA_AF_SPEC);
    const std::size_t ipv6 = request.begin_nest(AF_INET6);
    request.put_u8(IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
    request.end_nest(ipv6);
    request.end_nest(families);
    static_cast<void>(socket.execute(request));
}

int bring_up(NetlinkSocket& socket, std::uint32_t ifindex) {
    NetlinkRequest request(RTM_NEWLINK, 0);
    auto& header = request.add_header<ifinfomsg>();
    header.ifi_index = static_cast<int>(ifindex);
    header.ifi_flags = IFF_UP | IFF_NOARP;
    header.ifi_change = IFF_UP | IFF_NOARP;
    request.put_string(IFLA_IFALIAS, kAlias);
    return socket.execute(request);
}

int remove_link(NetlinkSocket& socket, std::uint32_t ifindex) {
    NetlinkRequest request(RTM_DELLINK, 0);
    request.add_header<ifinfomsg>().ifi_index = static_cast<int>(ifindex);
    return socket.execute(request);
}

std::optional<Link> find_link(NetlinkSocket& socket, std::string_view name) {
    NetlinkRequest request(RTM_GETLINK, 0);
    request.add_header<ifinfomsg>();
    request.put_string(IFLA_IFNAME, name);
    std::optional<Link> found;
    socket.query(request, [&](const nlmsghdr& message) { found = parse_link(message); });
    return found;
}

// Removes what a daemon that was killed has left behind; refuses where the name is someone else's.
Status clear_name(NetlinkSocket& socket, std::string_view name) {
    const auto link = find_link(socket, name);
    if (!link) return {};
    if (link->kind != "veth" || link->alias != kAlias) {
        return fail(
            ErrorCode::InUse,
            fmt::format("there is an interface {} that is not XVS's: XVS needs the names {} "
                        "and {}; rename yours (ip link set {} name ...)",
                        name,
                        PrivateLink::kNearName,
                        PrivateLink::kFarName,
                        name));
    }
    const int error = remove_link(socket, link->ifindex);
    if (error != 0 && error != ENODEV)
        return fail(system_error(fmt::format("removing the leftover interface {}", name), error));
    return {};
}

Result<std::uint32_t> finish(NetlinkSocket& socket, std::string_view name) {
    const auto link = find_link(socket, name);
    if (!link) return fail(creation_error(ENODEV));
    keep_ipv6_silent(socket, link->ifindex);
    if (const int error = bring_up(socket, link->ifindex)) return fail(creation_error(error));
    // A virtio-net header has no word for these super-packets: the kernel cuts them on the way.
    turn_off_features(name, {"tx-sctp-segmentation"});
    if (!has_udp_super_packets()) turn_off_features(name, {"tx-udp-segmentation"});
    return link->ifindex;
}

}  // namespace

Result<PrivateLink> PrivateLink::find_or_create() {
    auto socket = NetlinkSocket::open();
    if (!socket) return fail(socket.error());
    const auto near = find_link(*socket, kNearName);
    const auto far = find_link(*socket, kFarName);
    const bool is_ours = near && far && near->kind == "veth" && near->alias == kAlias &&
                         far->kind == "veth" && far->alias == kAlias;
    if (!is_ours) return create();
    for (const auto& end : {*near, *far}) {
        if (const int error = bring_up(*socket, end.ifindex)) return fail(creation_error(error));
    }
    PrivateLink link(near->ifindex, far->ifindex);
    link.was_found_ = true;
    link.is_kept_ = true;
    return link;
}

Status PrivateLink::remove_leftover() {
    auto socket = NetlinkSocket::open();
    if (!socket) return fail(socket.error());
    for (const std::string_view name : {kNearName, kFarName}) {
        const auto link = find_link(*socket, name);
        if (!link || link->kind != "veth" || link->alias != kAlias) continue;
        const int error = remove_link(*socket, link->ifindex);
        if (error != 0 && error != ENODEV)
            return fail(system_error(fmt::format("removing the interface {}", name), error));
    }
    return {};
}

Result<PrivateLink> PrivateLink::create() {
    auto socket = NetlinkSocket::open();
    if (!socket) return fail(socket.error());
    for (const std::string_view name : {kNearName, kFarName}) {
        if (auto status = clear_name(*socket, name); !status) return fail(status.error());
    }
    if (const int error = create_pair(*socket)) return fail(creation_error(error));
    PrivateLink link(0, 0);
    const auto near = finish(*socket, kNearName);
    if (!near) return fail(near.error());
    link.near_ = *near;
    const auto far = finish(*socket, kFarName);
    if (!far) return fail(far.error());
    link.far_ = *far;
    return link;
}

PrivateLink::PrivateLink(PrivateLink&& other) noexcept
    : near_(std::exchange(other.near_, 0)),
      far_(std::exchange(other.far_, 0)),
      is_kept_(other.is_kept_),
      was_found_(other.was_found_) {}

PrivateLink::~PrivateLink() {
    if (near_ == 0 || is_kept_) return;
    auto socket = NetlinkSocket::open();
    if (socket) remove_link(*socket, near_);
}

}  // namespace xvs::host
