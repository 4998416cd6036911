// Probes: single packets that ask a neighbouring host what it would do, without disturbing it.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "lab/capture.h"
#include "net/address.h"

namespace xvs::lab {

// Where a packet to an address would go, as `ip route get` says. Of the calling thread's network
// namespace, as all here.
struct Route {
    std::string interface;
    std::optional<net::IpAddress> gateway;  // none: on the link
    net::IpAddress source;
    unsigned mtu = 0;

    // Whom the frame is for: the gateway, or the destination itself.
    [[nodiscard]] net::IpAddress next_hop(const net::IpAddress& destination) const {
        return gateway.value_or(destination);
    }
};

[[nodiscard]] Result<Route> find_route(const net::IpAddress& destination);

// As find_route(), with a source that is not `vip`: the kernel may choose the VIP, for it is a
// local address as good as any.
[[nodiscard]] Result<Route> find_route_from_own(const net::IpAddress& destination,
                                                const net::IpAddress& vip);

// Asks for a neighbour's MAC address and waits a little; fails when nobody answers.
[[nodiscard]] Result<net::MacAddress> resolve(const std::string& interface,
                                              const net::IpAddress& neighbour);

[[nodiscard]] Result<net::MacAddress> mac_of(const std::string& interface);
[[nodiscard]] Result<unsigned> mtu_of(const std::string& interface);

// An ICMP echo request, sent as a frame: source and destination may be any address.
struct EchoRequest {
    std::string interface;
    net::MacAddress to_mac;
    net::IpAddress source;
    net::IpAddress destination;
    std::optional<OuterHeader> outer;  // in IPIP
    unsigned size = 84;                // of the (inner) IP packet
    unsigned ttl = 64;
};

struct EchoAnswer {
    net::MacAddress from_mac;  // of the frame that brought it here
};

// Returns the answer, seen on any interface; nullopt when none comes. Fails when the request cannot
// be sent (OutOfRange: it does not fit the interface's MTU).
[[nodiscard]] Result<std::optional<EchoAnswer>> ask_echo(
    const EchoRequest& request,
    std::chrono::milliseconds patience = std::chrono::milliseconds(400));

// Returns the MAC addresses of all who answer an ARP probe (sender 0.0.0.0: it enters no cache) for
// `address` on `interface`.
[[nodiscard]] Result<std::vector<net::MacAddress>> ask_arp(
    const std::string& interface,
    net::Ipv4Address address,
    std::chrono::milliseconds patience = std::chrono::milliseconds(300));

}  // namespace xvs::lab
