// Loads and stores of big-endian integers at any alignment.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace xvs {

static_assert(std::endian::native == std::endian::little, "XVS runs on little-endian machines");

[[nodiscard]] constexpr std::uint16_t load_be16(const std::byte* from) noexcept {
    return static_cast<std::uint16_t>((std::to_integer<unsigned>(from[0]) << 8) |
                                      std::to_integer<unsigned>(from[1]));
}

[[nodiscard]] constexpr std::uint32_t load_be32(const std::byte* from) noexcept {
    return (std::to_integer<std::uint32_t>(from[0]) << 24) |
           (std::to_integer<std::uint32_t>(from[1]) << 16) |
           (std::to_integer<std::uint32_t>(from[2]) << 8) | std::to_integer<std::uint32_t>(from[3]);
}

constexpr void store_be16(std::byte* to, std::uint16_t value) noexcept {
    to[0] = static_cast<std::byte>(value >> 8);
    to[1] = static_cast<std::byte>(value & 0xff);
}

constexpr void store_be32(std::byte* to, std::uint32_t value) noexcept {
    to[0] = static_cast<std::byte>(value >> 24);
    to[1] = static_cast<std::byte>((value >> 16) & 0xff);
    to[2] = static_cast<std::byte>((value >> 8) & 0xff);
    to[3] = static_cast<std::byte>(value & 0xff);
}

// Host order <-> the integer whose bytes in memory are in wire order (the kernel's __be16, __be32).
[[nodiscard]] constexpr std::uint16_t to_wire16(std::uint16_t host) noexcept {
    return __builtin_bswap16(host);
}

[[nodiscard]] constexpr std::uint32_t to_wire32(std::uint32_t host) noexcept {
    return __builtin_bswap32(host);
}

[[nodiscard]] constexpr std::uint16_t from_wire16(std::uint16_t wire) noexcept {
    return __builtin_bswap16(wire);
}

[[nodiscard]] constexpr std::uint32_t from_wire32(std::uint32_t wire) noexcept {
    return __builtin_bswap32(wire);
}

}  // namespace xvs
