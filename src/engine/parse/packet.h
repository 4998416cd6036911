// Packet: what the engine knows of a frame after one look at its headers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "engine/drop_reason.h"
#include "engine/packet_port.h"
#include "flow/family.h"
#include "flow/key.h"
#include "net/icmp_view.h"
#include "net/ip_protocol.h"
#include "net/ipv4.h"
#include "net/ipv6.h"

namespace xvs::engine {

// The view types of a family.
template <class Ip>
struct Headers;

template <>
struct Headers<flow::Ipv4> {
    using View = net::Ipv4View;
    using Writer = net::Ipv4Writer;
    static constexpr std::size_t kMinSize = net::Ipv4View::kMinHeaderSize;
    static constexpr std::size_t kSourceOffset = 12;  // the destination follows
    static constexpr net::IpProtocol kIcmp = net::IpProtocol::Icmp;
    static constexpr net::IpProtocol kIpInIp = net::IpProtocol::Ipv4;
};

template <>
struct Headers<flow::Ipv6> {
    using View = net::Ipv6View;
    using Writer = net::Ipv6Writer;
    static constexpr std::size_t kMinSize = net::Ipv6View::kHeaderSize;
    static constexpr std::size_t kSourceOffset = 8;
    static constexpr net::IpProtocol kIcmp = net::IpProtocol::Icmpv6;
    static constexpr net::IpProtocol kIpInIp = net::IpProtocol::Ipv6;
};

struct FragmentInfo {
    bool is_fragment = false;
    bool is_first = true;  // also of a packet that is whole
    bool has_more = false;
    std::uint32_t offset = 0;  // bytes of the whole packet's payload
    std::uint32_t identification = 0;
};

template <class Ip>
struct Packet {
    using Writer = typename Headers<Ip>::Writer;
    using Address = typename Ip::Address;

    Frame frame;
    flow::FlowKey<Ip> key;  // ports are 0 where the packet shows none
    std::uint32_t hash = 0;
    std::uint16_t transport_offset = 0;  // from the frame's start
    net::IpProtocol protocol = net::IpProtocol::NoNextHeader;
    std::uint8_t events = XVS_EVENT_NONE;
    std::uint8_t tcp_flags = 0;
    FragmentInfo fragment;

    // REQUIRES: parse_packet() accepted it.
    [[nodiscard]] Writer ip() const noexcept {
        return Writer::again(frame.bytes().subspan(kEthernetHeaderSize));
    }

    [[nodiscard]] std::span<std::byte> transport() const noexcept {
        return frame.bytes().subspan(transport_offset);
    }

    // Layer-3 length, as IPVS counts bytes.
    [[nodiscard]] std::uint32_t network_length() const noexcept {
        return frame.length - static_cast<std::uint32_t>(kEthernetHeaderSize);
    }

    // Whether the transport header, its ports and checksum, is in this frame.
    [[nodiscard]] bool has_transport_header() const noexcept { return fragment.is_first; }
};

enum class ParseOutcome : std::uint8_t {
    Balanced,  // TCP, UDP or SCTP: a connection may be found for it
    Icmp,      // may be an error about one
    Other,     // a protocol that is not balanced
    Dropped,   // malformed, see `reason`
};

struct ParseResult {
    ParseOutcome outcome = ParseOutcome::Other;
    DropReason reason = DropReason::TruncatedHeader;
};

// Fills `packet` from `frame`, which it trims to the length that the IP header states. Cost: one
// pass over the headers, the IPv4 checksum included.
template <class Ip>
[[nodiscard]] ParseResult parse_packet(const Frame& frame, Packet<Ip>& packet) noexcept;

// Returns the ICMP message in `packet` if it is an error that quotes one. REQUIRES: it is ICMP.
template <class Ip>
[[nodiscard]] std::optional<net::IcmpView> parse_error(const Packet<Ip>& packet) noexcept;

// Reads the five fields of a packet that may be cut short behind them, as ICMP errors quote one.
// Returns where its transport header begins in `bytes`, or nullopt if it is no balanced protocol's
// or shows no ports.
template <class Ip>
[[nodiscard]] std::optional<std::size_t> parse_beginning(std::span<const std::byte> bytes,
                                                         flow::FlowKey<Ip>& key) noexcept;

// What an ICMP error says of the packet it quotes.
template <class Ip>
struct QuotedPacket {
    flow::FlowKey<Ip> key;             // as the quoted packet was sent
    std::uint32_t network_offset = 0;  // of its IP header, from the frame's start
    std::uint32_t transport_offset = 0;
};

// Returns false if the ICMP message in `packet` is no error about a balanced protocol's packet
// whose ports it shows.
template <class Ip>
[[nodiscard]] bool parse_quoted(const Packet<Ip>& packet, QuotedPacket<Ip>& quoted) noexcept;

}  // namespace xvs::engine
