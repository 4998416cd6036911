// Prefix: an address and how many of its leading bits count.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "net/address.h"

namespace xvs::net {

struct Prefix {
    IpAddress address;
    std::uint8_t length = 0;

    // A single address.
    [[nodiscard]] static constexpr Prefix of(const IpAddress& address) noexcept {
        return {address, static_cast<std::uint8_t>(address.size() * 8)};
    }

    // The network of that length which `address` lies in.
    [[nodiscard]] static Prefix of(const IpAddress& address, std::uint8_t length) noexcept {
        auto bytes = address.bytes();
        for (std::size_t i = 0; i < bytes.size(); ++i) {
            const unsigned kept =
                length > i * 8 ? std::min<unsigned>(length - static_cast<unsigned>(i) * 8, 8) : 0;
            bytes[i] &= static_cast<std::byte>(0xff00u >> kept);
        }
        if (address.family() == Family::Ipv4) return {Ipv4Address::load(bytes.data()), length};
        return {Ipv6Address(bytes), length};
    }

    // Of "192.0.2.0/24", whatever its bits behind the length are; an address alone is a prefix of
    // one. Returns nullopt for anything else.
    [[nodiscard]] static std::optional<Prefix> parse(std::string_view text) {
        const std::size_t slash = text.find('/');
        const auto address = IpAddress::parse(text.substr(0, slash));
        if (!address) return std::nullopt;
        if (slash == std::string_view::npos) return of(*address);
        const std::string_view digits = text.substr(slash + 1);
        const char* const last = digits.data() + digits.size();
        std::uint8_t length = 0;
        const auto [end, error] = std::from_chars(digits.data(), last, length);
        if (error != std::errc() || end != last || length > address->size() * 8)
            return std::nullopt;
        return of(*address, length);
    }

    [[nodiscard]] bool contains(const IpAddress& other) const noexcept {
        if (other.family() != address.family()) return false;
        const auto& mine = address.bytes();
        const auto& theirs = other.bytes();
        const std::size_t whole = length / 8;
        if (!std::equal(mine.begin(), mine.begin() + whole, theirs.begin())) return false;
        const unsigned rest = length % 8;
        if (rest == 0) return true;
        const auto mask = static_cast<std::byte>(0xff00u >> rest);
        return (mine[whole] & mask) == (theirs[whole] & mask);
    }

    // "192.0.2.0/24".
    [[nodiscard]] std::string to_string() const {
        return address.to_string() + '/' + std::to_string(length);
    }

    auto operator<=>(const Prefix&) const noexcept = default;
};

}  // namespace xvs::net
