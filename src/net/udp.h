// UDP headers (RFC 768).
#pragma once

#include <optional>

#include "net/checksum.h"
#include "net/ports.h"

namespace xvs::net {

// A view of a UDP datagram. parse() checks every length that the accessors rely on; the checksum
// is not checked.
template <ByteLike Byte>
class BasicUdpView : public BasicPortsView<Byte> {
public:
    static constexpr std::size_t kHeaderSize = 8;
    static constexpr std::size_t kChecksumOffset = 6;

    // Returns nullopt if `bytes` is shorter than the header, or than the header's own length.
    [[nodiscard]] static constexpr std::optional<BasicUdpView> parse(
        std::span<Byte> bytes) noexcept {
        const auto view = parse_header(bytes);
        if (!view || view->length() < kHeaderSize || view->length() > bytes.size()) {
            return std::nullopt;
        }
        return BasicUdpView(bytes.first(view->length()));
    }

    // As parse(), for a first fragment or a quoted datagram, of which not all is there.
    [[nodiscard]] static constexpr std::optional<BasicUdpView> parse_header(
        std::span<Byte> bytes) noexcept {
        if (bytes.size() < kHeaderSize) return std::nullopt;
        return BasicUdpView(bytes);
    }

    // Of the header and what follows it.
    [[nodiscard]] constexpr std::size_t length() const noexcept { return this->get16(4); }

    // 0: not computed.
    [[nodiscard]] constexpr std::uint16_t checksum() const noexcept {
        return this->get16(kChecksumOffset);
    }

    [[nodiscard]] constexpr std::span<Byte> payload() const noexcept {
        return this->bytes_.subspan(kHeaderSize);
    }

    constexpr void set_length(
        std::size_t length) const noexcept requires BytesView<Byte>::kIsWritable {
        this->put16(4, static_cast<std::uint16_t>(length));
    }

    constexpr void set_checksum(
        std::uint16_t value) const noexcept requires BytesView<Byte>::kIsWritable {
        this->put16(kChecksumOffset, value);
    }

    // Leaves a checksum alone that was not computed.
    constexpr void apply(ChecksumDelta delta) const noexcept requires BytesView<Byte>::kIsWritable {
        set_checksum(delta.apply_udp(checksum()));
    }

private:
    using BasicPortsView<Byte>::BasicPortsView;
};

using UdpView = BasicUdpView<const std::byte>;
using UdpWriter = BasicUdpView<std::byte>;

// Returns the checksum field's value for a finished sum over pseudo-header and datagram: never 0,
// which would say that there is none.
[[nodiscard]] constexpr std::uint16_t finish_udp_checksum(ChecksumSum sum) noexcept {
    const std::uint16_t checksum = finish_checksum(sum);
    return checksum == 0 ? std::uint16_t{0xffff} : checksum;
}

}  // namespace xvs::net
