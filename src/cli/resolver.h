// Names of hosts and ports, both ways, as ipvsadm looks them up.
#pragma once

#include <optional>
#include <string>

#include "model/virtual_service.h"
#include "net/address.h"

namespace xvs::cli {

// A number in [minimum, maximum] as strtol reads it: leading blanks and a plus sign pass, anything
// behind it does not.
[[nodiscard]] std::optional<std::int64_t> parse_number(const std::string& text,
                                                       std::int64_t minimum,
                                                       std::int64_t maximum);

// IPv4 in any of inet_aton's forms ("10.1", "24"), or by a host's name.
[[nodiscard]] std::optional<net::Ipv4Address> parse_ipv4(const std::string& text);

struct AddressAndPort {
    net::IpAddress address;
    std::optional<net::Port> port;
};

// host[:port], [ipv6]:port or a bare IPv6 address; the port as a number or a service's name of
// that protocol. Brackets without a port are refused, as ipvsadm does.
[[nodiscard]] std::optional<AddressAndPort> parse_address_and_port(const std::string& text,
                                                                   model::Protocol protocol);

// "192.0.2.1:80" or, by name, "www.example.org:http"; an IPv6 address or its name in brackets.
[[nodiscard]] std::string endpoint_text(const net::Endpoint& endpoint,
                                        model::Protocol protocol,
                                        bool numeric);

}  // namespace xvs::cli
