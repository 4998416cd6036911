// BytesView: what the views of all protocols share. A view over const bytes reads; a view over
// mutable bytes (FooWriter) also writes, in place and without touching any other field.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include "base/byte_order.h"

namespace xvs::net {

template <class Byte>
concept ByteLike = std::is_same_v<std::remove_const_t<Byte>, std::byte>;

template <ByteLike Byte>
class BytesView {
public:
    static constexpr bool kIsWritable = !std::is_const_v<Byte>;

    // The packet from this header on, to the end of what the header covers.
    [[nodiscard]] constexpr std::span<Byte> bytes() const noexcept { return bytes_; }

protected:
    constexpr explicit BytesView(std::span<Byte> bytes) noexcept : bytes_(bytes) {}

    [[nodiscard]] constexpr std::uint8_t get8(std::size_t at) const noexcept {
        return std::to_integer<std::uint8_t>(bytes_[at]);
    }

    [[nodiscard]] constexpr std::uint16_t get16(std::size_t at) const noexcept {
        return load_be16(bytes_.data() + at);
    }

    [[nodiscard]] constexpr std::uint32_t get32(std::size_t at) const noexcept {
        return load_be32(bytes_.data() + at);
    }

    constexpr void put8(std::size_t at, std::uint8_t value) const noexcept requires kIsWritable {
        bytes_[at] = static_cast<std::byte>(value);
    }

    constexpr void put16(std::size_t at, std::uint16_t value) const noexcept requires kIsWritable {
        store_be16(bytes_.data() + at, value);
    }

    constexpr void put32(std::size_t at, std::uint32_t value) const noexcept requires kIsWritable {
        store_be32(bytes_.data() + at, value);
    }

    std::span<Byte> bytes_;
};

}  // namespace xvs::net
