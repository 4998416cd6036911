#include "lab/plan.h"

#include <fmt/format.h>

namespace xvs::lab {

using model::ForwardingMethod;

namespace {

// Addresses: documentation ranges (RFC 5737, RFC 3849) where clients and the VIP are, private ones
// where real servers are hidden behind the director or in a network of their own.
constexpr std::string_view kClientNet4 = "198.51.100.";
constexpr std::string_view kClientNet6 = "2001:db8:c::";
constexpr std::string_view kVipNet4 = "192.0.2.";
constexpr std::string_view kVipNet6 = "2001:db8:1::";
constexpr std::string_view kPrivateNet4 = "10.0.0.";
constexpr std::string_view kPrivateNet6 = "fd00:10::";

constexpr unsigned kVipHost = 1;
constexpr unsigned kClientHost = 7;
constexpr unsigned kDirectorHost = 10;  // real servers follow: rs1 is .11
constexpr unsigned kRouterHost = 254;
constexpr unsigned kClientMtu = 1500;

// A host's addresses in a network; both families end in the same decimal digits.
DualAddress host(std::string_view net4, std::string_view net6, unsigned number) {
    return {*net::IpAddress::parse(fmt::format("{}{}", net4, number)),
            *net::IpAddress::parse(fmt::format("{}{}", net6, number))};
}

// 02:00:00:00:<port>:<host>, readable in a packet table: .11 is :11.
net::MacAddress mac(unsigned host_number, unsigned port) {
    const unsigned digits =
        host_number < 100 ? host_number / 10 * 16 + host_number % 10 : host_number;
    return *net::MacAddress::parse(fmt::format("02:00:00:00:{:02x}:{:02x}", port, digits));
}

class Planner {
public:
    explicit Planner(const PlanOptions& options) : options_(options) {}

    Plan make() {
        plan_.method = options_.method;
        plan_.vip = host(kVipNet4, kVipNet6, kVipHost);
        plan_.client = host(kClientNet4, kClientNet6, kClientHost);
        add_nodes();
        switch (options_.method) {
            case ForwardingMethod::DirectRoute:
                lay_out_direct_route();
                break;
            case ForwardingMethod::Tunnel:
                lay_out_tunnel();
                break;
            default:
                lay_out_masquerade();
                break;
        }
        return std::move(plan_);
    }

private:
    void add_nodes() {
        plan_.nodes = {"client"};
        if (options_.method != ForwardingMethod::Masquerade) plan_.nodes.emplace_back("router");
        plan_.nodes.emplace_back("director");
        plan_.nodes.emplace_back("switch");
        for (unsigned i = 0; i < options_.real_servers; ++i)
            plan_.nodes.push_back(Plan::real_server_name(i));
        for (const std::string& node : plan_.nodes)
            settle(node);
    }

    // New namespaces take their IPv4 settings from the machine they are on: say all that matters.
    void settle(const std::string& node) {
        const bool forwards = node == "router" || (node == "director" &&
                                                   options_.method == ForwardingMethod::Masquerade);
        set(node, "net.ipv4.ip_forward", forwards ? "1" : "0");
        set(node, "net.ipv6.conf.all.forwarding", forwards ? "1" : "0");
        for (const char* which : {"all", "default"}) {
            for (const char* key : {"rp_filter", "arp_ignore", "arp_announce"})
                set(node, fmt::format("net.ipv4.conf.{}.{}", which, key), "0");
            // Addresses of a laboratory are known to be unique: no second's wait for each.
            set(node, fmt::format("net.ipv6.conf.{}.accept_dad", which), "0");
            set(node, fmt::format("net.ipv6.conf.{}.accept_ra", which), "0");
            set(node,
                fmt::format("net.ipv6.conf.{}.disable_ipv6", which),
                node == "switch" ? "1" : "0");
        }
    }

    // client -- director (VIP) -- switch -- real servers, whose default gateway is the director.
    void lay_out_masquerade() {
        const DualAddress outside = host(kClientNet4, kClientNet6, 1);
        connect({"client", "eth0", mac(kClientHost, 0)},
                {"director", "eth0", mac(kDirectorHost, 0)},
                kClientMtu);
        make_switch();
        connect({"director", "eth1", mac(kDirectorHost, 1)}, switch_port("director"), kClientMtu);
        plan_.director = host(kPrivateNet4, kPrivateNet6, 1);
        plan_.gateway = plan_.director;
        plan_.real_http_port = kNatHttpPort;
        address("client", "eth0", plan_.client);
        default_route("client", outside);
        address("director", "eth0", outside);
        address("director", "eth1", plan_.director);
        add_vip();
        add_real_servers(kPrivateNet4, kPrivateNet6, kClientMtu);
    }

    // client -- router -- switch -- director (VIP) and real servers, whose default gateway is the
    // router.
    void lay_out_direct_route() {
        connect_router();
        make_switch();
        connect({"router", "eth1", mac(kRouterHost, 1)}, switch_port("router"), kClientMtu);
        connect({"director", "eth0", mac(kDirectorHost, 0)}, switch_port("director"), kClientMtu);
        plan_.director = host(kVipNet4, kVipNet6, kDirectorHost);
        plan_.gateway = host(kVipNet4, kVipNet6, kRouterHost);
        address("router", "eth1", plan_.gateway);
        address("director", "eth0", plan_.director);
        default_route("director", plan_.gateway);
        add_vip();
        add_real_servers(kVipNet4, kVipNet6, kClientMtu);
    }

    // client -- router -- director (VIP), and router -- switch -- real servers in another subnet.
    // Cables that carry encapsulated packets have the larger MTU; what goes to clients keeps to
    // 1500.
    void lay_out_tunnel() {
        connect_router();
        const DualAddress uplink = host(kVipNet4, kVipNet6, kRouterHost);
        connect({"router", "eth1", mac(kRouterHost, 1)},
                {"director", "eth0", mac(kDirectorHost, 0)},
                options_.tunnel_mtu);
        make_switch();
        connect(
            {"router", "eth2", mac(kRouterHost, 2)}, switch_port("router"), options_.tunnel_mtu);
        plan_.director = host(kVipNet4, kVipNet6, kDirectorHost);
        plan_.gateway = host(kPrivateNet4, kPrivateNet6, kRouterHost);
        address("router", "eth1", uplink);
        address("router", "eth2", plan_.gateway);
        address("director", "eth0", plan_.director);
        ip("director", fmt::format("route add {}0/24 via {}", kPrivateNet4, uplink.v4.to_string()));
        ip("director",
           fmt::format("-6 route add {}/64 via {}", kPrivateNet6, uplink.v6.to_string()));
        default_route("director", uplink, " mtu 1500");
        add_vip();
        add_real_servers(kPrivateNet4, kPrivateNet6, options_.tunnel_mtu);
    }

    void connect_router() {
        const DualAddress outside = host(kClientNet4, kClientNet6, 1);
        connect({"client", "eth0", mac(kClientHost, 0)},
                {"router", "eth0", mac(kRouterHost, 0)},
                kClientMtu);
        address("client", "eth0", plan_.client);
        default_route("client", outside);
        address("router", "eth0", outside);
    }

    void make_switch() {
        ip("switch", "link add br0 type bridge stp_state 0 mcast_snooping 0");
        ip("switch", "link set br0 up");
    }

    // A port of the switch is named after what is plugged in.
    Plug switch_port(const std::string& peer) {
        return {"switch", "to-" + peer, mac(255, ++switch_ports_)};
    }

    void connect(const Plug& first, const Plug& second, unsigned mtu) {
        plan_.cables.push_back({first, second, mtu});
        ip(first.node, fmt::format("link set {} up mtu {}", first.interface, mtu));
        ip(second.node,
           fmt::format("link set {} up mtu {}{}",
                       second.interface,
                       mtu,
                       second.node == "switch" ? " master br0" : ""));
    }

    void add_vip() {
        ip("director", fmt::format("addr add {}/32 dev eth0", plan_.vip.v4.to_string()));
        // Deprecated: no source address for what the director sends itself.
        ip("director",
           fmt::format("addr add {}/128 dev eth0 preferred_lft 0", plan_.vip.v6.to_string()));
    }

    void add_real_servers(std::string_view net4, std::string_view net6, unsigned mtu) {
        const char* route_mtu = mtu > kClientMtu ? " mtu 1500" : "";
        for (unsigned i = 0; i < options_.real_servers; ++i) {
            const std::string name = Plan::real_server_name(i);
            const unsigned number = kDirectorHost + 1 + i;
            const DualAddress real = host(net4, net6, number);
            connect({name, "eth0", mac(number, 0)}, switch_port(name), mtu);
            address(name, "eth0", real);
            default_route(name, plan_.gateway, route_mtu);
            plan_.real_servers.push_back(real);
        }
    }

    void address(const std::string& node, std::string_view interface, const DualAddress& own) {
        ip(node, fmt::format("addr add {}/24 dev {}", own.v4.to_string(), interface));
        ip(node, fmt::format("addr add {}/64 dev {}", own.v6.to_string(), interface));
    }

    void default_route(const std::string& node,
                       const DualAddress& via,
                       std::string_view attributes = "") {
        ip(node, fmt::format("route add default via {}{}", via.v4.to_string(), attributes));
        ip(node, fmt::format("-6 route add default via {}{}", via.v6.to_string(), attributes));
    }

    void ip(const std::string& node, const std::string& words) {
        plan_.steps.push_back({node, command("ip " + words)});
    }

    void set(const std::string& node, const std::string& key, const std::string& value) {
        plan_.steps.push_back({node, Setting{key, value}});
    }

    const PlanOptions& options_;
    Plan plan_;
    unsigned switch_ports_ = 0;
};

}  // namespace

Result<ForwardingMethod> parse_method(std::string_view word) {
    if (word == "nat") return ForwardingMethod::Masquerade;
    if (word == "dr") return ForwardingMethod::DirectRoute;
    if (word == "tun") return ForwardingMethod::Tunnel;
    return fail(ErrorCode::InvalidArgument,
                fmt::format("'{}' is no forwarding method: say nat, dr or tun", word));
}

std::string_view method_word(ForwardingMethod method) {
    if (method == ForwardingMethod::DirectRoute) return "dr";
    return method == ForwardingMethod::Tunnel ? "tun" : "nat";
}

std::string_view method_option(ForwardingMethod method) {
    if (method == ForwardingMethod::DirectRoute) return "-g";
    return method == ForwardingMethod::Tunnel ? "-i" : "-m";
}

std::string Step::to_string() const {
    if (const auto* setting = std::get_if<Setting>(&action))
        return fmt::format("sysctl -w {}={}", setting->key, setting->value);
    return lab::to_string(std::get<Command>(action));
}

std::string Plan::real_server_name(std::size_t index) {
    return fmt::format("rs{}", index + 1);
}

std::string Plan::node_of(const net::MacAddress& mac) const {
    for (const Cable& cable : cables) {
        if (cable.first.mac == mac) return cable.first.node;
        if (cable.second.mac == mac) return cable.second.node;
    }
    return {};
}

std::string Plan::node_of(const net::IpAddress& address) const {
    const net::Family family = address.family();
    if (address == client.of(family)) return "client";
    if (address == director.of(family) || address == vip.of(family)) return "director";
    if (address == gateway.of(family)) return "router";
    for (std::size_t i = 0; i < real_servers.size(); ++i) {
        if (address == real_servers[i].of(family)) return real_server_name(i);
    }
    return {};
}

std::vector<Command> Plan::services(net::Family family) const {
    std::vector<Command> commands;
    const auto add = [&](std::string_view option, std::uint16_t port, std::uint16_t real_port) {
        const auto service = net::Endpoint{vip.of(family), net::Port{port}}.to_string();
        commands.push_back(command(fmt::format("xvsadm -A {} {} -s rr", option, service)));
        for (const DualAddress& real : real_servers) {
            const net::Endpoint endpoint{real.of(family), net::Port{real_port}};
            commands.push_back(command(fmt::format("xvsadm -a {} {} -r {} {}",
                                                   option,
                                                   service,
                                                   endpoint.to_string(),
                                                   method_option(method))));
        }
    };
    add("-t", kHttpPort, real_http_port);
    add("-u", kUdpPort, kUdpPort);
    return commands;
}

Result<Plan> make_plan(const PlanOptions& options) {
    if (options.real_servers < 1 || options.real_servers > kMaxRealServers) {
        return fail(ErrorCode::OutOfRange,
                    fmt::format("{} real servers: a laboratory has 1 to {}",
                                options.real_servers,
                                kMaxRealServers));
    }
    return Planner(options).make();
}

}  // namespace xvs::lab
