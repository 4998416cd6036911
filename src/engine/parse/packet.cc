#include "engine/parse/packet.h"

#include "engine/lookup/sctp_states.h"
#include "engine/lookup/tcp_states.h"
#include "net/icmp.h"
#include "net/icmpv6.h"
#include "net/ports.h"
#include "net/sctp.h"
#include "net/tcp.h"
#include "net/udp.h"

namespace xvs::engine {
namespace {

constexpr ParseResult dropped(DropReason reason) noexcept {
    return {.outcome = ParseOutcome::Dropped, .reason = reason};
}

// Whether a super-packet is what its offload says; everything else is whole. A sender in a virtual
// machine writes the offload itself.
template <class Ip>
bool has_fitting_offload(const Packet<Ip>& packet) noexcept {
    const Offload& offload = packet.frame.offload;
    if (offload.segmentation == Segmentation::None) return true;
    if (packet.fragment.is_fragment || offload.segment_size == 0) return false;
    if (packet.protocol == net::IpProtocol::Sctp) return false;
    constexpr Segmentation kTcp =
        Ip::kFamily == net::Family::Ipv4 ? Segmentation::Tcp4 : Segmentation::Tcp6;
    return offload.segmentation ==
           (packet.protocol == net::IpProtocol::Tcp ? kTcp : Segmentation::Udp);
}

// A follower so close to the start overlaps what the first fragment was judged by: its TCP header,
// its SCTP header and first chunk (RFC 1858, 3128).
template <class Ip>
bool overlaps_header(const Packet<Ip>& follower) noexcept {
    constexpr std::size_t kSctp = net::SctpView::kHeaderSize + net::SctpView::kChunkHeaderSize;
    const std::size_t judged = follower.protocol == net::IpProtocol::Tcp
                                   ? net::TcpView::kMinHeaderSize
                               : follower.protocol == net::IpProtocol::Sctp ? kSctp
                                                                            : 0;
    return follower.fragment.offset < judged;
}

// Fills ports, flags and key. REQUIRES: the transport header starts in this frame.
template <class Ip>
ParseResult parse_transport(Packet<Ip>& packet,
                            const std::byte* source,
                            const std::byte* destination) noexcept {
    const std::span<const std::byte> transport = packet.transport();
    const std::uint8_t protocol = net::number(packet.protocol);
    if (packet.protocol == net::IpProtocol::Tcp) {
        const auto tcp = net::TcpView::parse(transport);
        if (!tcp) {
            return dropped(transport.size() < net::TcpView::kMinHeaderSize
                               ? DropReason::TruncatedHeader
                               : DropReason::BadTransportHeader);
        }
        packet.tcp_flags = tcp->flags();
        packet.events = tcp_events(packet.tcp_flags);
    } else if (packet.protocol == net::IpProtocol::Udp) {
        if (!net::UdpView::parse_header(transport)) return dropped(DropReason::TruncatedHeader);
    } else if (packet.protocol == net::IpProtocol::Sctp) {
        if (!net::SctpView::parse(transport)) return dropped(DropReason::TruncatedHeader);
        packet.events = sctp_events_of(transport);
    } else {
        return {.outcome = packet.protocol == Headers<Ip>::kIcmp ? ParseOutcome::Icmp
                                                                 : ParseOutcome::Other};
    }
    if (!has_fitting_offload(packet)) return dropped(DropReason::BadOffload);
    packet.key = flow::FlowKey<Ip>::load(source, destination, transport.data(), protocol);
    return {.outcome = ParseOutcome::Balanced};
}

// Fills the key of a fragment that shows no ports.
template <class Ip>
ParseResult parse_follower(Packet<Ip>& packet,
                           const std::byte* source,
                           const std::byte* destination) noexcept {
    if (!has_fitting_offload(packet)) return dropped(DropReason::BadOffload);
    if (overlaps_header(packet)) return dropped(DropReason::BadTransportHeader);
    static constexpr std::array<std::byte, 4> kNoPorts{};
    packet.key =
        flow::FlowKey<Ip>::load(source, destination, kNoPorts.data(), net::number(packet.protocol));
    return {.outcome = ParseOutcome::Balanced};
}

bool is_balanced(net::IpProtocol protocol) noexcept {
    return protocol == net::IpProtocol::Tcp || protocol == net::IpProtocol::Udp ||
           protocol == net::IpProtocol::Sctp;
}

}  // namespace

template <>
ParseResult parse_packet(const Frame& frame, Packet<flow::Ipv4>& packet) noexcept {
    packet.frame = frame;
    packet.events = XVS_EVENT_NONE;
    packet.tcp_flags = 0;
    packet.fragment = {};
    if (frame.length < kEthernetHeaderSize + net::Ipv4View::kMinHeaderSize) {
        return dropped(DropReason::TruncatedHeader);
    }
    const auto ip = net::Ipv4View::parse(frame.bytes().subspan(kEthernetHeaderSize));
    if (!ip || !ip->has_valid_checksum()) {
        return dropped(ip ? DropReason::BadIpChecksum : DropReason::BadIpHeader);
    }
    packet.frame.length = static_cast<std::uint32_t>(kEthernetHeaderSize + ip->total_length());
    packet.transport_offset = static_cast<std::uint16_t>(kEthernetHeaderSize + ip->header_size());
    packet.protocol = ip->protocol();
    const std::byte* source = ip->bytes().data() + 12;
    if (ip->is_fragment()) {
        packet.fragment = {.is_fragment = true,
                           .is_first = ip->fragment_offset() == 0,
                           .has_more = ip->more_fragments(),
                           .offset = static_cast<std::uint32_t>(ip->fragment_offset()),
                           .identification = ip->identification()};
        if (!packet.fragment.is_first) {
            if (!is_balanced(packet.protocol)) return {.outcome = ParseOutcome::Other};
            return parse_follower(packet, source, source + 4);
        }
    }
    return parse_transport(packet, source, source + 4);
}

template <>
ParseResult parse_packet(const Frame& frame, Packet<flow::Ipv6>& packet) noexcept {
    packet.frame = frame;
    packet.events = XVS_EVENT_NONE;
    packet.tcp_flags = 0;
    packet.fragment = {};
    if (frame.length < kEthernetHeaderSize + net::Ipv6View::kHeaderSize) {
        return dropped(DropReason::TruncatedHeader);
    }
    const auto ip = net::Ipv6View::parse(frame.bytes().subspan(kEthernetHeaderSize));
    if (!ip) return dropped(DropReason::BadIpHeader);
    packet.frame.length = static_cast<std::uint32_t>(kEthernetHeaderSize + ip->total_length());
    packet.protocol = ip->next_header();
    const std::byte* source = ip->bytes().data() + 8;
    if (is_balanced(packet.protocol)) [[likely]] {  // no extension headers
        packet.transport_offset = kEthernetHeaderSize + net::Ipv6View::kHeaderSize;
        return parse_transport(packet, source, source + 16);
    }
    const auto transport = net::find_ipv6_transport(*ip);
    if (!transport) return dropped(DropReason::TruncatedHeader);
    packet.transport_offset =
        static_cast<std::uint16_t>(kEthernetHeaderSize + transport->transport_offset);
    packet.protocol = transport->protocol;
    if (transport->fragment) {
        packet.fragment = {.is_fragment = true,
                           .is_first = transport->fragment->is_first(),
                           .has_more = transport->fragment->more_fragments,
                           .offset = static_cast<std::uint32_t>(transport->fragment->offset),
                           .identification = transport->fragment->identification};
        if (!packet.fragment.is_first) {
            if (!is_balanced(packet.protocol)) return {.outcome = ParseOutcome::Other};
            return parse_follower(packet, source, source + 16);
        }
    }
    return parse_transport(packet, source, source + 16);
}

template <>
std::optional<net::IcmpView> parse_error(const Packet<flow::Ipv4>& packet) noexcept {
    const auto icmp = net::IcmpView::parse(packet.transport());
    return icmp && net::icmp::is_related_error(icmp->type()) ? icmp : std::nullopt;
}

template <>
std::optional<net::IcmpView> parse_error(const Packet<flow::Ipv6>& packet) noexcept {
    const auto icmp = net::IcmpView::parse(packet.transport());
    return icmp && net::icmpv6::is_related_error(icmp->type()) ? icmp : std::nullopt;
}

template <>
std::optional<std::size_t> parse_beginning(std::span<const std::byte> bytes,
                                           flow::FlowKey<flow::Ipv4>& key) noexcept {
    const auto ip = net::Ipv4View::parse_quoted(bytes);
    if (!ip || ip->fragment_offset() != 0 || !is_balanced(ip->protocol())) return std::nullopt;
    const std::span<const std::byte> ports = ip->payload();
    if (ports.size() < net::PortsView::kHeaderSize) return std::nullopt;
    const std::byte* source = ip->bytes().data() + 12;
    key = flow::FlowKey<flow::Ipv4>::load(
        source, source + 4, ports.data(), net::number(ip->protocol()));
    return ip->header_size();
}

template <>
std::optional<std::size_t> parse_beginning(std::span<const std::byte> bytes,
                                           flow::FlowKey<flow::Ipv6>& key) noexcept {
    const auto ip = net::Ipv6View::parse_quoted(bytes);
    if (!ip) return std::nullopt;
    const auto transport = net::find_ipv6_transport(*ip);
    if (!transport || !is_balanced(transport->protocol)) return std::nullopt;
    if (transport->fragment && !transport->fragment->is_first()) return std::nullopt;
    const std::span<const std::byte> ports = ip->bytes().subspan(transport->transport_offset);
    if (ports.size() < net::PortsView::kHeaderSize) return std::nullopt;
    const std::byte* source = ip->bytes().data() + 8;
    key = flow::FlowKey<flow::Ipv6>::load(
        source, source + 16, ports.data(), net::number(transport->protocol));
    return transport->transport_offset;
}

template <class Ip>
bool parse_quoted(const Packet<Ip>& packet, QuotedPacket<Ip>& quoted) noexcept {
    const auto error = parse_error(packet);
    if (!error) return false;
    const auto transport = parse_beginning(error->payload(), quoted.key);
    if (!transport) return false;
    quoted.network_offset =
        static_cast<std::uint32_t>(packet.transport_offset + net::IcmpView::kHeaderSize);
    quoted.transport_offset = static_cast<std::uint32_t>(quoted.network_offset + *transport);
    return true;
}

template bool parse_quoted(const Packet<flow::Ipv4>&, QuotedPacket<flow::Ipv4>&) noexcept;
template bool parse_quoted(const Packet<flow::Ipv6>&, QuotedPacket<flow::Ipv6>&) noexcept;

}  // namespace xvs::engine
