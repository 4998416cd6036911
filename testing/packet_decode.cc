#include <algorithm>

#include "net/icmp.h"
#include "net/ipv4.h"
#include "net/ipv6.h"
#include "net/sctp.h"
#include "net/tcp.h"
#include "net/udp.h"
#include "testing/packet.h"
#include "testing/packet_codec.h"

namespace xvs::test {
namespace {

using net::IpProtocol;

Bytes copy_of(std::span<const std::byte> bytes) {
    return {bytes.begin(), bytes.end()};
}

TcpFields decode_tcp(const net::TcpView& segment) {
    TcpFields tcp{.source = segment.source_port(), .destination = segment.destination_port()};
    tcp.flags = segment.flags();
    tcp.sequence = segment.sequence();
    tcp.acknowledgement = segment.acknowledgement();
    tcp.window = segment.window();
    tcp.mss = segment.mss();
    tcp.sack_permitted = segment.find_option(net::tcp_option::kSackPermitted).size() == 2;
    const auto timestamp = segment.find_option(net::tcp_option::kTimestamp);
    if (timestamp.size() == 10)
        tcp.timestamp = {load_be32(timestamp.data() + 2), load_be32(timestamp.data() + 6)};
    const auto scale = segment.find_option(net::tcp_option::kWindowScale);
    if (scale.size() == 3) tcp.window_scale = std::to_integer<std::uint8_t>(scale[2]);
    return tcp;
}

// Of chunks that are as Packet writes them: only the last one has a value.
void decode_sctp(Packet& packet, const net::SctpView& header) {
    SctpFields sctp{.source = header.source_port(),
                    .destination = header.destination_port(),
                    .tag = header.verification_tag(),
                    .chunks = {}};
    std::size_t at = net::SctpView::kHeaderSize;
    const std::span<const std::byte> bytes = header.bytes();
    for (auto chunk = header.chunk_at(0); chunk;
         chunk = header.chunk_at(at - net::SctpView::kHeaderSize)) {
        sctp.chunks.push_back(chunk->type);
        at += net::SctpView::kChunkHeaderSize;
        if (chunk->length == net::SctpView::kChunkHeaderSize) continue;
        const std::size_t size = chunk->length - net::SctpView::kChunkHeaderSize;
        packet.data = copy_of(bytes.subspan(at, std::min(size, bytes.size() - at)));
        break;
    }
    packet.transport = std::move(sctp);
}

std::optional<Packet> decode_cut(std::span<const std::byte> bytes);

void decode_icmp(Packet& packet, const net::IcmpView& message) {
    IcmpFields icmp{.type = message.type(), .code = message.code(), .rest = message.rest()};
    const IcmpKind* kind = find_icmp_kind(packet.family(), icmp.type, icmp.code);
    if (kind != nullptr && kind->quotes) {
        auto quoted = decode_cut(message.payload());
        if (quoted) {
            const std::size_t whole = quoted->bytes().size();
            const std::size_t limit = max_quoted_bytes(packet.family());
            if (message.payload().size() != std::min(whole, limit))
                icmp.quoted_bytes = message.payload().size();
            packet.inner = {std::move(*quoted)};
        }
    }
    if (packet.inner.empty()) packet.data = copy_of(message.payload());
    packet.transport = icmp;
}

// GUE looks like any datagram: it is taken for what says so and has a packet inside.
bool decode_gue(Packet& packet, const net::UdpView& datagram) {
    const std::span<const std::byte> payload = datagram.payload();
    constexpr std::size_t kGue = 4;
    if (datagram.length() != datagram.bytes().size() || payload.size() < kGue) return false;
    const std::uint32_t header = load_be32(payload.data());
    if (header != (4U << 16) && header != (41U << 16)) return false;
    auto inside = Packet::decode(payload.subspan(kGue));
    if (!inside) return false;
    IpInIpFields tunnel;
    tunnel.tunnel = IpInIpFields::Tunnel::Gue;
    tunnel.has_checksum = datagram.checksum() != 0;
    tunnel.source = datagram.source_port();
    tunnel.destination = datagram.destination_port();
    packet.transport = tunnel;
    packet.inner = {std::move(*inside)};
    return true;
}

bool decode_gre(Packet& packet, std::span<const std::byte> payload) {
    if (payload.size() < 8) return false;
    const bool has_checksum = payload[0] == std::byte{0x80};
    auto inside = Packet::decode(payload.subspan(has_checksum ? 8 : 4));
    if (!inside) return false;
    IpInIpFields tunnel;
    tunnel.tunnel = IpInIpFields::Tunnel::Gre;
    tunnel.has_checksum = has_checksum;
    packet.transport = tunnel;
    packet.inner = {std::move(*inside)};
    return true;
}

// Fills in the transport and what follows it from the payload of a packet that is no fragment.
void decode_transport(Packet& packet, IpProtocol protocol, std::span<const std::byte> payload) {
    if (protocol == IpProtocol::Tcp) {
        if (const auto segment = net::TcpView::parse(payload)) {
            packet.transport = decode_tcp(*segment);
            packet.data = copy_of(segment->payload());
            return;
        }
    } else if (protocol == IpProtocol::Udp) {
        if (const auto datagram = net::UdpView::parse_header(payload)) {
            if (decode_gue(packet, *datagram)) return;
            UdpFields udp{.source = datagram->source_port(),
                          .destination = datagram->destination_port()};
            udp.has_checksum = datagram->checksum() != 0;
            if (datagram->length() != payload.size())
                udp.length = static_cast<std::uint16_t>(datagram->length());
            packet.transport = udp;
            packet.data = copy_of(datagram->payload());
            return;
        }
    } else if (protocol == IpProtocol::Gre) {
        if (decode_gre(packet, payload)) return;
    } else if (protocol == IpProtocol::Sctp) {
        if (const auto header = net::SctpView::parse(payload)) {
            decode_sctp(packet, *header);
            return;
        }
    } else if (protocol == IpProtocol::Icmp || protocol == IpProtocol::Icmpv6) {
        const auto message = net::IcmpView::parse(payload);
        const bool is_v4 = packet.family() == net::Family::Ipv4;
        if (message && is_v4 == (protocol == IpProtocol::Icmp)) {
            decode_icmp(packet, *message);
            return;
        }
    } else if (protocol == IpProtocol::Ipv4 || protocol == IpProtocol::Ipv6) {
        if (auto inside = Packet::decode(payload)) {
            packet.transport = IpInIpFields{};
            packet.inner = {std::move(*inside)};
            return;
        }
    }
    packet.transport = RawFields{protocol};
    packet.data = copy_of(payload);
}

// The chunk that a first fragment begins with tells the length of all, if it is the only one.
bool decode_first_of_sctp(Packet& packet, std::span<const std::byte> piece) {
    const auto header = net::SctpView::parse(piece);
    const auto chunk = header ? header->chunk_at(0) : std::nullopt;
    if (!chunk || chunk->length < piece.size() - net::SctpView::kHeaderSize) return false;
    packet.transport = SctpFields{.source = header->source_port(),
                                  .destination = header->destination_port(),
                                  .tag = header->verification_tag(),
                                  .chunks = {chunk->type}};
    packet.data = alphabet(chunk->length - net::SctpView::kChunkHeaderSize);
    return true;
}

// A first fragment of UDP tells the whole datagram's length; where its data are the alphabet the
// whole is known. Of every other fragment only the piece is.
void decode_fragment(Packet& packet, IpProtocol protocol, std::span<const std::byte> piece) {
    packet.part->length = piece.size();
    if (packet.part->offset == 0 && protocol == IpProtocol::Sctp &&
        decode_first_of_sctp(packet, piece))
        return;
    if (packet.part->offset == 0 && protocol == IpProtocol::Udp) {
        if (const auto datagram = net::UdpView::parse_header(piece);
            datagram && datagram->length() > piece.size()) {
            packet.transport = UdpFields{.source = datagram->source_port(),
                                         .destination = datagram->destination_port(),
                                         .has_checksum = datagram->checksum() != 0,
                                         .length = std::nullopt};
            packet.data = alphabet(datagram->length() - net::UdpView::kHeaderSize);
            return;
        }
    }
    packet.transport = RawFields{protocol};
    packet.data = Bytes(packet.part->offset);
    packet.data.insert(packet.data.end(), piece.begin(), piece.end());
}

struct Parts {
    Packet packet;
    IpProtocol protocol = IpProtocol::NoNextHeader;
    std::span<const std::byte> payload;
};

std::optional<Parts> decode_ipv4(const net::Ipv4View& header) {
    Parts parts;
    Packet& packet = parts.packet;
    packet.source = header.source();
    packet.destination = header.destination();
    packet.time_to_live = header.ttl();
    packet.traffic_class = header.traffic_class();
    packet.dont_fragment = header.dont_fragment();
    packet.identification = header.identification();
    packet.options = copy_of(header.header().subspan(net::Ipv4View::kMinHeaderSize));
    packet.has_bad_ip_checksum = !header.has_valid_checksum();
    if (header.is_fragment()) {
        packet.part = FragmentPart{
            .offset = header.fragment_offset(), .length = 0, .more = header.more_fragments()};
    }
    parts.protocol = header.protocol();
    parts.payload = header.payload();
    return parts;
}

std::optional<Parts> decode_ipv6(const net::Ipv6View& header) {
    const auto transport = net::find_ipv6_transport(header);
    if (!transport) return std::nullopt;
    Parts parts;
    Packet& packet = parts.packet;
    packet.source = header.source();
    packet.destination = header.destination();
    packet.time_to_live = header.hop_limit();
    packet.traffic_class = header.traffic_class();
    packet.label = header.flow_label();
    IpProtocol next = header.next_header();
    for (std::size_t at = net::Ipv6View::kHeaderSize; at + 8 <= transport->transport_offset;
         at += 8) {
        if (next != IpProtocol::Fragment) packet.extensions.push_back(next);
        next = IpProtocol{std::to_integer<std::uint8_t>(header.bytes()[at])};
    }
    if (transport->fragment) {
        packet.identification = transport->fragment->identification;
        packet.part = FragmentPart{.offset = transport->fragment->offset,
                                   .length = 0,
                                   .more = transport->fragment->more_fragments};
    }
    parts.protocol = transport->protocol;
    parts.payload = header.bytes().subspan(transport->transport_offset);
    return parts;
}

std::optional<Parts> decode_headers(std::span<const std::byte> bytes) {
    if (const auto v4 = net::Ipv4View::parse(bytes)) return decode_ipv4(*v4);
    if (const auto v6 = net::Ipv6View::parse(bytes)) return decode_ipv6(*v6);
    return std::nullopt;
}

bool starts_with(const Bytes& whole, std::span<const std::byte> front) {
    return front.size() <= whole.size() && std::equal(front.begin(), front.end(), whole.begin());
}

// Returns the transport header's checksum field, of those that have one and were not cut before it.
std::optional<std::uint32_t> checksum_in(const Packet& packet,
                                         std::size_t header_size,
                                         std::span<const std::byte> bytes) {
    std::size_t at = header_size;
    if (std::holds_alternative<SctpFields>(packet.transport)) {
        if (packet.part || bytes.size() < at + net::SctpView::kHeaderSize) return std::nullopt;
        return net::SctpView::parse(bytes.subspan(at))->checksum();
    }
    const auto* tunnel = std::get_if<IpInIpFields>(&packet.transport);
    if (tunnel != nullptr && tunnel->has_checksum) {
        at += tunnel->tunnel == IpInIpFields::Tunnel::Gue ? net::UdpView::kChecksumOffset : 4;
    } else if (std::holds_alternative<TcpFields>(packet.transport)) {
        at += net::TcpView::kChecksumOffset;
    } else if (std::holds_alternative<UdpFields>(packet.transport)) {
        at += net::UdpView::kChecksumOffset;
    } else if (std::holds_alternative<IcmpFields>(packet.transport)) {
        at += net::IcmpView::kChecksumOffset;
    } else {
        return std::nullopt;
    }
    if (packet.part || bytes.size() < at + 2) return std::nullopt;
    return load_be16(bytes.data() + at);
}

// Returns `packet` with the checksum that `bytes` have (the right one, a bad one, or any other),
// if its bytes start with `bytes`.
std::optional<Packet> confirmed(Packet packet,
                                std::size_t header_size,
                                std::span<const std::byte> bytes,
                                bool is_whole) {
    enum class Checksum : std::uint8_t { Right, Bad, Stated };
    for (const Checksum checksum : {Checksum::Right, Checksum::Bad, Checksum::Stated}) {
        packet.has_bad_checksum = checksum == Checksum::Bad;
        if (checksum == Checksum::Stated)
            packet.stated_checksum = checksum_in(packet, header_size, bytes);
        const Bytes rebuilt = packet.bytes();
        if (starts_with(rebuilt, bytes) && (!is_whole || rebuilt.size() == bytes.size()))
            return packet;
    }
    return std::nullopt;
}

std::size_t stated_length(std::span<const std::byte> bytes) {
    if (const auto v4 = net::Ipv4View::parse_quoted(bytes)) return v4->total_length();
    if (const auto v6 = net::Ipv6View::parse_quoted(bytes)) return v6->total_length();
    return 0;
}

// Decodes a packet that may be cut short: what is missing is taken to be the alphabet, or for a
// TCP header cut short zeros with the default window.
std::optional<Packet> decode_cut(std::span<const std::byte> bytes) {
    if (auto whole = Packet::decode(bytes)) return whole;
    const std::size_t length = stated_length(bytes);
    if (length <= bytes.size()) return std::nullopt;
    Bytes completed = copy_of(bytes);
    completed.resize(length);
    const auto parts = decode_headers(completed);
    if (!parts) return std::nullopt;
    Packet packet = parts->packet;
    const std::size_t header_size = length - parts->payload.size();
    if (parts->protocol == IpProtocol::Tcp && bytes.size() < header_size + 16 &&
        length >= header_size + 20) {
        completed[header_size + 12] = std::byte{0x50};
        store_be16(completed.data() + header_size + 14, TcpFields{}.window);
    }
    const bool is_tunnel =
        parts->protocol == IpProtocol::Ipv4 || parts->protocol == IpProtocol::Ipv6;
    if (is_tunnel && bytes.size() > header_size) {
        auto inside = decode_cut(bytes.subspan(header_size));
        if (!inside) return std::nullopt;
        packet.transport = IpInIpFields{};
        packet.inner = {std::move(*inside)};
    } else if (packet.part) {
        decode_fragment(packet, parts->protocol, parts->payload);
    } else {
        decode_transport(packet, parts->protocol, parts->payload);
    }
    packet.data = alphabet(packet.data.size());
    return confirmed(packet, header_size, bytes, false);
}

}  // namespace

std::optional<Packet> Packet::decode(std::span<const std::byte> bytes) {
    const auto parts = decode_headers(bytes);
    if (!parts) return std::nullopt;
    Packet packet = parts->packet;
    const auto header_size = static_cast<std::size_t>(parts->payload.data() - bytes.data());
    if (packet.part) {
        decode_fragment(packet, parts->protocol, parts->payload);
        if (auto found = confirmed(packet, header_size, bytes, true)) return found;
        packet.transport = RawFields{parts->protocol};
        packet.data = Bytes(packet.part->offset);
        packet.data.insert(packet.data.end(), parts->payload.begin(), parts->payload.end());
        return confirmed(packet, header_size, bytes, true);
    }
    decode_transport(packet, parts->protocol, parts->payload);
    if (auto found = confirmed(packet, header_size, bytes, true)) return found;
    packet.transport = RawFields{parts->protocol};
    packet.inner.clear();
    packet.data = copy_of(parts->payload);
    return confirmed(packet, header_size, bytes, true);
}

}  // namespace xvs::test
