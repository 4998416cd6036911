// The eight bytes that ICMP and ICMPv6 messages start with; icmp.h and icmpv6.h name their types.
#pragma once

#include <optional>

#include "net/checksum.h"
#include "net/view.h"

namespace xvs::net {

// parse() checks every length that the accessors rely on; the checksum is not checked.
template <ByteLike Byte>
class BasicIcmpView : public BytesView<Byte> {
public:
    static constexpr std::size_t kHeaderSize = 8;
    static constexpr std::size_t kChecksumOffset = 2;

    [[nodiscard]] static constexpr std::optional<BasicIcmpView> parse(
        std::span<Byte> bytes) noexcept {
        if (bytes.size() < kHeaderSize) return std::nullopt;
        return BasicIcmpView(bytes);
    }

    [[nodiscard]] constexpr std::uint8_t type() const noexcept { return this->get8(0); }

    [[nodiscard]] constexpr std::uint8_t code() const noexcept { return this->get8(1); }

    [[nodiscard]] constexpr std::uint16_t checksum() const noexcept {
        return this->get16(kChecksumOffset);
    }

    // Of an echo request or reply.
    [[nodiscard]] constexpr std::uint16_t identifier() const noexcept { return this->get16(4); }

    [[nodiscard]] constexpr std::uint16_t sequence() const noexcept { return this->get16(6); }

    // The second word as a whole: unused in most errors, the MTU of ICMPv6 packet-too-big.
    [[nodiscard]] constexpr std::uint32_t rest() const noexcept { return this->get32(4); }

    // What follows the header: of an error, the packet that it quotes.
    [[nodiscard]] constexpr std::span<Byte> payload() const noexcept {
        return this->bytes_.subspan(kHeaderSize);
    }

    constexpr void set_type(
        std::uint8_t type, std::uint8_t code) const noexcept requires BytesView<Byte>::kIsWritable {
        this->put8(0, type);
        this->put8(1, code);
    }

    constexpr void set_checksum(
        std::uint16_t value) const noexcept requires BytesView<Byte>::kIsWritable {
        this->put16(kChecksumOffset, value);
    }

    constexpr void set_rest(
        std::uint32_t value) const noexcept requires BytesView<Byte>::kIsWritable {
        this->put32(4, value);
    }

    constexpr void apply(ChecksumDelta delta) const noexcept requires BytesView<Byte>::kIsWritable {
        set_checksum(delta.apply(checksum()));
    }

private:
    using BytesView<Byte>::BytesView;
};

using IcmpView = BasicIcmpView<const std::byte>;
using IcmpWriter = BasicIcmpView<std::byte>;

}  // namespace xvs::net
