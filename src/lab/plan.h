// Plan: a laboratory's topology as plain data: its nodes, their cables, and the steps that
// configure each node. Laboratory carries it out; the demo draws it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "lab/process.h"
#include "model/destination.h"
#include "net/address.h"

namespace xvs::lab {

// "nat", "dr" and "tun", the words of the tutorials.
[[nodiscard]] Result<model::ForwardingMethod> parse_method(std::string_view word);
[[nodiscard]] std::string_view method_word(model::ForwardingMethod method);

// ipvsadm's letter for the method: "-m", "-g", "-i".
[[nodiscard]] std::string_view method_option(model::ForwardingMethod method);

// A host's address in each family.
struct DualAddress {
    net::IpAddress v4;
    net::IpAddress v6;

    [[nodiscard]] const net::IpAddress& of(net::Family family) const {
        return family == net::Family::Ipv4 ? v4 : v6;
    }
};

// One end of a cable: an interface of a node.
struct Plug {
    std::string node;
    std::string interface;
    net::MacAddress mac;
};

struct Cable {
    Plug first;
    Plug second;
    unsigned mtu = 1500;
};

struct Setting {
    std::string key;  // as sysctl(8) takes it
    std::string value;
};

// What is done on a node: a command, or a sysctl set.
struct Step {
    std::string node;
    std::variant<Command, Setting> action;

    // As one would type it on the node.
    [[nodiscard]] std::string to_string() const;
};

struct PlanOptions {
    model::ForwardingMethod method = model::ForwardingMethod::Masquerade;
    unsigned real_servers = 3;
    // TUN: the MTU of the cables that carry encapsulated packets, clients' 1500 and the outer
    // header's 20 (IPv4) or 40 (IPv6) bytes and room to spare.
    unsigned tunnel_mtu = 1600;
};

inline constexpr unsigned kMaxRealServers = 50;
inline constexpr std::uint16_t kHttpPort = 80;       // of the VIP
inline constexpr std::uint16_t kUdpPort = 5000;      // of the VIP and of the real servers
inline constexpr std::uint16_t kNatHttpPort = 8080;  // of the real servers with NAT

struct Plan {
    model::ForwardingMethod method = model::ForwardingMethod::Masquerade;
    std::vector<std::string> nodes;
    std::vector<Cable> cables;
    std::vector<Step> steps;  // the real servers' part of the method is real_server.h's

    DualAddress client;
    DualAddress vip;
    DualAddress director;  // DIP: with NAT on the real servers' side
    DualAddress gateway;   // the real servers' default gateway
    std::vector<DualAddress> real_servers;
    std::uint16_t real_http_port = kHttpPort;

    // "rs1" for the first.
    [[nodiscard]] static std::string real_server_name(std::size_t index);

    // The node that has this MAC address, or this address of its own (the VIP is the director's);
    // empty for an unknown one.
    [[nodiscard]] std::string node_of(const net::MacAddress& mac) const;
    [[nodiscard]] std::string node_of(const net::IpAddress& address) const;

    // xvsadm's commands for one family: an HTTP service and a UDP service, each with all real
    // servers.
    [[nodiscard]] std::vector<Command> services(net::Family family) const;
};

[[nodiscard]] Result<Plan> make_plan(const PlanOptions& options);

}  // namespace xvs::lab
