// Literals for addresses: "192.0.2.1:80"_ep, "[2001:db8::1]:80"_ep and "192.0.2.1"_ip. A malformed
// one does not compile.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "net/address.h"

namespace xvs::test {
namespace detail {

// Never defined and not constexpr: a literal that reaches it does not compile.
void this_address_literal_is_malformed();

// Reads numbers off the front of a literal.
class LiteralReader {
public:
    consteval explicit LiteralReader(std::string_view text) : text_(text) {}

    consteval bool skip(std::string_view expected) {
        if (!text_.starts_with(expected)) return false;
        text_.remove_prefix(expected.size());
        return true;
    }

    consteval void expect(std::string_view expected) {
        if (!skip(expected)) this_address_literal_is_malformed();
    }

    consteval unsigned number(unsigned base, unsigned limit) {
        unsigned value = 0;
        std::size_t digits = 0;
        for (; !text_.empty() && digit(text_[0]) < base; ++digits) {
            value = value * base + digit(text_[0]);
            if (value > limit) this_address_literal_is_malformed();
            text_.remove_prefix(1);
        }
        if (digits == 0) this_address_literal_is_malformed();
        return value;
    }

    [[nodiscard]] consteval bool at_digit() const { return !text_.empty() && digit(text_[0]) < 16; }

    [[nodiscard]] consteval bool is_at_end() const { return text_.empty(); }

private:
    static consteval unsigned digit(char c) {
        if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
        if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a') + 10;
        return 99;
    }

    std::string_view text_;
};

consteval net::Ipv4Address read_ipv4(LiteralReader& reader) {
    std::uint32_t value = reader.number(10, 255);
    for (int i = 0; i < 3; ++i) {
        reader.expect(".");
        value = (value << 8) | reader.number(10, 255);
    }
    return net::Ipv4Address(value);
}

consteval net::Ipv6Address read_ipv6(LiteralReader& reader) {
    std::array<std::uint16_t, 8> head{};
    std::array<std::uint16_t, 8> tail{};
    std::size_t heads = 0;
    std::size_t tails = 0;
    bool has_gap = reader.skip("::");
    while (reader.at_digit() && heads + tails < 8) {
        const auto group = static_cast<std::uint16_t>(reader.number(16, 0xffff));
        if (has_gap) {
            tail[tails++] = group;
        } else {
            head[heads++] = group;
        }
        if (!has_gap && reader.skip("::")) {
            has_gap = true;
        } else if (!reader.skip(":")) {
            break;
        }
    }
    if (!has_gap && heads != 8) this_address_literal_is_malformed();
    std::array<std::byte, 16> bytes{};
    for (std::size_t i = 0; i < heads; ++i)
        store_be16(bytes.data() + 2 * i, head[i]);
    for (std::size_t i = 0; i < tails; ++i)
        store_be16(bytes.data() + 2 * (8 - tails + i), tail[i]);
    return net::Ipv6Address(bytes);
}

consteval bool is_ipv4(std::string_view text) {
    return text.find('.') != std::string_view::npos;
}

}  // namespace detail

inline namespace literals {

consteval net::Endpoint operator""_ep(const char* text, std::size_t size) {
    const std::string_view whole(text, size);
    detail::LiteralReader reader(whole);
    net::Endpoint endpoint;
    if (detail::is_ipv4(whole)) {
        endpoint.address = detail::read_ipv4(reader);
    } else {
        reader.expect("[");
        endpoint.address = detail::read_ipv6(reader);
        reader.expect("]");
    }
    reader.expect(":");
    endpoint.port = net::Port{static_cast<std::uint16_t>(reader.number(10, 65535))};
    if (!reader.is_at_end()) detail::this_address_literal_is_malformed();
    return endpoint;
}

consteval net::IpAddress operator""_ip(const char* text, std::size_t size) {
    const std::string_view whole(text, size);
    detail::LiteralReader reader(whole);
    net::IpAddress address;
    if (detail::is_ipv4(whole)) {
        address = detail::read_ipv4(reader);
    } else {
        address = detail::read_ipv6(reader);
    }
    if (!reader.is_at_end()) detail::this_address_literal_is_malformed();
    return address;
}

}  // namespace literals

}  // namespace xvs::test
