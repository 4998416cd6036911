// Packet: an IP packet as a test writes it, in one expression.
//
//     Packet::tcp(kClient, kVip).flags("S").seq(1000).ttl(63)
//
// It is a value: every method returns a changed copy. What is not said has a default that tcpdump
// would not show either; checksums and lengths come out right unless a method says otherwise. The
// family is that of the endpoints. packet_text.h prints and parses it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "net/address.h"
#include "net/icmp.h"
#include "net/icmpv6.h"
#include "net/ip_protocol.h"

namespace xvs::test {

using Bytes = std::vector<std::byte>;

struct TcpFields {
    net::Port source{};
    net::Port destination{};
    std::uint8_t flags = 0;
    std::uint32_t sequence = 0;
    std::uint32_t acknowledgement = 0;
    std::uint16_t window = 65535;
    std::optional<std::uint16_t> mss{};
    bool sack_permitted = false;
    std::optional<std::pair<std::uint32_t, std::uint32_t>> timestamp{};  // value, echo reply
    std::optional<std::uint8_t> window_scale{};

    bool operator==(const TcpFields&) const = default;
};

struct UdpFields {
    net::Port source{};
    net::Port destination{};
    bool has_checksum = true;
    // What the header says where it does not say the truth.
    std::optional<std::uint16_t> length{};

    bool operator==(const UdpFields&) const = default;
};

// The header, and chunks that say no more than their type; the last one's value is Packet::data.
struct SctpFields {
    net::Port source{};
    net::Port destination{};
    std::uint32_t tag = 0;
    std::vector<std::uint8_t> chunks;

    bool operator==(const SctpFields&) const = default;
};

// Of either family; an error's quoted packet is Packet::inner().
struct IcmpFields {
    std::uint8_t type = 0;
    std::uint8_t code = 0;
    std::uint32_t rest = 0;  // identifier and sequence, or the MTU
    // How much of the quoted packet is there: all, up to what the RFCs let an error quote.
    std::optional<std::size_t> quoted_bytes{};

    bool operator==(const IcmpFields&) const = default;
};

// A packet in a packet: Packet::inner().
struct IpInIpFields {
    enum class Tunnel : std::uint8_t { Ipip, Gue, Gre };

    Tunnel tunnel = Tunnel::Ipip;
    bool has_checksum = false;                      // of GUE's UDP header, or GRE's
    std::optional<net::Port> source = net::Port{};  // of GUE; nullopt: whatever the sender chose
    net::Port destination{};

    bool operator==(const IpInIpFields&) const = default;
};

// Anything else: the payload as it is.
struct RawFields {
    net::IpProtocol protocol = net::IpProtocol::NoNextHeader;

    bool operator==(const RawFields&) const = default;
};

// The part of a packet's payload that a fragment carries.
struct FragmentPart {
    std::size_t offset = 0;  // in bytes
    std::size_t length = 0;
    bool more = false;

    bool operator==(const FragmentPart&) const = default;
};

class Packet {
public:
    using Transport =
        std::variant<TcpFields, UdpFields, SctpFields, IcmpFields, IpInIpFields, RawFields>;

    // REQUIRES of all of these: both ends are of one family.
    [[nodiscard]] static Packet tcp(const net::Endpoint& from, const net::Endpoint& to);
    [[nodiscard]] static Packet udp(const net::Endpoint& from, const net::Endpoint& to);
    [[nodiscard]] static Packet sctp(const net::Endpoint& from,
                                     const net::Endpoint& to,
                                     std::vector<std::uint8_t> chunks);
    [[nodiscard]] static Packet icmp_echo(const net::IpAddress& from, const net::IpAddress& to);
    [[nodiscard]] static Packet icmp_echo_reply(const net::IpAddress& from,
                                                const net::IpAddress& to);
    // `name` as packet_text.h prints it: "port unreachable", "packet too big", "time exceeded".
    [[nodiscard]] static Packet icmp_error(const net::IpAddress& from,
                                           const net::IpAddress& to,
                                           std::string_view name,
                                           const Packet& quoting);
    [[nodiscard]] static Packet raw(const net::IpAddress& from,
                                    const net::IpAddress& to,
                                    net::IpProtocol protocol);
    // The bytes from `offset` on, `length` of them (or what is left), of the payload of `whole`.
    [[nodiscard]] static Packet fragment(const Packet& whole,
                                         std::size_t offset,
                                         std::size_t length);

    // TCP. `flags` as tcpdump prints them: "S", "S.", "P.", "F.", "R".
    [[nodiscard]] Packet flags(std::string_view flags) const;
    [[nodiscard]] Packet seq(std::uint32_t value) const;
    [[nodiscard]] Packet ack(std::uint32_t value) const;
    [[nodiscard]] Packet window(std::uint16_t value) const;
    [[nodiscard]] Packet mss(std::uint16_t value) const;
    [[nodiscard]] Packet timestamp(std::uint32_t value, std::uint32_t echo_reply) const;

    // UDP.
    [[nodiscard]] Packet no_checksum() const;

    // ICMP.
    [[nodiscard]] Packet mtu(std::uint32_t value) const;
    [[nodiscard]] Packet echo_id(std::uint16_t identifier, std::uint16_t sequence) const;
    [[nodiscard]] Packet quoted_bytes(std::size_t count) const;

    // IP.
    [[nodiscard]] Packet ttl(std::uint8_t value) const;  // IPv6: the hop limit
    [[nodiscard]] Packet tos(std::uint8_t value) const;  // IPv6: the traffic class
    [[nodiscard]] Packet df() const;
    [[nodiscard]] Packet ip_id(std::uint32_t value) const;  // IPv6: of the fragment header
    [[nodiscard]] Packet any_ip_id() const;  // of an expectation: whatever the sender chose
    [[nodiscard]] Packet any_flow_label() const;
    [[nodiscard]] Packet flow_label(std::uint32_t value) const;
    [[nodiscard]] Packet ip_options(Bytes options) const;          // IPv4; a multiple of 4 bytes
    [[nodiscard]] Packet extension(net::IpProtocol header) const;  // IPv6; 8 bytes of padding

    [[nodiscard]] Packet payload(std::string_view text) const;
    [[nodiscard]] Packet payload(Bytes bytes) const;
    // So many bytes of the alphabet, over and over, from `first` on.
    [[nodiscard]] Packet length(std::size_t size, std::size_t first = 0) const;

    // One more than it should be, in the transport header or in the IPv4 header.
    [[nodiscard]] Packet bad_checksum() const;
    [[nodiscard]] Packet bad_ip_checksum() const;
    // That one in the transport header, right or wrong; of 16 bits but in SCTP.
    [[nodiscard]] Packet checksum(std::uint32_t value) const;

    [[nodiscard]] Packet encapsulated_in_ipip(const net::IpAddress& from,
                                              const net::IpAddress& to) const;

    // Returns the packet on the wire, from its IP header on. Fields left free are 0.
    [[nodiscard]] Bytes bytes() const;

    // Returns bytes() behind an Ethernet header.
    [[nodiscard]] Bytes frame(const net::MacAddress& source,
                              const net::MacAddress& destination) const;

    // Returns whether `actual` is this packet byte for byte, free fields aside.
    [[nodiscard]] bool matches(std::span<const std::byte> actual) const;

    // Returns the packet whose bytes() these are; nullopt if there is none (packets that are
    // malformed in other ways than the methods above offer, or options that they don't write).
    [[nodiscard]] static std::optional<Packet> decode(std::span<const std::byte> bytes);

    // Equal packets have equal bytes and leave the same fields free.
    bool operator==(const Packet&) const = default;

    net::IpAddress source;
    net::IpAddress destination;
    std::uint8_t time_to_live = 64;
    std::uint8_t traffic_class = 0;
    bool dont_fragment = false;
    std::optional<std::uint32_t> identification = 0;  // nullopt: free
    std::optional<std::uint32_t> label = 0;           // IPv6 flow label; nullopt: free
    Bytes options;                                    // IPv4
    std::vector<net::IpProtocol> extensions;          // IPv6
    std::optional<FragmentPart> part;
    std::optional<std::uint32_t> stated_checksum{};
    bool has_bad_checksum = false;
    bool has_bad_ip_checksum = false;
    Transport transport;
    Bytes data;                 // what follows the transport header
    std::vector<Packet> inner;  // none, or the packet quoted or encapsulated

    [[nodiscard]] net::Family family() const noexcept { return source.family(); }

    [[nodiscard]] net::IpProtocol protocol() const;

private:
    [[nodiscard]] Packet with_free_fields_of(const Packet& actual) const;
};

// Returns `size` bytes of "abcdefghijklmnopqrstuvwxyz" over and over, from letter `first` on.
[[nodiscard]] Bytes alphabet(std::size_t size, std::size_t first = 0);

}  // namespace xvs::test
