// IPv6 headers and the walk over their extension headers (RFC 8200).
#pragma once

#include <optional>

#include "net/address.h"
#include "net/ip_protocol.h"
#include "net/view.h"

namespace xvs::net {

// A view of an IPv6 packet, without what a link layer may have appended to it. parse() checks
// every length that the accessors rely on.
template <ByteLike Byte>
class BasicIpv6View : public BytesView<Byte> {
public:
    using Address = Ipv6Address;

    static constexpr std::size_t kHeaderSize = 40;

    // Returns nullopt if this is not version 6, or if the payload length does not fit `bytes`.
    [[nodiscard]] static constexpr std::optional<BasicIpv6View> parse(
        std::span<Byte> bytes) noexcept {
        const auto view = parse_quoted(bytes);
        if (!view || kHeaderSize + view->payload_length() > bytes.size()) return std::nullopt;
        return BasicIpv6View(bytes.first(kHeaderSize + view->payload_length()));
    }

    // The packet once more. REQUIRES: parse() accepted these very bytes.
    [[nodiscard]] static constexpr BasicIpv6View again(std::span<Byte> bytes) noexcept {
        return BasicIpv6View(bytes);
    }

    // As parse(), for the packet that an ICMP error quotes, which may be cut short after its
    // header.
    [[nodiscard]] static constexpr std::optional<BasicIpv6View> parse_quoted(
        std::span<Byte> bytes) noexcept {
        if (bytes.size() < kHeaderSize) return std::nullopt;
        const BasicIpv6View view(bytes);
        if ((view.get8(0) >> 4) != 6) return std::nullopt;
        return view;
    }

    [[nodiscard]] constexpr std::uint8_t traffic_class() const noexcept {
        return static_cast<std::uint8_t>(this->get16(0) >> 4);
    }

    [[nodiscard]] constexpr std::uint32_t flow_label() const noexcept {
        return this->get32(0) & 0xfffff;
    }

    [[nodiscard]] constexpr std::size_t payload_length() const noexcept { return this->get16(4); }

    [[nodiscard]] constexpr std::size_t total_length() const noexcept {
        return kHeaderSize + payload_length();
    }

    [[nodiscard]] constexpr IpProtocol next_header() const noexcept {
        return IpProtocol{this->get8(6)};
    }

    [[nodiscard]] constexpr std::uint8_t hop_limit() const noexcept { return this->get8(7); }

    [[nodiscard]] constexpr Ipv6Address source() const noexcept {
        return Ipv6Address::load(this->bytes_.data() + 8);
    }

    [[nodiscard]] constexpr Ipv6Address destination() const noexcept {
        return Ipv6Address::load(this->bytes_.data() + 24);
    }

    // What follows the fixed header: extension headers first, if there are any.
    [[nodiscard]] constexpr std::span<Byte> payload() const noexcept {
        return this->bytes_.subspan(kHeaderSize);
    }

    constexpr void set_first_word(std::uint8_t traffic_class, std::uint32_t flow_label)
        const noexcept requires BytesView<Byte>::kIsWritable {
        this->put32(0, (6U << 28) | (std::uint32_t{traffic_class} << 20) | (flow_label & 0xfffff));
    }

    constexpr void set_payload_length(
        std::size_t length) const noexcept requires BytesView<Byte>::kIsWritable {
        this->put16(4, static_cast<std::uint16_t>(length));
    }

    constexpr void set_next_header(
        IpProtocol protocol) const noexcept requires BytesView<Byte>::kIsWritable {
        this->put8(6, number(protocol));
    }

    constexpr void set_hop_limit(
        std::uint8_t value) const noexcept requires BytesView<Byte>::kIsWritable {
        this->put8(7, value);
    }

    // REQUIRES: hop_limit() > 0.
    constexpr void decrement_hop_limit() const noexcept requires BytesView<Byte>::kIsWritable {
        this->put8(7, static_cast<std::uint8_t>(hop_limit() - 1));
    }

    // The checksums that cover the address are the caller's to update.
    constexpr void set_source(
        const Ipv6Address& address) const noexcept requires BytesView<Byte>::kIsWritable {
        address.store(this->bytes_.data() + 8);
    }

    constexpr void set_destination(
        const Ipv6Address& address) const noexcept requires BytesView<Byte>::kIsWritable {
        address.store(this->bytes_.data() + 24);
    }

private:
    using BytesView<Byte>::BytesView;
};

using Ipv6View = BasicIpv6View<const std::byte>;
using Ipv6Writer = BasicIpv6View<std::byte>;

// What a fragment header says.
struct Ipv6Fragment {
    std::size_t header_offset = 0;  // of the fragment header, from the start of the IPv6 header
    std::size_t offset = 0;         // of the payload within the whole packet's, in bytes
    bool more_fragments = false;
    std::uint32_t identification = 0;

    [[nodiscard]] constexpr bool is_first() const noexcept { return offset == 0; }

    bool operator==(const Ipv6Fragment&) const = default;
};

// Where the extension headers end. Of a fragment that is not the first there is no more to know
// than what its fragment header names: `protocol` may be another extension header then, and
// `transport_offset` is where its share of the payload starts.
struct Ipv6Transport {
    IpProtocol protocol = IpProtocol::NoNextHeader;
    std::size_t transport_offset = 0;  // from the start of the IPv6 header; may be its very end
    std::optional<Ipv6Fragment> fragment;

    bool operator==(const Ipv6Transport&) const = default;
};

// More extension headers than this are a malformed packet.
inline constexpr unsigned kMaxIpv6ExtensionHeaders = 8;

inline constexpr std::size_t kIpv6FragmentHeaderSize = 8;

// Walks hop-by-hop options, routing, destination options and fragment headers; AH, ESP and
// everything else is a transport. Returns nullopt if a header is cut short, or there are too many.
template <ByteLike Byte>
[[nodiscard]] constexpr std::optional<Ipv6Transport> find_ipv6_transport(
    const BasicIpv6View<Byte>& packet) noexcept {
    const std::span<const std::byte> bytes = packet.bytes();
    Ipv6Transport found{.protocol = packet.next_header(),
                        .transport_offset = Ipv6View::kHeaderSize,
                        .fragment = std::nullopt};
    for (unsigned walked = 0; walked <= kMaxIpv6ExtensionHeaders; ++walked) {
        const bool is_fragment = found.protocol == IpProtocol::Fragment;
        if (!is_fragment && found.protocol != IpProtocol::HopByHopOptions &&
            found.protocol != IpProtocol::Routing &&
            found.protocol != IpProtocol::DestinationOptions) {
            return found;
        }
        // Every one of these is at least 8 bytes.
        const std::size_t at = found.transport_offset;
        if (bytes.size() < at + 8) return std::nullopt;
        found.protocol = IpProtocol{std::to_integer<std::uint8_t>(bytes[at])};
        if (is_fragment) {
            const std::uint16_t field = load_be16(bytes.data() + at + 2);
            found.transport_offset += kIpv6FragmentHeaderSize;
            found.fragment = Ipv6Fragment{.header_offset = at,
                                          .offset = std::size_t{field} & ~std::size_t{7},
                                          .more_fragments = (field & 1) != 0,
                                          .identification = load_be32(bytes.data() + at + 4)};
            if (!found.fragment->is_first()) return found;
        } else {
            found.transport_offset += 8 + 8 * std::to_integer<std::size_t>(bytes[at + 1]);
            if (found.transport_offset > bytes.size()) return std::nullopt;
        }
    }
    return std::nullopt;
}

}  // namespace xvs::net
