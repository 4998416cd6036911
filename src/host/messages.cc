#include "host/messages.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <span>

#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/netconf.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>

#include <libmnl/libmnl.h>

namespace xvs::host {
namespace {

constexpr std::uint16_t kTypeMask = 0x3fff;  // without NLA_F_NESTED and NLA_F_NET_BYTEORDER

std::span<const std::byte> value_of(const nlattr& attribute) noexcept {
    return {static_cast<const std::byte*>(::mnl_attr_get_payload(&attribute)),
            ::mnl_attr_get_payload_len(&attribute)};
}

// Calls `visit(type, value)` with each attribute of a run.
template <class Visit>
void for_each_attribute(std::span<const std::byte> run, Visit&& visit) {
    const auto* attribute = reinterpret_cast<const nlattr*>(run.data());
    auto rest = static_cast<int>(run.size());
    while (::mnl_attr_ok(attribute, rest)) {
        visit(static_cast<std::uint16_t>(attribute->nla_type & kTypeMask), value_of(*attribute));
        rest -= MNL_ALIGN(attribute->nla_len);
        attribute = ::mnl_attr_next(attribute);
    }
}

// The fixed header of a message, nullptr if it is cut short; `attributes` is what follows.
template <class Header>
const Header* header_of(const nlmsghdr& message, std::span<const std::byte>& attributes) noexcept {
    const std::size_t size = ::mnl_nlmsg_get_payload_len(&message);
    const auto* payload = static_cast<const std::byte*>(::mnl_nlmsg_get_payload(&message));
    constexpr std::size_t offset = (sizeof(Header) + 3) / 4 * 4;
    if (message.nlmsg_len < sizeof(nlmsghdr) || size < sizeof(Header)) return nullptr;
    attributes =
        offset < size ? std::span(payload + offset, size - offset) : std::span<const std::byte>();
    return reinterpret_cast<const Header*>(payload);
}

template <class Integer>
Integer number(std::span<const std::byte> value) noexcept {
    Integer result = 0;
    if (value.size() >= sizeof(result)) std::memcpy(&result, value.data(), sizeof(result));
    return result;
}

std::string text(std::span<const std::byte> value) {
    const auto* characters = reinterpret_cast<const char*>(value.data());
    return {characters, ::strnlen(characters, value.size())};
}

std::optional<net::IpAddress> address_of(std::span<const std::byte> value) noexcept {
    if (value.size() == net::Ipv4Address::kSize) return net::Ipv4Address::load(value.data());
    if (value.size() == net::Ipv6Address::kSize) return net::Ipv6Address::load(value.data());
    return std::nullopt;
}

net::MacAddress mac_of(std::span<const std::byte> value) noexcept {
    return value.size() == net::MacAddress::kSize ? net::MacAddress::load(value.data())
                                                  : net::MacAddress{};
}

bool is_ip(std::uint8_t family) noexcept {
    return family == AF_INET || family == AF_INET6;
}

net::IpAddress unspecified(std::uint8_t family) noexcept {
    return family == AF_INET ? net::IpAddress(net::Ipv4Address{})
                             : net::IpAddress(net::Ipv6Address{});
}

void read_link_info(std::span<const std::byte> info, Link& link) {
    std::span<const std::byte> data;
    for_each_attribute(info, [&](std::uint16_t type, std::span<const std::byte> value) {
        if (type == IFLA_INFO_KIND) link.kind = text(value);
        if (type == IFLA_INFO_DATA) data = value;
        if (type == IFLA_INFO_SLAVE_KIND) link.master_kind = text(value);
    });
    if (link.kind != "vlan") return;
    for_each_attribute(data, [&](std::uint16_t type, std::span<const std::byte> value) {
        if (type == IFLA_VLAN_ID) link.vlan = number<std::uint16_t>(value);
    });
}

// The gateway of another family (RFC 5549): family, then address.
std::optional<net::IpAddress> via_of(std::span<const std::byte> value) noexcept {
    if (value.size() < sizeof(std::uint16_t)) return std::nullopt;
    return address_of(value.subspan(sizeof(std::uint16_t)));
}

std::uint32_t mtu_of(std::span<const std::byte> metrics) noexcept {
    std::uint32_t mtu = 0;
    for_each_attribute(metrics, [&](std::uint16_t type, std::span<const std::byte> value) {
        if (type == RTAX_MTU) mtu = number<std::uint32_t>(value);
    });
    return mtu;
}

}  // namespace

bool Link::has_link_header() const noexcept {
    return type == ARPHRD_ETHER || type == ARPHRD_LOOPBACK;
}

bool Link::is_part_of_lower() const noexcept {
    return !has_foreign_link && lower != 0 && (kind == "vlan" || kind == "macvlan");
}

bool Link::is_layer3() const noexcept {
    constexpr std::array<std::uint16_t, 10> kBare = {0xfffe /* ARPHRD_NONE: tun */,
                                                     ARPHRD_TUNNEL,
                                                     ARPHRD_TUNNEL6,
                                                     ARPHRD_SIT,
                                                     ARPHRD_IPGRE,
                                                     823 /* ARPHRD_IP6GRE */,
                                                     519 /* ARPHRD_RAWIP */,
                                                     ARPHRD_PPP,
                                                     0xffff /* ARPHRD_VOID */,
                                                     0xfffe};
    const bool is_known =
        has_link_header() || std::find(kBare.begin(), kBare.end(), type) != kBare.end();
    return is_known && (flags & IFF_LOOPBACK) == 0 && (master == 0 || master_kind == "vrf") &&
           kind != "vrf";
}

bool Link::is_loopback() const noexcept {
    return (flags & IFF_LOOPBACK) != 0;
}

bool Link::is_up() const noexcept {
    return (flags & IFF_UP) != 0;
}

bool Link::has_peer_elsewhere() const noexcept {
    return kind == "veth" && has_foreign_link;
}

bool Link::has_neighbours() const noexcept {
    return has_link_header() && (flags & (IFF_NOARP | IFF_LOOPBACK)) == 0;
}

bool Neighbour::is_resolved() const noexcept {
    constexpr std::uint16_t kUsable =
        NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT | NUD_NOARP;
    return (state & kUsable) != 0;
}

bool Neighbour::is_stale() const noexcept {
    return (state & NUD_STALE) != 0;
}

std::optional<Link> parse_link(const nlmsghdr& message) {
    if (message.nlmsg_type != RTM_NEWLINK && message.nlmsg_type != RTM_DELLINK) return std::nullopt;
    std::span<const std::byte> attributes;
    const auto* header = header_of<ifinfomsg>(message, attributes);
    // A bridge sends messages of its own about its ports, family AF_BRIDGE.
    if (header == nullptr || header->ifi_family != AF_UNSPEC) return std::nullopt;
    Link link;
    link.ifindex = static_cast<std::uint32_t>(header->ifi_index);
    link.flags = header->ifi_flags;
    link.type = header->ifi_type;
    for_each_attribute(attributes, [&](std::uint16_t type, std::span<const std::byte> value) {
        switch (type) {
            case IFLA_IFNAME:
                link.name = text(value);
                break;
            case IFLA_IFALIAS:
                link.alias = text(value);
                break;
            case IFLA_ADDRESS:
                link.mac = mac_of(value);
                break;
            case IFLA_MTU:
                link.mtu = number<std::uint32_t>(value);
                break;
            case IFLA_MASTER:
                link.master = number<std::uint32_t>(value);
                break;
            case IFLA_PROMISCUITY:
                link.promiscuity = number<std::uint32_t>(value);
                break;
            case IFLA_LINK:
                link.lower = number<std::uint32_t>(value);
                break;
            case IFLA_LINK_NETNSID:
                link.has_foreign_link = true;
                break;
            case IFLA_LINKINFO:
                read_link_info(value, link);
                break;
            default:
                break;
        }
    });
    return link;
}

std::optional<Neighbour> parse_neighbour(const nlmsghdr& message) {
    if (message.nlmsg_type != RTM_NEWNEIGH && message.nlmsg_type != RTM_DELNEIGH)
        return std::nullopt;
    std::span<const std::byte> attributes;
    const auto* header = header_of<ndmsg>(message, attributes);
    if (header == nullptr || !is_ip(header->ndm_family)) return std::nullopt;
    Neighbour neighbour;
    neighbour.ifindex = static_cast<std::uint32_t>(header->ndm_ifindex);
    neighbour.state = header->ndm_state;
    std::optional<net::IpAddress> address;
    for_each_attribute(attributes, [&](std::uint16_t type, std::span<const std::byte> value) {
        if (type == NDA_DST) address = address_of(value);
        if (type == NDA_LLADDR) neighbour.mac = mac_of(value);
    });
    if (!address) return std::nullopt;
    neighbour.address = *address;
    return neighbour;
}

std::optional<RouteEntry> parse_route(const nlmsghdr& message) noexcept {
    if (message.nlmsg_type != RTM_NEWROUTE && message.nlmsg_type != RTM_DELROUTE)
        return std::nullopt;
    std::span<const std::byte> attributes;
    const auto* header = header_of<rtmsg>(message, attributes);
    if (header == nullptr || !is_ip(header->rtm_family)) return std::nullopt;
    RouteEntry route;
    route.type = header->rtm_type;
    route.table = header->rtm_table;
    route.destination = {unspecified(header->rtm_family), header->rtm_dst_len};
    route.source = unspecified(header->rtm_family);
    for_each_attribute(attributes, [&](std::uint16_t type, std::span<const std::byte> value) {
        switch (type) {
            case RTA_DST:
                route.destination.address = address_of(value).value_or(route.destination.address);
                break;
            case RTA_TABLE:
                route.table = number<std::uint32_t>(value);
                break;
            case RTA_OIF:
                route.ifindex = number<std::uint32_t>(value);
                break;
            case RTA_GATEWAY:
                route.gateway = address_of(value);
                break;
            case RTA_VIA:
                route.gateway = via_of(value);
                break;
            case RTA_PREFSRC:
                route.source = address_of(value).value_or(route.source);
                break;
            case RTA_METRICS:
                route.mtu = mtu_of(value);
                break;
            default:
                break;
        }
    });
    return route;
}

std::optional<std::int32_t> parse_settings_interface(const nlmsghdr& message) noexcept {
    std::span<const std::byte> attributes;
    if (header_of<netconfmsg>(message, attributes) == nullptr) return std::nullopt;
    std::optional<std::int32_t> ifindex;
    for_each_attribute(attributes, [&](std::uint16_t type, std::span<const std::byte> value) {
        if (type == NETCONFA_IFINDEX) ifindex = number<std::int32_t>(value);
    });
    return ifindex;
}

}  // namespace xvs::host
