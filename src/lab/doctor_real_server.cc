// The real server's side of the doctor: what is set here, and what is not.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <sstream>

#include <fmt/format.h>

#include "lab/decapsulation.h"
#include "lab/doctor.h"
#include "lab/network_namespace.h"
#include "lab/probe.h"
#include "lab/real_server.h"

namespace xvs::lab {

using model::ForwardingMethod;

namespace {

constexpr unsigned kFullPacket = 1500;
constexpr unsigned kTcpHeader = 20;

// Where an address is, as `ip addr` says.
struct Placed {
    std::string interface;
    std::string prefix_length;
};

std::optional<Placed> find_address(const net::IpAddress& address) {
    const std::string text = address.to_string();
    const auto said = run({"ip", "-o", "addr", "show"});
    if (!said) return std::nullopt;
    std::istringstream lines(said->out);
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string number;
        std::string interface;
        std::string family;
        std::string own;
        words >> number >> interface >> family >> own;
        const std::size_t slash = own.find('/');
        if (own.substr(0, slash) == text && slash != own.npos)
            return Placed{interface, own.substr(slash + 1)};
    }
    return std::nullopt;
}

int setting(const std::string& interface, const std::string& key) {
    const auto all = read_sysctl("net.ipv4.conf.all." + key);
    // A dot in an interface's name is a slash in a key.
    std::string name = interface;
    std::replace(name.begin(), name.end(), '.', '/');
    const auto own = read_sysctl("net.ipv4.conf." + name + "." + key);
    return std::max(all ? std::atoi(all->c_str()) : 0, own ? std::atoi(own->c_str()) : 0);
}

// Interfaces that are asked by ARP: up, with an IPv4 address, and a link layer.
std::vector<std::string> arp_interfaces() {
    std::vector<std::string> names;
    const auto said = run({"ip", "-4", "-o", "addr", "show", "up"});
    std::istringstream lines(said ? said->out : "");
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string number;
        std::string name;
        words >> number >> name;
        if (name == "lo" || name.starts_with("tunl") || name.starts_with("ip6tnl")) continue;
        if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    }
    return names;
}

class RealServer {
public:
    explicit RealServer(const RealServerPatient& patient) : patient_(patient) {}

    Result<std::vector<Finding>> examine() {
        for (const net::IpAddress& vip : patient_.vips) {
            if (patient_.method == ForwardingMethod::Masquerade) {
                if (auto examined = examine_gateway(vip); !examined) return fail(examined.error());
                continue;
            }
            examine_vip(vip);
            if (patient_.method == ForwardingMethod::Tunnel) {
                if (auto examined = examine_tunnel(vip.family()); !examined)
                    return fail(examined.error());
            }
        }
        if (patient_.method != ForwardingMethod::Masquerade && has(net::Family::Ipv4))
            examine_arp();
        return std::move(findings_);
    }

private:
    void add(Health health, Check check, std::string what, std::string remedy) {
        findings_.push_back({health, check, std::move(what), std::move(remedy)});
    }

    void good(Check check, std::string what) { add(Health::Good, check, std::move(what), ""); }

    [[nodiscard]] bool has(net::Family family) const {
        return std::any_of(patient_.vips.begin(), patient_.vips.end(), [&](const auto& vip) {
            return vip.family() == family;
        });
    }

    void examine_vip(const net::IpAddress& vip) {
        const char* length = vip.family() == net::Family::Ipv4 ? "32" : "128";
        const auto placed = find_address(vip);
        if (!placed) {
            add(Health::Ill,
                Check::Vip,
                fmt::format("VIP {} is not on this host: what the director hands over is not taken",
                            vip.to_string()),
                fmt::format("ip addr add {}/{} dev lo", vip.to_string(), length));
            return;
        }
        const bool on_lan = placed->interface != "lo" && !placed->interface.starts_with("tunl") &&
                            !placed->interface.starts_with("ip6tnl");
        if (on_lan || placed->prefix_length != length) {
            add(Health::Ill,
                Check::Vip,
                fmt::format("VIP {}/{} is on {}: {}",
                            vip.to_string(),
                            placed->prefix_length,
                            placed->interface,
                            on_lan ? "this host answers for it there"
                                   : "the whole network counts as local"),
                fmt::format("ip addr del {0}/{1} dev {2}; ip addr add {0}/{3} dev lo",
                            vip.to_string(),
                            placed->prefix_length,
                            placed->interface,
                            length));
            return;
        }
        good(Check::Vip, fmt::format("VIP {} is on {}", vip.to_string(), placed->interface));
    }

    void examine_arp() {
        for (const std::string& interface : arp_interfaces()) {
            const bool silent = setting(interface, "arp_ignore") >= 1;
            const bool discreet = setting(interface, "arp_announce") == 2;
            if (silent && discreet) {
                good(Check::Arp, fmt::format("{} keeps the VIP to itself", interface));
                continue;
            }
            add(Health::Ill,
                Check::Arp,
                fmt::format("{} {}: clients' packets come here past the director",
                            interface,
                            silent ? "names the VIP in ARP requests of its own (arp_announce)"
                                   : "answers ARP for the VIP (arp_ignore)"),
                "sysctl -w net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2");
        }
    }

    // The director holds the VIP and is the next hop: a packet with no hop to spare reaches it.
    Status examine_gateway(const net::IpAddress& vip) {
        if (find_address(vip)) {
            add(Health::Ill,
                Check::Vip,
                fmt::format("VIP {} is on this host: with NAT it is the director's alone",
                            vip.to_string()),
                fmt::format("ip addr del {} dev ...", vip.to_string()));
            return {};
        }
        const auto route = find_route(vip);
        if (!route) return fail(route.error());
        const net::IpAddress next = route->next_hop(vip);
        const auto mac = resolve(route->interface, next);
        if (!mac) return fail(mac.error());
        EchoRequest request;
        request.interface = route->interface;
        request.to_mac = *mac;
        request.source = route->source;
        request.destination = vip;
        request.ttl = 1;
        const auto answer = ask_echo(request);
        if (!answer) return fail(answer.error());
        if (*answer) {
            good(Check::DefaultGateway,
                 fmt::format("the way to clients is by {}, which holds VIP {}",
                             next.to_string(),
                             vip.to_string()));
            return {};
        }
        add(Health::Ill,
            Check::DefaultGateway,
            fmt::format("the way to clients is by {}, which does not hold VIP {}: replies pass "
                        "the director by, and clients refuse them",
                        next.to_string(),
                        vip.to_string()),
            "ip route replace default via DIP, the director's address on this network");
        return {};
    }

    Status examine_tunnel(net::Family family) {
        const std::string device = family == net::Family::Ipv4 ? "tunl0" : "ip6tnl0";
        std::string interface =
            patient_.interface.empty() ? default_interface(family) : patient_.interface;
        const auto link = run({"ip", "-o", "link", "show", "up", "dev", device});
        const bool by_device = link && link->exit_code == 0 && !link->out.empty();
        if (!by_device && (interface.empty() || !is_decapsulating(interface))) {
            add(Health::Ill,
                Check::Decapsulation,
                fmt::format("nothing takes the outer header off: {} is not up, and no program is "
                            "on {}",
                            device,
                            interface.empty() ? "any interface" : interface),
                "xvs real-server tun VIP");
            return {};
        }
        good(Check::Decapsulation,
             fmt::format("{} takes the outer header off", by_device ? device : interface));
        if (family == net::Family::Ipv4) examine_reverse_path(by_device ? device : interface);
        return examine_mtu(family, interface);
    }

    // Strict filtering drops a packet whose way back leaves by another interface than it came by:
    // out of a tunnel device always, else when the default route leads elsewhere.
    void examine_reverse_path(const std::string& device) {
        const bool strict = setting(device, "rp_filter") == 1;
        const std::string way_back = default_interface(net::Family::Ipv4);
        if (!strict || way_back == device) {
            good(Check::ReversePath, fmt::format("{} lets decapsulated packets in", device));
            return;
        }
        add(Health::Ill,
            Check::ReversePath,
            fmt::format("strict reverse path filtering (rp_filter=1) on {} drops decapsulated "
                        "packets: the way back to clients is by {}",
                        device,
                        way_back),
            fmt::format("sysctl -w net.ipv4.conf.{}.rp_filter=2", device));
    }

    // A client sends segments as large as we ask for; with the outer header they must fit.
    Status examine_mtu(net::Family family, const std::string& interface) {
        const auto mtu = mtu_of(interface);
        if (!mtu) return fail(mtu.error());
        const unsigned ip_header = family == net::Family::Ipv4 ? 20 : 40;
        const unsigned advertised = advertised_segment(family, *mtu, ip_header);
        const unsigned inner = std::min(advertised + kTcpHeader + ip_header, kFullPacket);
        if (inner + ip_header <= *mtu) {
            good(Check::Mtu,
                 fmt::format("clients' packets of up to {} bytes fit {} with their outer header",
                             inner,
                             interface));
            return {};
        }
        add(Health::Ill,
            Check::Mtu,
            fmt::format("clients are asked for packets of {} bytes; with the outer header that is "
                        "{}, but {} takes {}: large uploads stall",
                        inner,
                        inner + ip_header,
                        interface,
                        *mtu),
            fmt::format("ip route change default ... advmss {}, or an MTU of {} on the whole way "
                        "from the director",
                        *mtu - 2 * ip_header - kTcpHeader,
                        inner + ip_header));
        return {};
    }

    // The segment size in our SYN,ACK: the default route's advmss, or what its MTU leaves.
    static unsigned advertised_segment(net::Family family, unsigned mtu, unsigned ip_header) {
        unsigned route_mtu = mtu;
        const auto said =
            run({"ip", family == net::Family::Ipv4 ? "-4" : "-6", "route", "show", "default"});
        std::istringstream words(said ? said->out : "");
        std::string value;
        for (std::string key; words >> key;) {
            if (key == "advmss" && words >> value)
                return static_cast<unsigned>(std::atoi(value.c_str()));
            if (key == "mtu" && words >> value)
                route_mtu = static_cast<unsigned>(std::atoi(value.c_str()));
        }
        return route_mtu - ip_header - kTcpHeader;
    }

    const RealServerPatient& patient_;
    std::vector<Finding> findings_;
};

}  // namespace

Result<std::vector<Finding>> examine_real_server(const RealServerPatient& patient) {
    if (patient.vips.empty())
        return fail(ErrorCode::InvalidArgument, "say the VIPs: xvs doctor dr|tun|nat VIP...");
    return RealServer(patient).examine();
}

}  // namespace xvs::lab
