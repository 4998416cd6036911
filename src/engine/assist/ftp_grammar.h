// What FTP's commands and replies say of data connections (RFC 959, RFC 2428).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "net/address.h"

namespace xvs::engine::ftp {

enum class CommandKind : std::uint8_t { Other, Passive, ExtendedPassive, Active };

struct Command {
    CommandKind kind = CommandKind::Other;
    net::Endpoint data;  // of Active: where the client waits
};

// Reads a line without its end. Extended commands name a family, which must be `family`; PASV and
// PORT know IPv4 alone. Whatever is wrong with it makes it Other.
[[nodiscard]] Command parse_command(std::string_view line, net::Family family) noexcept;

// "192,0,2,1,4,1": every number is below 256.
[[nodiscard]] std::optional<net::Endpoint> parse_host_port(std::string_view text) noexcept;

// Longest text of format_host_port().
inline constexpr std::size_t kHostPortSize = 23;

struct HostPortText {
    std::array<char, kHostPortSize> bytes{};
    std::size_t size = 0;

    [[nodiscard]] std::string_view view() const noexcept { return {bytes.data(), size}; }
};

[[nodiscard]] HostPortText format_host_port(net::Ipv4Address address, net::Port port) noexcept;

// "|||1025|" or "|1|192.0.2.1|1025|", with any printable delimiter.
struct ExtendedAddress {
    std::optional<net::IpAddress> address;
    net::Port port{};
};

[[nodiscard]] std::optional<ExtendedAddress> parse_extended(std::string_view text,
                                                            net::Family family) noexcept;

}  // namespace xvs::engine::ftp
