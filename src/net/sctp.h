// SCTP packets (RFC 9260): the common header and the first chunks.
#pragma once

#include <array>
#include <bit>
#include <cstring>
#include <optional>

#include "net/crc32c.h"
#include "net/ports.h"

namespace xvs::net {

// Chunk types (RFC 9260, 3.2; RFC 3168 for the two of ECN).
namespace sctp_chunk {
inline constexpr std::uint8_t kData = 0;
inline constexpr std::uint8_t kInit = 1;
inline constexpr std::uint8_t kInitAck = 2;
inline constexpr std::uint8_t kSack = 3;
inline constexpr std::uint8_t kHeartbeat = 4;
inline constexpr std::uint8_t kHeartbeatAck = 5;
inline constexpr std::uint8_t kAbort = 6;
inline constexpr std::uint8_t kShutdown = 7;
inline constexpr std::uint8_t kShutdownAck = 8;
inline constexpr std::uint8_t kError = 9;
inline constexpr std::uint8_t kCookieEcho = 10;
inline constexpr std::uint8_t kCookieAck = 11;
inline constexpr std::uint8_t kEcnEcho = 12;
inline constexpr std::uint8_t kWindowReduced = 13;
inline constexpr std::uint8_t kShutdownComplete = 14;
}  // namespace sctp_chunk

struct SctpChunk {
    std::uint8_t type = 0;
    std::uint16_t length = 0;  // as it says: its own header and value, without padding
};

// A view of an SCTP packet. parse() checks that the common header is there, no chunk and not the
// checksum.
template <ByteLike Byte>
class BasicSctpView : public BasicPortsView<Byte> {
public:
    static constexpr std::size_t kHeaderSize = 12;
    static constexpr std::size_t kChecksumOffset = 8;
    static constexpr std::size_t kChunkHeaderSize = 4;

    [[nodiscard]] static constexpr std::optional<BasicSctpView> parse(
        std::span<Byte> bytes) noexcept {
        if (bytes.size() < kHeaderSize) return std::nullopt;
        return BasicSctpView(bytes);
    }

    [[nodiscard]] constexpr std::uint32_t verification_tag() const noexcept {
        return this->get32(4);
    }

    // As it stands on the wire, whose byte order is its own.
    [[nodiscard]] std::uint32_t checksum() const noexcept {
        std::uint32_t wire = 0;
        std::memcpy(&wire, this->bytes_.data() + kChecksumOffset, sizeof wire);
        return from_little32(wire);
    }

    // The chunk whose header is `offset` bytes from the first one's, if it is there.
    [[nodiscard]] constexpr std::optional<SctpChunk> chunk_at(std::size_t offset) const noexcept {
        const std::size_t at = kHeaderSize + offset;
        if (at + kChunkHeaderSize > this->bytes_.size()) return std::nullopt;
        return SctpChunk{.type = this->get8(at), .length = this->get16(at + 2)};
    }

    // Where a chunk of that length ends, padding included.
    [[nodiscard]] static constexpr std::size_t padded(std::size_t length) noexcept {
        return (length + 3) & ~std::size_t{3};
    }

    // What the checksum has to be, whatever stands in its place.
    [[nodiscard]] std::uint32_t computed_checksum() const noexcept {
        static constexpr std::array<std::byte, 4> kZero{};
        const std::span<const std::byte> bytes = this->bytes_;
        std::uint32_t crc = crc32c(bytes.first(kChecksumOffset));
        crc = crc32c(kZero, crc);
        return crc32c(bytes.subspan(kHeaderSize), crc);
    }

    constexpr void set_verification_tag(
        std::uint32_t value) const noexcept requires BytesView<Byte>::kIsWritable {
        this->put32(4, value);
    }

    void set_checksum(std::uint32_t value) const noexcept requires BytesView<Byte>::kIsWritable {
        const std::uint32_t wire = from_little32(value);
        std::memcpy(this->bytes_.data() + kChecksumOffset, &wire, sizeof wire);
    }

private:
    using BasicPortsView<Byte>::BasicPortsView;

    [[nodiscard]] static constexpr std::uint32_t from_little32(std::uint32_t wire) noexcept {
        return std::endian::native == std::endian::little ? wire : __builtin_bswap32(wire);
    }
};

using SctpView = BasicSctpView<const std::byte>;
using SctpWriter = BasicSctpView<std::byte>;

}  // namespace xvs::net
