// The Internet checksum (RFC 1071): in full, over pseudo-headers, and by differences (RFC 1624).
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>

#include "base/byte_order.h"
#include "net/address.h"
#include "net/ip_protocol.h"

namespace xvs::net {

// A ones' complement sum of 16-bit words in host order, not yet folded into 16 bits.
using ChecksumSum = std::uint64_t;

[[nodiscard]] constexpr std::uint16_t fold(ChecksumSum sum) noexcept {
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + ((sum >> 16) & 0xffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<std::uint16_t>(sum);
}

namespace detail {

[[nodiscard]] constexpr ChecksumSum sum_of_words(std::span<const std::byte> bytes) noexcept {
    ChecksumSum sum = 0;
    std::size_t at = 0;
    for (; at + 1 < bytes.size(); at += 2)
        sum += load_be16(bytes.data() + at);
    // An odd last byte is the high half of a word whose low half is zero.
    if (at < bytes.size()) sum += std::to_integer<ChecksumSum>(bytes[at]) << 8;
    return sum;
}

}  // namespace detail

// Returns the sum over `bytes`, which must start at an even offset of what is summed.
[[nodiscard]] constexpr ChecksumSum checksum_sum(std::span<const std::byte> bytes) noexcept {
    if (std::is_constant_evaluated() || bytes.size() < 8) return detail::sum_of_words(bytes);
    // Four words at a time in memory order: the folded sum only differs by a byte swap (RFC 1071,
    // 2(B)).
    ChecksumSum sum = 0;
    std::size_t at = 0;
    for (; at + 8 <= bytes.size(); at += 8) {
        std::uint64_t words = 0;
        std::memcpy(&words, bytes.data() + at, sizeof words);
        sum += (words & 0xffffffff) + (words >> 32);
    }
    return ChecksumSum{__builtin_bswap16(fold(sum))} + detail::sum_of_words(bytes.subspan(at));
}

// Returns the checksum field's value for a finished sum.
[[nodiscard]] constexpr std::uint16_t finish_checksum(ChecksumSum sum) noexcept {
    return static_cast<std::uint16_t>(~fold(sum));
}

// Returns the checksum over `bytes` (and what `sum` already holds). Over data that contains its
// own valid checksum this is 0.
[[nodiscard]] constexpr std::uint16_t internet_checksum(std::span<const std::byte> bytes,
                                                        ChecksumSum sum = 0) noexcept {
    return finish_checksum(sum + checksum_sum(bytes));
}

[[nodiscard]] constexpr ChecksumSum checksum_sum(Ipv4Address address) noexcept {
    return ChecksumSum{address.value() >> 16} + (address.value() & 0xffff);
}

[[nodiscard]] constexpr ChecksumSum checksum_sum(const Ipv6Address& address) noexcept {
    return detail::sum_of_words(address.bytes());
}

// The sum over the pseudo-header of RFC 793 or RFC 8200, 8.1. `length` is that of the transport
// header and what follows it.
template <class Address>
[[nodiscard]] constexpr ChecksumSum pseudo_header_sum(const Address& source,
                                                      const Address& destination,
                                                      IpProtocol protocol,
                                                      std::size_t length) noexcept {
    return checksum_sum(source) + checksum_sum(destination) + number(protocol) + (length >> 16) +
           (length & 0xffff);
}

// What a rewriting adds to every checksum that covers it. It does not depend on the packet, so it
// is computed once for a flow and applied to each of its packets.
class ChecksumDelta {
public:
    constexpr ChecksumDelta() noexcept = default;

    // From a value() kept elsewhere.
    constexpr explicit ChecksumDelta(std::uint16_t value) noexcept : sum_(value) {}

    constexpr ChecksumDelta& replace(std::uint16_t before, std::uint16_t after) noexcept {
        sum_ = fold(ChecksumSum{sum_} + static_cast<std::uint16_t>(~before) + after);
        return *this;
    }

    constexpr ChecksumDelta& replace(std::uint32_t before, std::uint32_t after) noexcept {
        replace(static_cast<std::uint16_t>(before >> 16), static_cast<std::uint16_t>(after >> 16));
        return replace(static_cast<std::uint16_t>(before & 0xffff),
                       static_cast<std::uint16_t>(after & 0xffff));
    }

    constexpr ChecksumDelta& replace(Port before, Port after) noexcept {
        return replace(number(before), number(after));
    }

    constexpr ChecksumDelta& replace(Ipv4Address before, Ipv4Address after) noexcept {
        return replace(before.value(), after.value());
    }

    constexpr ChecksumDelta& replace(const Ipv6Address& before, const Ipv6Address& after) noexcept {
        for (std::size_t at = 0; at < Ipv6Address::kSize; at += 4)
            replace(load_be32(before.bytes().data() + at), load_be32(after.bytes().data() + at));
        return *this;
    }

    constexpr ChecksumDelta& add(ChecksumDelta other) noexcept {
        sum_ = fold(ChecksumSum{sum_} + other.sum_);
        return *this;
    }

    // Returns the delta of the rewriting undone.
    [[nodiscard]] constexpr ChecksumDelta inverse() const noexcept {
        return ChecksumDelta(static_cast<std::uint16_t>(~sum_));
    }

    [[nodiscard]] constexpr std::uint16_t value() const noexcept { return sum_; }

    // Returns the checksum of the rewritten data: HC' = ~(~HC + ~m + m') (RFC 1624, equation 3).
    [[nodiscard]] constexpr std::uint16_t apply(std::uint16_t checksum) const noexcept {
        const std::uint32_t sum = std::uint32_t{static_cast<std::uint16_t>(~checksum)} + sum_;
        return static_cast<std::uint16_t>(~((sum & 0xffff) + (sum >> 16)));
    }

    // As apply(), for UDP: 0 says that there is no checksum and stays 0 (RFC 768); a checksum that
    // comes out as 0 is sent as 0xffff.
    [[nodiscard]] constexpr std::uint16_t apply_udp(std::uint16_t checksum) const noexcept {
        if (checksum == 0) return 0;
        const std::uint16_t updated = apply(checksum);
        return updated == 0 ? std::uint16_t{0xffff} : updated;
    }

private:
    std::uint16_t sum_ = 0;
};

}  // namespace xvs::net
