// IPv4 headers (RFC 791).
#pragma once

#include <cstring>
#include <optional>
#include <type_traits>

#include "net/address.h"
#include "net/checksum.h"
#include "net/ip_protocol.h"
#include "net/view.h"

namespace xvs::net {

// A view of an IPv4 packet, without what a link layer may have appended to it. parse() checks
// every length that the accessors rely on; the header checksum is not checked (has_valid_checksum).
template <ByteLike Byte>
class BasicIpv4View : public BytesView<Byte> {
public:
    using Address = Ipv4Address;

    static constexpr std::size_t kMinHeaderSize = 20;
    static constexpr std::size_t kMaxHeaderSize = 60;
    static constexpr std::uint16_t kDontFragment = 0x4000;
    static constexpr std::uint16_t kMoreFragments = 0x2000;
    static constexpr std::uint16_t kOffsetMask = 0x1fff;

    // Returns nullopt if this is not version 4, or if the header or the total length that it
    // states does not fit `bytes`.
    [[nodiscard]] static constexpr std::optional<BasicIpv4View> parse(
        std::span<Byte> bytes) noexcept {
        const auto view = parse_quoted(bytes);
        if (!view || view->total_length() < view->header_size() ||
            view->total_length() > bytes.size()) {
            return std::nullopt;
        }
        return BasicIpv4View(bytes.first(view->total_length()));
    }

    // The packet once more. REQUIRES: parse() accepted these very bytes.
    [[nodiscard]] static constexpr BasicIpv4View again(std::span<Byte> bytes) noexcept {
        return BasicIpv4View(bytes);
    }

    // As parse(), for the packet that an ICMP error quotes, which may be cut short after its
    // header.
    [[nodiscard]] static constexpr std::optional<BasicIpv4View> parse_quoted(
        std::span<Byte> bytes) noexcept {
        if (bytes.size() < kMinHeaderSize) return std::nullopt;
        const BasicIpv4View view(bytes);
        if ((view.get8(0) >> 4) != 4) return std::nullopt;
        if (view.header_size() < kMinHeaderSize || view.header_size() > bytes.size()) {
            return std::nullopt;
        }
        return view;
    }

    [[nodiscard]] constexpr std::size_t header_size() const noexcept {
        return std::size_t{4} * (this->get8(0) & 0x0f);
    }

    [[nodiscard]] constexpr bool has_options() const noexcept {
        return header_size() > kMinHeaderSize;
    }

    // The DSCP in the upper six bits and the ECN in the lower two.
    [[nodiscard]] constexpr std::uint8_t traffic_class() const noexcept { return this->get8(1); }

    [[nodiscard]] constexpr std::size_t total_length() const noexcept { return this->get16(2); }

    [[nodiscard]] constexpr std::uint16_t identification() const noexcept { return this->get16(4); }

    [[nodiscard]] constexpr bool dont_fragment() const noexcept {
        return (this->get16(6) & kDontFragment) != 0;
    }

    [[nodiscard]] constexpr bool more_fragments() const noexcept {
        return (this->get16(6) & kMoreFragments) != 0;
    }

    // Where this fragment's payload stands in the whole packet's, in bytes.
    [[nodiscard]] constexpr std::size_t fragment_offset() const noexcept {
        return std::size_t{8} * (this->get16(6) & kOffsetMask);
    }

    [[nodiscard]] constexpr bool is_fragment() const noexcept {
        return (this->get16(6) & (kMoreFragments | kOffsetMask)) != 0;
    }

    [[nodiscard]] constexpr std::uint8_t ttl() const noexcept { return this->get8(8); }

    [[nodiscard]] constexpr IpProtocol protocol() const noexcept {
        return IpProtocol{this->get8(9)};
    }

    [[nodiscard]] constexpr std::uint16_t checksum() const noexcept { return this->get16(10); }

    [[nodiscard]] constexpr Ipv4Address source() const noexcept {
        return Ipv4Address::load(this->bytes_.data() + 12);
    }

    [[nodiscard]] constexpr Ipv4Address destination() const noexcept {
        return Ipv4Address::load(this->bytes_.data() + 16);
    }

    [[nodiscard]] constexpr std::span<Byte> header() const noexcept {
        return this->bytes_.first(header_size());
    }

    [[nodiscard]] constexpr std::span<Byte> payload() const noexcept {
        return this->bytes_.subspan(header_size());
    }

    [[nodiscard]] constexpr bool has_valid_checksum() const noexcept {
        if (std::is_constant_evaluated()) return internet_checksum(header()) == 0;
        const auto word = [this](std::size_t at) {
            std::uint32_t value = 0;
            std::memcpy(&value, this->bytes_.data() + at, sizeof value);
            return ChecksumSum{value};
        };
        ChecksumSum sum = word(0) + word(4) + word(8) + word(12) + word(16);
        for (std::size_t at = kMinHeaderSize; at < header_size(); at += 4)
            sum += word(at);
        // The checksum is then 0, in any order of bytes. The version alone keeps the sum from 0.
        return sum % 0xffff == 0;
    }

    // Writes version 4 and a header of `size` bytes. REQUIRES: size is a multiple of 4, 20 to 60.
    constexpr void set_header_size(
        std::size_t size) const noexcept requires BytesView<Byte>::kIsWritable {
        this->put8(0, static_cast<std::uint8_t>(0x40 | (size / 4)));
    }

    constexpr void set_traffic_class(
        std::uint8_t value) const noexcept requires BytesView<Byte>::kIsWritable {
        this->put8(1, value);
    }

    constexpr void set_total_length(
        std::size_t length) const noexcept requires BytesView<Byte>::kIsWritable {
        this->put16(2, static_cast<std::uint16_t>(length));
    }

    constexpr void set_identification(
        std::uint16_t value) const noexcept requires BytesView<Byte>::kIsWritable {
        this->put16(4, value);
    }

    // REQUIRES: offset, in bytes, is a multiple of 8.
    constexpr void set_fragment(bool dont_fragment, bool more, std::size_t offset)
        const noexcept requires BytesView<Byte>::kIsWritable {
        this->put16(6,
                    static_cast<std::uint16_t>((dont_fragment ? kDontFragment : 0) |
                                               (more ? kMoreFragments : 0) | (offset / 8)));
    }

    constexpr void set_ttl(
        std::uint8_t value) const noexcept requires BytesView<Byte>::kIsWritable {
        this->put8(8, value);
    }

    // Counts the TTL down and keeps the checksum right. REQUIRES: ttl() > 0.
    constexpr void decrement_ttl() const noexcept requires BytesView<Byte>::kIsWritable {
        // The TTL is the upper half of its word, whose difference is always the same.
        constexpr ChecksumDelta kOneLess(static_cast<std::uint16_t>(~0x0100));
        set_ttl(static_cast<std::uint8_t>(ttl() - 1));
        set_checksum(kOneLess.apply(checksum()));
    }

    constexpr void set_protocol(
        IpProtocol protocol) const noexcept requires BytesView<Byte>::kIsWritable {
        this->put8(9, number(protocol));
    }

    constexpr void set_checksum(
        std::uint16_t value) const noexcept requires BytesView<Byte>::kIsWritable {
        this->put16(10, value);
    }

    // Computes the header checksum anew.
    constexpr void update_checksum() const noexcept requires BytesView<Byte>::kIsWritable {
        set_checksum(0);
        set_checksum(internet_checksum(header()));
    }

    // The checksums that cover the address are the caller's to update.
    constexpr void set_source(
        Ipv4Address address) const noexcept requires BytesView<Byte>::kIsWritable {
        address.store(this->bytes_.data() + 12);
    }

    constexpr void set_destination(
        Ipv4Address address) const noexcept requires BytesView<Byte>::kIsWritable {
        address.store(this->bytes_.data() + 16);
    }

private:
    using BytesView<Byte>::BytesView;
};

using Ipv4View = BasicIpv4View<const std::byte>;
using Ipv4Writer = BasicIpv4View<std::byte>;

}  // namespace xvs::net
