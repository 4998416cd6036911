#include "cli/resolver.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include <arpa/inet.h>
#include <sys/socket.h>

#include <fmt/format.h>
#include <netdb.h>

#include "base/byte_order.h"

namespace xvs::cli {

namespace {

constexpr std::size_t kMaxEndpointText = 59;  // ipvsadm 1.31 cuts longer names

const char* protocol_word(model::Protocol protocol) {
    switch (protocol) {
        case model::Protocol::Tcp:
            return "tcp";
        case model::Protocol::Udp:
            return "udp";
        case model::Protocol::Sctp:
            return "sctp";
        case model::Protocol::Ip:
            break;
    }
    return nullptr;
}

std::optional<net::Port> parse_port(const std::string& text, model::Protocol protocol) {
    if (const auto number = parse_number(text, 0, 65535)) {
        return net::Port{static_cast<std::uint16_t>(*number)};
    }
    const char* const word = protocol_word(protocol);
    const servent* const entry = word == nullptr ? nullptr : ::getservbyname(text.c_str(), word);
    if (entry == nullptr) return std::nullopt;
    return net::Port{from_wire16(static_cast<std::uint16_t>(entry->s_port))};
}

std::string host_text(const net::IpAddress& address, bool numeric) {
    if (numeric) return address.to_string();
    const bool ipv4 = address.family() == net::Family::Ipv4;
    const hostent* const entry = ::gethostbyaddr(
        address.bytes().data(), static_cast<socklen_t>(address.size()), ipv4 ? AF_INET : AF_INET6);
    return entry == nullptr ? address.to_string() : entry->h_name;
}

std::string port_text(net::Port port, model::Protocol protocol, bool numeric) {
    const char* const word = protocol_word(protocol);
    const servent* const entry =
        numeric || word == nullptr ? nullptr : ::getservbyport(to_wire16(net::number(port)), word);
    return entry == nullptr ? std::to_string(net::number(port)) : entry->s_name;
}

}  // namespace

std::optional<std::int64_t> parse_number(const std::string& text,
                                         std::int64_t minimum,
                                         std::int64_t maximum) {
    char* end = nullptr;
    errno = 0;
    const long number = std::strtol(text.c_str(), &end, 10);
    if (end == text.c_str() || *end != '\0' || errno == ERANGE) return std::nullopt;
    if (number < minimum || number > maximum) return std::nullopt;
    return number;
}

std::optional<net::Ipv4Address> parse_ipv4(const std::string& text) {
    in_addr address{};
    if (::inet_aton(text.c_str(), &address) != 0) {
        return net::Ipv4Address(from_wire32(address.s_addr));
    }
    const hostent* const entry = ::gethostbyname(text.c_str());
    if (entry == nullptr || entry->h_addrtype != AF_INET || entry->h_addr_list[0] == nullptr) {
        return std::nullopt;
    }
    return net::Ipv4Address::load(reinterpret_cast<const std::byte*>(entry->h_addr_list[0]));
}

std::optional<AddressAndPort> parse_address_and_port(const std::string& text,
                                                     model::Protocol protocol) {
    const auto is_digit = [](char letter) {
        return letter >= '0' && letter <= '9';
    };
    if (std::all_of(text.begin(), text.end(), is_digit)) return std::nullopt;
    AddressAndPort result;
    std::string host = text;
    std::optional<std::string> port;
    if (host.front() == '[') {
        const std::size_t bracket = host.find(']');
        if (bracket == std::string::npos || host.substr(bracket + 1, 1) != ":") {
            return std::nullopt;
        }
        port = host.substr(bracket + 2);
        host = host.substr(1, bracket - 1);
    }
    in6_addr ipv6{};
    if (::inet_pton(AF_INET6, host.c_str(), &ipv6) > 0) {
        result.address = net::Ipv6Address::load(reinterpret_cast<const std::byte*>(&ipv6));
    } else {
        // Whatever was behind brackets is forgotten: ipvsadm looks for the port anew.
        const std::size_t colon = host.rfind(':');
        port = colon == std::string::npos ? std::nullopt : std::optional(host.substr(colon + 1));
        const auto ipv4 = parse_ipv4(host.substr(0, colon));
        if (!ipv4) return std::nullopt;
        result.address = *ipv4;
    }
    if (port) {
        result.port = parse_port(*port, protocol);
        if (!result.port) return std::nullopt;
    }
    return result;
}

std::string endpoint_text(const net::Endpoint& endpoint, model::Protocol protocol, bool numeric) {
    const std::string host = host_text(endpoint.address, numeric);
    const std::string port = port_text(endpoint.port, protocol, numeric);
    const bool ipv4 = endpoint.address.family() == net::Family::Ipv4;
    const std::string text =
        ipv4 ? fmt::format("{}:{}", host, port) : fmt::format("[{}]:{}", host, port);
    return text.substr(0, kMaxEndpointText);
}

}  // namespace xvs::cli
