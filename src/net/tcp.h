// TCP headers (RFC 9293).
#pragma once

#include <optional>

#include "net/checksum.h"
#include "net/ports.h"

namespace xvs::net {

namespace tcp_flag {

inline constexpr std::uint8_t kFin = 0x01;
inline constexpr std::uint8_t kSyn = 0x02;
inline constexpr std::uint8_t kRst = 0x04;
inline constexpr std::uint8_t kPsh = 0x08;
inline constexpr std::uint8_t kAck = 0x10;
inline constexpr std::uint8_t kUrg = 0x20;
inline constexpr std::uint8_t kEce = 0x40;
inline constexpr std::uint8_t kCwr = 0x80;

}  // namespace tcp_flag

namespace tcp_option {

inline constexpr std::uint8_t kEnd = 0;
inline constexpr std::uint8_t kNop = 1;
inline constexpr std::uint8_t kMss = 2;
inline constexpr std::uint8_t kWindowScale = 3;
inline constexpr std::uint8_t kSackPermitted = 4;
inline constexpr std::uint8_t kTimestamp = 8;

}  // namespace tcp_option

// A view of a TCP segment. parse() checks every length that the accessors rely on; the checksum is
// not checked.
template <ByteLike Byte>
class BasicTcpView : public BasicPortsView<Byte> {
public:
    static constexpr std::size_t kMinHeaderSize = 20;
    static constexpr std::size_t kChecksumOffset = 16;

    // Returns nullopt if the header, its options included, does not fit `bytes`.
    [[nodiscard]] static constexpr std::optional<BasicTcpView> parse(
        std::span<Byte> bytes) noexcept {
        if (bytes.size() < kMinHeaderSize) return std::nullopt;
        const BasicTcpView view(bytes);
        if (view.header_size() < kMinHeaderSize || view.header_size() > bytes.size()) {
            return std::nullopt;
        }
        return view;
    }

    [[nodiscard]] constexpr std::uint32_t sequence() const noexcept { return this->get32(4); }

    [[nodiscard]] constexpr std::uint32_t acknowledgement() const noexcept {
        return this->get32(8);
    }

    [[nodiscard]] constexpr std::size_t header_size() const noexcept {
        return std::size_t{4} * (this->get8(12) >> 4);
    }

    // The bits of tcp_flag.
    [[nodiscard]] constexpr std::uint8_t flags() const noexcept { return this->get8(13); }

    [[nodiscard]] constexpr bool has(std::uint8_t flag) const noexcept {
        return (flags() & flag) != 0;
    }

    [[nodiscard]] constexpr std::uint16_t window() const noexcept { return this->get16(14); }

    [[nodiscard]] constexpr std::uint16_t checksum() const noexcept {
        return this->get16(kChecksumOffset);
    }

    [[nodiscard]] constexpr std::uint16_t urgent_pointer() const noexcept {
        return this->get16(18);
    }

    [[nodiscard]] constexpr std::span<Byte> options() const noexcept {
        return this->bytes_.subspan(kMinHeaderSize, header_size() - kMinHeaderSize);
    }

    [[nodiscard]] constexpr std::span<Byte> payload() const noexcept {
        return this->bytes_.subspan(header_size());
    }

    // Returns the option of that kind, kind and length included; empty if there is none, or if
    // the options before it are malformed.
    [[nodiscard]] constexpr std::span<Byte> find_option(std::uint8_t kind) const noexcept {
        std::span<Byte> rest = options();
        while (!rest.empty()) {
            const auto here = std::to_integer<std::uint8_t>(rest[0]);
            if (here == tcp_option::kEnd) return {};
            if (here == tcp_option::kNop) {
                rest = rest.subspan(1);
                continue;
            }
            if (rest.size() < 2) return {};
            const auto size = std::to_integer<std::size_t>(rest[1]);
            if (size < 2 || size > rest.size()) return {};
            if (here == kind) return rest.first(size);
            rest = rest.subspan(size);
        }
        return {};
    }

    [[nodiscard]] constexpr std::optional<std::uint16_t> mss() const noexcept {
        const auto option = find_option(tcp_option::kMss);
        if (option.size() != 4) return std::nullopt;
        return load_be16(option.data() + 2);
    }

    constexpr void set_sequence(
        std::uint32_t value) const noexcept requires BytesView<Byte>::kIsWritable {
        this->put32(4, value);
    }

    constexpr void set_acknowledgement(
        std::uint32_t value) const noexcept requires BytesView<Byte>::kIsWritable {
        this->put32(8, value);
    }

    // REQUIRES: size is a multiple of 4, 20 to 60.
    constexpr void set_header_size(
        std::size_t size) const noexcept requires BytesView<Byte>::kIsWritable {
        this->put8(12, static_cast<std::uint8_t>((size / 4) << 4));
    }

    constexpr void set_flags(
        std::uint8_t flags) const noexcept requires BytesView<Byte>::kIsWritable {
        this->put8(13, flags);
    }

    constexpr void set_window(
        std::uint16_t value) const noexcept requires BytesView<Byte>::kIsWritable {
        this->put16(14, value);
    }

    constexpr void set_checksum(
        std::uint16_t value) const noexcept requires BytesView<Byte>::kIsWritable {
        this->put16(kChecksumOffset, value);
    }

    constexpr void set_urgent_pointer(
        std::uint16_t value) const noexcept requires BytesView<Byte>::kIsWritable {
        this->put16(18, value);
    }

    constexpr void apply(ChecksumDelta delta) const noexcept requires BytesView<Byte>::kIsWritable {
        set_checksum(delta.apply(checksum()));
    }

private:
    using BasicPortsView<Byte>::BasicPortsView;
};

using TcpView = BasicTcpView<const std::byte>;
using TcpWriter = BasicTcpView<std::byte>;

}  // namespace xvs::net
