#include "engine/assist/ftp_grammar.h"

#include <algorithm>
#include <charconv>
#include <span>

namespace xvs::engine::ftp {
namespace {

constexpr char kFirstDelimiter = 33;  // RFC 2428, 2
constexpr char kLastDelimiter = 126;

char to_upper(char letter) noexcept {
    return letter >= 'a' && letter <= 'z' ? static_cast<char>(letter - 'a' + 'A') : letter;
}

bool equals(std::string_view text, std::string_view upper) noexcept {
    return std::equal(
        text.begin(), text.end(), upper.begin(), upper.end(), [](char a, char b) noexcept {
            return to_upper(a) == b;
        });
}

// All of `text` must be digits of a number that is not above `most`.
std::optional<std::uint16_t> parse_number(std::string_view text, std::uint16_t most) noexcept {
    std::uint16_t number = 0;
    const char* const end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data(), end, number);
    if (parsed.ec != std::errc() || parsed.ptr != end || number > most) return std::nullopt;
    return number;
}

char family_digit(net::Family family) noexcept {
    return family == net::Family::Ipv4 ? '1' : '2';
}

// Splits `text` at `separator` into as many parts as `parts` has room for; false if there are more
// or fewer.
bool split(std::string_view text, char separator, std::span<std::string_view> parts) noexcept {
    for (std::size_t each = 0; each < parts.size(); ++each) {
        const bool is_last = each + 1 == parts.size();
        const std::size_t end = is_last ? text.size() : text.find(separator);
        if (end == std::string_view::npos) return false;
        parts[each] = text.substr(0, end);
        if (!is_last) text.remove_prefix(end + 1);
    }
    return parts.back().find(separator) == std::string_view::npos;
}

// Text of any length would have IpAddress::parse() allocate.
std::optional<net::IpAddress> parse_address(std::string_view text, net::Family family) noexcept {
    constexpr std::size_t kLongest = 45;
    if (text.size() > kLongest) return std::nullopt;
    const auto address = net::IpAddress::parse(text);
    if (!address || address->family() != family) return std::nullopt;
    return address;
}

Command active(const std::optional<net::Endpoint>& data) noexcept {
    if (!data) return {};
    return {.kind = CommandKind::Active, .data = *data};
}

std::optional<net::Endpoint> parse_eprt(std::string_view text, net::Family family) noexcept {
    const auto extended = parse_extended(text, family);
    if (!extended || !extended->address) return std::nullopt;
    return net::Endpoint{.address = *extended->address, .port = extended->port};
}

}  // namespace

Command parse_command(std::string_view line, net::Family family) noexcept {
    while (!line.empty() && line.back() == ' ')
        line.remove_suffix(1);
    const std::size_t blank = line.find(' ');
    const std::string_view word = line.substr(0, blank);
    std::string_view argument =
        blank == std::string_view::npos ? std::string_view() : line.substr(blank);
    while (!argument.empty() && argument.front() == ' ')
        argument.remove_prefix(1);
    const bool is_ipv4 = family == net::Family::Ipv4;
    if (is_ipv4 && equals(word, "PASV") && argument.empty()) return {CommandKind::Passive, {}};
    if (is_ipv4 && equals(word, "PORT")) return active(parse_host_port(argument));
    if (equals(word, "EPRT")) return active(parse_eprt(argument, family));
    const bool is_own_family =
        argument.empty() || (argument.size() == 1 && argument.front() == family_digit(family));
    if (equals(word, "EPSV") && is_own_family) return {CommandKind::ExtendedPassive, {}};
    return {};
}

std::optional<net::Endpoint> parse_host_port(std::string_view text) noexcept {
    constexpr std::uint16_t kMostOfByte = 255;
    std::array<std::string_view, 6> parts;
    if (!split(text, ',', parts)) return std::nullopt;
    std::array<std::uint32_t, 6> numbers{};
    for (std::size_t each = 0; each < parts.size(); ++each) {
        const auto number = parse_number(parts[each], kMostOfByte);
        if (!number) return std::nullopt;
        numbers[each] = *number;
    }
    return net::Endpoint{
        .address =
            net::Ipv4Address(numbers[0] << 24 | numbers[1] << 16 | numbers[2] << 8 | numbers[3]),
        .port = net::Port{static_cast<std::uint16_t>(numbers[4] << 8 | numbers[5])}};
}

HostPortText format_host_port(net::Ipv4Address address, net::Port port) noexcept {
    const std::uint32_t host = address.value();
    const std::uint32_t low = net::number(port);
    const std::array<std::uint32_t, 6> numbers{
        host >> 24, host >> 16 & 255, host >> 8 & 255, host & 255, low >> 8, low & 255};
    HostPortText text;
    char* at = text.bytes.data();
    char* const end = at + text.bytes.size();
    for (std::size_t each = 0; each < numbers.size(); ++each) {
        if (each > 0) *at++ = ',';
        at = std::to_chars(at, end, numbers[each]).ptr;
    }
    text.size = static_cast<std::size_t>(at - text.bytes.data());
    return text;
}

std::optional<ExtendedAddress> parse_extended(std::string_view text, net::Family family) noexcept {
    constexpr std::uint16_t kMostOfPort = 65535;
    if (text.empty()) return std::nullopt;
    const char delimiter = text.front();
    if (delimiter < kFirstDelimiter || delimiter > kLastDelimiter) return std::nullopt;
    std::array<std::string_view, 5> parts;  // nothing, family, address, port, nothing
    if (!split(text, delimiter, parts) || !parts[4].empty()) return std::nullopt;
    const auto port = parse_number(parts[3], kMostOfPort);
    if (!port || *port == 0) return std::nullopt;
    ExtendedAddress parsed{.address = std::nullopt, .port = net::Port{*port}};
    if (parts[1].empty() && parts[2].empty()) return parsed;
    if (parts[1].size() != 1 || parts[1].front() != family_digit(family)) return std::nullopt;
    parsed.address = parse_address(parts[2], family);
    if (!parsed.address) return std::nullopt;
    return parsed;
}

}  // namespace xvs::engine::ftp
