#include "net/address.h"

#include <charconv>

#include <arpa/inet.h>

#include <fmt/format.h>

namespace xvs::net {
namespace {

std::optional<Port> parse_port(std::string_view text) {
    std::uint16_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return Port{value};
}

// inet_pton wants a terminated string and knows no string_view. Packets bring addresses too, hence
// no memory is allocated.
template <std::size_t Size>
std::optional<std::array<std::byte, Size>> parse_address(int family, std::string_view text) {
    std::array<std::byte, Size> bytes{};
    std::array<char, INET6_ADDRSTRLEN> terminated{};
    if (text.size() >= terminated.size()) return std::nullopt;
    text.copy(terminated.data(), text.size());
    if (::inet_pton(family, terminated.data(), bytes.data()) != 1) return std::nullopt;
    return bytes;
}

}  // namespace

std::optional<Ipv4Address> Ipv4Address::parse(std::string_view text) {
    const auto bytes = parse_address<kSize>(AF_INET, text);
    if (!bytes) return std::nullopt;
    return load(bytes->data());
}

std::string Ipv4Address::to_string() const {
    return fmt::format(
        "{}.{}.{}.{}", value_ >> 24, (value_ >> 16) & 0xff, (value_ >> 8) & 0xff, value_ & 0xff);
}

std::optional<Ipv6Address> Ipv6Address::parse(std::string_view text) {
    const auto bytes = parse_address<kSize>(AF_INET6, text);
    if (!bytes) return std::nullopt;
    return Ipv6Address(*bytes);
}

std::string Ipv6Address::to_string() const {
    std::array<char, INET6_ADDRSTRLEN> text{};
    ::inet_ntop(AF_INET6, bytes_.data(), text.data(), static_cast<socklen_t>(text.size()));
    return text.data();
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
    if (const auto v4 = Ipv4Address::parse(text)) return IpAddress(*v4);
    if (const auto v6 = Ipv6Address::parse(text)) return IpAddress(*v6);
    return std::nullopt;
}

std::string IpAddress::to_string() const {
    return family_ == Family::Ipv4 ? v4().to_string() : v6().to_string();
}

std::optional<Endpoint> Endpoint::parse(std::string_view text) {
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) return std::nullopt;
    const auto port = parse_port(text.substr(colon + 1));
    if (!port) return std::nullopt;
    std::string_view host = text.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']')) {
        const auto address = Ipv6Address::parse(host.substr(1, host.size() - 2));
        if (!address) return std::nullopt;
        return Endpoint{.address = *address, .port = *port};
    }
    const auto address = Ipv4Address::parse(host);
    if (!address) return std::nullopt;
    return Endpoint{.address = *address, .port = *port};
}

std::string Endpoint::to_string() const {
    const auto format = address.family() == Family::Ipv4 ? "{}:{}" : "[{}]:{}";
    return fmt::format(fmt::runtime(format), address.to_string(), number(port));
}

std::optional<MacAddress> MacAddress::parse(std::string_view text) {
    MacAddress address;
    if (text.size() != kSize * 3 - 1) return std::nullopt;
    for (std::size_t i = 0; i < kSize; ++i) {
        unsigned value = 0;
        const char* first = text.data() + i * 3;
        const auto [end, error] = std::from_chars(first, first + 2, value, 16);
        if (error != std::errc{} || end != first + 2) return std::nullopt;
        if (i + 1 < kSize && *end != ':') return std::nullopt;
        address.bytes_[i] = static_cast<std::byte>(value);
    }
    return address;
}

std::string MacAddress::to_string() const {
    return fmt::format("{:02x}", fmt::join(bytes_.begin(), bytes_.end(), ":"));
}

}  // namespace xvs::net
