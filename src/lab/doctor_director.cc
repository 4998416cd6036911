// The director's side of the doctor: what it can tell by asking its real servers.
#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "lab/doctor.h"
#include "lab/network_namespace.h"
#include "lab/probe.h"
#include "lab/real_server.h"

namespace xvs::lab {

using model::ForwardingMethod;

namespace {

constexpr unsigned kFullPacket = 1500;  // what clients on the Internet send at most

unsigned outer_size(net::Family family) {
    return family == net::Family::Ipv4 ? 20 : 40;
}

// A real server in a method for a VIP; ports do not matter here.
struct Pair {
    ForwardingMethod method;
    net::IpAddress vip;
    net::IpAddress real;

    auto operator<=>(const Pair&) const = default;
};

class Director {
public:
    Result<std::vector<Finding>> examine(const std::vector<SavedService>& services) {
        std::set<net::IpAddress> vips;
        std::set<Pair> pairs;
        for (const SavedService& service : services) {
            vips.insert(service.vip.address);
            for (const model::Destination& destination : service.destinations)
                pairs.insert({destination.method, service.vip.address, destination.real.address});
        }
        for (const net::IpAddress& vip : vips)
            examine_vip(vip);
        examine_forwarding(pairs);
        for (const Pair& pair : pairs) {
            if (has_address(pair.real)) continue;  // local node
            if (auto examined = examine_pair(pair); !examined)
                add(Health::Unknown, Check::Vip, examined.error().context, "");
        }
        return std::move(findings_);
    }

private:
    void add(Health health, Check check, std::string what, std::string remedy) {
        findings_.push_back({health, check, std::move(what), std::move(remedy)});
    }

    void good(Check check, std::string what) { add(Health::Good, check, std::move(what), ""); }

    void examine_vip(const net::IpAddress& vip) {
        if (has_address(vip)) {
            good(Check::Vip, fmt::format("VIP {} is this director's", vip.to_string()));
            return;
        }
        add(Health::Ill,
            Check::Vip,
            fmt::format("VIP {} is not on this director, so packets to it are not ours",
                        vip.to_string()),
            fmt::format("ip addr add {}/{} dev IF",
                        vip.to_string(),
                        vip.family() == net::Family::Ipv4 ? 32 : 128));
    }

    void examine_forwarding(const std::set<Pair>& pairs) {
        for (const net::Family family : {net::Family::Ipv4, net::Family::Ipv6}) {
            const bool masquerades = std::any_of(pairs.begin(), pairs.end(), [&](const Pair& pair) {
                return pair.method == ForwardingMethod::Masquerade && pair.vip.family() == family;
            });
            if (!masquerades) continue;
            const std::string key = family == net::Family::Ipv4 ? "net.ipv4.ip_forward"
                                                                : "net.ipv6.conf.all.forwarding";
            const auto value = read_sysctl(key);
            if (value && *value != "0") {
                good(Check::IpForward, key + " is on: real servers reach the world through here");
                continue;
            }
            add(Health::Ill,
                Check::IpForward,
                key +
                    " is 0: this director is the default gateway of NAT real servers, but routes "
                    "nothing of their own (and ICMP errors of theirs are lost)",
                fmt::format("sysctl -w {}=1", key));
        }
    }

    Status examine_pair(const Pair& pair) {
        switch (pair.method) {
            case ForwardingMethod::Masquerade:
                return examine_gateway(pair);
            case ForwardingMethod::DirectRoute:
                return examine_direct_route(pair);
            case ForwardingMethod::Tunnel:
                return examine_tunnel(pair);
            default:
                return {};
        }
    }

    // A real server that answers the VIP must hand the answer to us: it is a client's address as
    // good as any, off its own link.
    Status examine_gateway(const Pair& pair) {
        const auto route = find_route_from_own(pair.real, pair.vip);
        if (!route) return fail(route.error());
        const auto mac = resolve(route->interface, route->next_hop(pair.real));
        if (!mac) return fail(mac.error());
        EchoRequest plain;
        plain.interface = route->interface;
        plain.to_mac = *mac;
        plain.source = route->source;
        plain.destination = pair.real;
        const auto alive = ask_echo(plain);
        if (!alive) return fail(alive.error());
        if (!*alive) {
            return fail(ErrorCode::NotFound,
                        fmt::format("{} does not answer ping: its default gateway cannot be told; "
                                    "run 'xvs doctor nat {}' there",
                                    pair.real.to_string(),
                                    pair.vip.to_string()));
        }
        EchoRequest from_vip = plain;
        from_vip.source = pair.vip;
        const auto answer = ask_echo(from_vip);
        if (!answer) return fail(answer.error());
        if (*answer && (*answer)->from_mac == *mac) {
            good(Check::DefaultGateway,
                 fmt::format("replies of {} come back through here", pair.real.to_string()));
            return {};
        }
        add(Health::Ill,
            Check::DefaultGateway,
            fmt::format("replies of {} do not come back through this director: its default gateway "
                        "is another, and clients get answers from an address they never asked",
                        pair.real.to_string()),
            fmt::format("on {}: ip route replace default via {}",
                        pair.real.to_string(),
                        route->source.to_string()));
        return {};
    }

    Status examine_direct_route(const Pair& pair) {
        const auto route = find_route_from_own(pair.real, pair.vip);
        if (!route) return fail(route.error());
        if (route->gateway) {
            add(Health::Ill,
                Check::Vip,
                fmt::format("{} is behind the router {}: direct routing reaches only real servers "
                            "on a network of the director's",
                            pair.real.to_string(),
                            route->gateway->to_string()),
                "forward to it by tunnel: xvsadm -e ... -i");
            return {};
        }
        const auto mac = resolve(route->interface, pair.real);
        if (!mac) return fail(mac.error());
        EchoRequest request;
        request.interface = route->interface;
        request.to_mac = *mac;
        request.source = route->source;
        request.destination = pair.vip;
        const auto answer = ask_echo(request);
        if (!answer) return fail(answer.error());
        if (*answer && (*answer)->from_mac == *mac) {
            good(Check::Vip,
                 fmt::format(
                     "{} takes packets for VIP {}", pair.real.to_string(), pair.vip.to_string()));
        } else {
            add(Health::Ill,
                Check::Vip,
                fmt::format("{} does not take packets for VIP {}: the VIP is not on it",
                            pair.real.to_string(),
                            pair.vip.to_string()),
                fmt::format(
                    "on {}: xvs real-server dr {}", pair.real.to_string(), pair.vip.to_string()));
        }
        return pair.vip.family() == net::Family::Ipv4 ? examine_arp(pair, route->interface, *mac)
                                                      : Status{};
    }

    Status examine_arp(const Pair& pair,
                       const std::string& interface,
                       const net::MacAddress& real_mac) {
        const auto answers = ask_arp(interface, pair.vip.v4());
        if (!answers) return fail(answers.error());
        if (std::find(answers->begin(), answers->end(), real_mac) == answers->end()) {
            good(Check::Arp,
                 fmt::format("{} keeps silent when ARP asks for the VIP", pair.real.to_string()));
            return {};
        }
        add(Health::Ill,
            Check::Arp,
            fmt::format("{} answers ARP for VIP {} ({}): clients' packets go to it past the "
                        "director",
                        pair.real.to_string(),
                        pair.vip.to_string(),
                        real_mac.to_string()),
            fmt::format("on {}: sysctl -w net.ipv4.conf.all.arp_ignore=1 "
                        "net.ipv4.conf.all.arp_announce=2, and keep the VIP on lo",
                        pair.real.to_string()));
        return {};
    }

    Status examine_tunnel(const Pair& pair) {
        const auto route = find_route_from_own(pair.real, pair.vip);
        if (!route) return fail(route.error());
        const auto mac = resolve(route->interface, route->next_hop(pair.real));
        if (!mac) return fail(mac.error());
        EchoRequest request;
        request.interface = route->interface;
        request.to_mac = *mac;
        request.source = route->source;
        request.destination = pair.vip;
        request.outer = OuterHeader{route->source, pair.real};
        const auto answer = ask_echo(request);
        if (!answer) return fail(answer.error());
        if (!*answer) {
            add(Health::Ill,
                Check::Decapsulation,
                fmt::format("{} does not answer what is tunnelled to it for VIP {}: it does not "
                            "decapsulate, lacks the VIP, or filters by reverse path (rp_filter)",
                            pair.real.to_string(),
                            pair.vip.to_string()),
                fmt::format("on {0}: xvs doctor tun {1}, which tells them apart",
                            pair.real.to_string(),
                            pair.vip.to_string()));
            return {};
        }
        good(Check::Decapsulation,
             fmt::format("{} takes what is tunnelled to it for VIP {}",
                         pair.real.to_string(),
                         pair.vip.to_string()));
        return examine_tunnel_mtu(request, pair, *route);
    }

    Status examine_tunnel_mtu(EchoRequest request, const Pair& pair, const Route& route) {
        request.size = kFullPacket;
        const auto answer = ask_echo(request);
        const bool too_long_here = !answer && answer.error().code == ErrorCode::OutOfRange;
        if (!answer && !too_long_here) return fail(answer.error());
        if (!too_long_here && *answer) {
            good(Check::Mtu,
                 fmt::format("packets of {} bytes and their outer header reach {}",
                             kFullPacket,
                             pair.real.to_string()));
            return {};
        }
        const unsigned needed = kFullPacket + outer_size(pair.vip.family());
        const std::string where = too_long_here
                                      ? fmt::format("{} takes {} bytes", route.interface, route.mtu)
                                      : std::string("a link on the way takes fewer");
        add(Health::Ill,
            Check::Mtu,
            fmt::format("a client's packet of {} bytes needs {} on the way to {}, but {}: large "
                        "transfers stall unless path MTU discovery works all the way to clients",
                        kFullPacket,
                        needed,
                        pair.real.to_string(),
                        where),
            too_long_here
                ? fmt::format("ip link set {} mtu {} (and so on the links up to {}), or on {}: "
                              "ip route change default ... advmss {}",
                              route.interface,
                              needed,
                              pair.real.to_string(),
                              pair.real.to_string(),
                              kFullPacket - outer_size(pair.vip.family()) * 2 - 20)
                : fmt::format("raise the MTU of every link up to {} to {}, or there: "
                              "ip route change default ... advmss {}",
                              pair.real.to_string(),
                              needed,
                              kFullPacket - outer_size(pair.vip.family()) * 2 - 20));
        return {};
    }

    std::vector<Finding> findings_;
};

}  // namespace

Result<std::vector<Finding>> examine_director(const std::vector<SavedService>& services) {
    return Director().examine(services);
}

}  // namespace xvs::lab
