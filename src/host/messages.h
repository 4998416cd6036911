// What rtnetlink's messages say, as plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <linux/netlink.h>

#include "net/address.h"
#include "net/prefix.h"

namespace xvs::host {

struct Link {
    std::uint32_t ifindex = 0;
    std::string name;
    std::string kind;  // "veth", "bridge", "vlan"; empty for a physical one
    std::string alias;
    net::MacAddress mac;
    std::uint32_t mtu = 0;
    std::uint32_t flags = 0;        // IFF_*
    std::uint16_t type = 0;         // ARPHRD_*
    std::uint32_t master = 0;       // the bridge, bond or VRF it belongs to
    std::string master_kind;        // "bridge", "bond", "vrf"
    std::uint32_t promiscuity = 0;  // how many want every frame of it: tcpdump, a bridge
    std::uint32_t lower = 0;        // the device under it, if it is another
    std::uint16_t vlan = 0;         // of a VLAN interface
    bool has_foreign_link = false;  // its lower device or other end is in another namespace

    // Whether its frames have an Ethernet header.
    [[nodiscard]] bool has_link_header() const noexcept;

    // Whether packets are received on it for this host, rather than on a bridge or bond above it.
    [[nodiscard]] bool is_layer3() const noexcept;

    // Whether the host talks to itself by it.
    [[nodiscard]] bool is_loopback() const noexcept;

    [[nodiscard]] bool is_up() const noexcept;

    // Whether its other end is in another network namespace, where frames may be put directly.
    [[nodiscard]] bool has_peer_elsewhere() const noexcept;

    // Whether its frames can be told among those of a device under it: of a VLAN interface or a
    // macvlan. Else the device is itself.
    [[nodiscard]] bool is_part_of_lower() const noexcept;

    // Whether its neighbours have MAC addresses that must be asked for.
    [[nodiscard]] bool has_neighbours() const noexcept;

    bool operator==(const Link&) const = default;
};

struct Neighbour {
    std::uint32_t ifindex = 0;
    net::IpAddress address;
    net::MacAddress mac;
    std::uint16_t state = 0;  // NUD_*

    // Whether packets may be sent to `mac`.
    [[nodiscard]] bool is_resolved() const noexcept;
    [[nodiscard]] bool is_stale() const noexcept;

    bool operator==(const Neighbour&) const = default;
};

// A route: of a dump or an event, or the one that answers a look-up.
struct RouteEntry {
    std::uint8_t type = 0;    // RTN_*
    std::uint32_t table = 0;  // RT_TABLE_*
    net::Prefix destination;
    std::uint32_t ifindex = 0;
    std::optional<net::IpAddress> gateway;  // of either family
    net::IpAddress source;                  // preferred; unspecified where none is said
    std::uint32_t mtu = 0;                  // 0: the interface's
};

// Each returns nullopt for a message of another kind, of a family that is none of ours, or one cut
// short.
[[nodiscard]] std::optional<Link> parse_link(const nlmsghdr& message);
[[nodiscard]] std::optional<Neighbour> parse_neighbour(const nlmsghdr& message);
[[nodiscard]] std::optional<RouteEntry> parse_route(const nlmsghdr& message) noexcept;

// Whose settings RTM_NEWNETCONF tells: an ifindex, NETCONFA_IFINDEX_ALL or
// NETCONFA_IFINDEX_DEFAULT.
[[nodiscard]] std::optional<std::int32_t> parse_settings_interface(
    const nlmsghdr& message) noexcept;

}  // namespace xvs::host
