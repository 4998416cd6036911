// Addresses and ports as values: Ipv4Address, Ipv6Address, IpAddress (either), Port, MacAddress.
#pragma once

#include <array>
#include <bit>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/byte_order.h"

namespace xvs::net {

// A port number in host order.
enum class Port : std::uint16_t {};

[[nodiscard]] constexpr std::uint16_t number(Port port) noexcept {
    return static_cast<std::uint16_t>(port);
}

namespace detail {

// In two words: std::array compares byte by byte.
[[nodiscard]] constexpr bool are_equal(const std::array<std::byte, 16>& one,
                                       const std::array<std::byte, 16>& other) noexcept {
    using Halves = std::array<std::uint64_t, 2>;
    const auto left = std::bit_cast<Halves>(one);
    const auto right = std::bit_cast<Halves>(other);
    return ((left[0] ^ right[0]) | (left[1] ^ right[1])) == 0;
}

}  // namespace detail

class Ipv4Address {
public:
    static constexpr std::size_t kSize = 4;
    static constexpr unsigned kBits = 32;

    constexpr Ipv4Address() noexcept = default;

    // From the number in host order: 0xC0000201 is 192.0.2.1.
    constexpr explicit Ipv4Address(std::uint32_t value) noexcept : value_(value) {}

    [[nodiscard]] static constexpr Ipv4Address load(const std::byte* wire) noexcept {
        return Ipv4Address(load_be32(wire));
    }

    constexpr void store(std::byte* wire) const noexcept { store_be32(wire, value_); }

    [[nodiscard]] static std::optional<Ipv4Address> parse(std::string_view text);

    // Returns the number in host order.
    [[nodiscard]] constexpr std::uint32_t value() const noexcept { return value_; }

    [[nodiscard]] constexpr bool is_unspecified() const noexcept { return value_ == 0; }

    [[nodiscard]] constexpr bool is_multicast() const noexcept { return (value_ >> 28) == 0xe; }

    [[nodiscard]] constexpr bool is_loopback() const noexcept { return (value_ >> 24) == 127; }

    [[nodiscard]] std::string to_string() const;

    auto operator<=>(const Ipv4Address&) const noexcept = default;

private:
    std::uint32_t value_ = 0;
};

class Ipv6Address {
public:
    static constexpr std::size_t kSize = 16;
    static constexpr unsigned kBits = 128;

    constexpr Ipv6Address() noexcept = default;

    constexpr explicit Ipv6Address(const std::array<std::byte, kSize>& bytes) noexcept
        : bytes_(bytes) {}

    [[nodiscard]] static constexpr Ipv6Address load(const std::byte* wire) noexcept {
        Ipv6Address address;
        for (std::size_t i = 0; i < kSize; ++i)
            address.bytes_[i] = wire[i];
        return address;
    }

    constexpr void store(std::byte* wire) const noexcept {
        for (std::size_t i = 0; i < kSize; ++i)
            wire[i] = bytes_[i];
    }

    [[nodiscard]] static std::optional<Ipv6Address> parse(std::string_view text);

    [[nodiscard]] constexpr const std::array<std::byte, kSize>& bytes() const noexcept {
        return bytes_;
    }

    [[nodiscard]] constexpr bool is_unspecified() const noexcept { return *this == Ipv6Address{}; }

    [[nodiscard]] constexpr bool is_multicast() const noexcept {
        return bytes_[0] == std::byte{0xff};
    }

    [[nodiscard]] constexpr bool is_link_local() const noexcept {
        return bytes_[0] == std::byte{0xfe} && (bytes_[1] & std::byte{0xc0}) == std::byte{0x80};
    }

    [[nodiscard]] constexpr bool is_loopback() const noexcept {
        Ipv6Address one;
        one.bytes_[15] = std::byte{1};
        return *this == one;
    }

    [[nodiscard]] std::string to_string() const;

    auto operator<=>(const Ipv6Address&) const noexcept = default;

    constexpr bool operator==(const Ipv6Address& other) const noexcept {
        return detail::are_equal(bytes_, other.bytes_);
    }

private:
    std::array<std::byte, kSize> bytes_{};
};

enum class Family : std::uint8_t { Ipv4 = 4, Ipv6 = 6 };

// An address of either family, for the control path. The packet path is templated on the family.
class IpAddress {
public:
    constexpr IpAddress() noexcept = default;

    constexpr IpAddress(const Ipv4Address& address) noexcept  // NOLINT(google-explicit-constructor)
        : family_(Family::Ipv4) {
        address.store(bytes_.data());
    }

    constexpr IpAddress(const Ipv6Address& address) noexcept  // NOLINT(google-explicit-constructor)
        : family_(Family::Ipv6), bytes_(address.bytes()) {}

    // Accepts 192.0.2.1 and 2001:db8::1, without brackets or a prefix length.
    [[nodiscard]] static std::optional<IpAddress> parse(std::string_view text);

    [[nodiscard]] constexpr Family family() const noexcept { return family_; }

    [[nodiscard]] constexpr std::size_t size() const noexcept {
        return family_ == Family::Ipv4 ? Ipv4Address::kSize : Ipv6Address::kSize;
    }

    // Returns 16 bytes in wire order; of an IPv4 address the first four count, the rest are zero.
    [[nodiscard]] constexpr const std::array<std::byte, 16>& bytes() const noexcept {
        return bytes_;
    }

    // REQUIRES: family() == Family::Ipv4.
    [[nodiscard]] constexpr Ipv4Address v4() const noexcept {
        return Ipv4Address::load(bytes_.data());
    }

    // REQUIRES: family() == Family::Ipv6.
    [[nodiscard]] constexpr Ipv6Address v6() const noexcept { return Ipv6Address(bytes_); }

    template <class Address>
    [[nodiscard]] constexpr Address as() const noexcept {
        return Address::load(bytes_.data());
    }

    [[nodiscard]] constexpr bool is_unspecified() const noexcept {
        return bytes_ == std::array<std::byte, 16>{};
    }

    [[nodiscard]] constexpr bool is_multicast() const noexcept {
        return family_ == Family::Ipv4 ? v4().is_multicast() : v6().is_multicast();
    }

    [[nodiscard]] constexpr bool is_loopback() const noexcept {
        return family_ == Family::Ipv4 ? v4().is_loopback() : v6().is_loopback();
    }

    [[nodiscard]] std::string to_string() const;

    auto operator<=>(const IpAddress&) const noexcept = default;

    constexpr bool operator==(const IpAddress& other) const noexcept {
        return family_ == other.family_ && detail::are_equal(bytes_, other.bytes_);
    }

private:
    Family family_ = Family::Ipv4;
    std::array<std::byte, 16> bytes_{};
};

struct Endpoint {
    IpAddress address;
    Port port{};

    // Accepts 192.0.2.1:80 and [2001:db8::1]:80.
    [[nodiscard]] static std::optional<Endpoint> parse(std::string_view text);

    [[nodiscard]] std::string to_string() const;

    auto operator<=>(const Endpoint&) const noexcept = default;
};

class MacAddress {
public:
    static constexpr std::size_t kSize = 6;

    constexpr MacAddress() noexcept = default;

    constexpr explicit MacAddress(const std::array<std::byte, kSize>& bytes) noexcept
        : bytes_(bytes) {}

    [[nodiscard]] static constexpr MacAddress load(const std::byte* wire) noexcept {
        MacAddress address;
        for (std::size_t i = 0; i < kSize; ++i)
            address.bytes_[i] = wire[i];
        return address;
    }

    constexpr void store(std::byte* wire) const noexcept {
        for (std::size_t i = 0; i < kSize; ++i)
            wire[i] = bytes_[i];
    }

    [[nodiscard]] static std::optional<MacAddress> parse(std::string_view text);

    [[nodiscard]] constexpr const std::array<std::byte, kSize>& bytes() const noexcept {
        return bytes_;
    }

    [[nodiscard]] std::string to_string() const;

    auto operator<=>(const MacAddress&) const noexcept = default;

private:
    std::array<std::byte, kSize> bytes_{};
};

}  // namespace xvs::net

template <>
struct std::hash<xvs::net::IpAddress> {
    std::size_t operator()(const xvs::net::IpAddress& address) const noexcept {
        std::uint64_t halves[2];
        std::memcpy(halves, address.bytes().data(), sizeof(halves));
        const std::uint64_t mixed = (halves[0] * 0x9e3779b97f4a7c15U) ^ halves[1];
        return (mixed ^ (mixed >> 32)) * 0xff51afd7ed558ccdU;
    }
};
