#include "testing/packet.h"

#include <algorithm>
#include <array>

#include "net/checksum.h"
#include "net/ethernet.h"
#include "net/ipv4.h"
#include "net/ipv6.h"
#include "net/sctp.h"
#include "net/tcp.h"
#include "net/udp.h"
#include "testing/packet_codec.h"

namespace xvs::test {
namespace {

using net::Family;
using net::IpProtocol;

constexpr std::array kIcmpKinds{
    IcmpKind{Family::Ipv4, 8, 0, "echo request", IcmpKind::Rest::Echo, false},
    IcmpKind{Family::Ipv4, 0, 0, "echo reply", IcmpKind::Rest::Echo, false},
    IcmpKind{Family::Ipv4, 3, 0, "net unreachable"},
    IcmpKind{Family::Ipv4, 3, 1, "host unreachable"},
    IcmpKind{Family::Ipv4, 3, 2, "protocol unreachable"},
    IcmpKind{Family::Ipv4, 3, 3, "port unreachable"},
    IcmpKind{Family::Ipv4, 3, 4, "fragmentation needed", IcmpKind::Rest::Mtu},
    IcmpKind{Family::Ipv4, 4, 0, "source quench"},
    IcmpKind{Family::Ipv4, 5, 1, "redirect"},
    IcmpKind{Family::Ipv4, 11, 0, "time exceeded"},
    IcmpKind{Family::Ipv4, 11, 1, "reassembly time exceeded"},
    IcmpKind{Family::Ipv4, 12, 0, "parameter problem"},
    IcmpKind{Family::Ipv6, 128, 0, "echo request", IcmpKind::Rest::Echo, false},
    IcmpKind{Family::Ipv6, 129, 0, "echo reply", IcmpKind::Rest::Echo, false},
    IcmpKind{Family::Ipv6, 1, 0, "no route"},
    IcmpKind{Family::Ipv6, 1, 1, "administratively prohibited"},
    IcmpKind{Family::Ipv6, 1, 3, "address unreachable"},
    IcmpKind{Family::Ipv6, 1, 4, "port unreachable"},
    IcmpKind{Family::Ipv6, 2, 0, "packet too big", IcmpKind::Rest::Mtu},
    IcmpKind{Family::Ipv6, 3, 0, "time exceeded"},
    IcmpKind{Family::Ipv6, 3, 1, "reassembly time exceeded"},
    IcmpKind{Family::Ipv6, 4, 1, "parameter problem"},
};

constexpr std::array kSctpChunkNames{
    SctpChunkName{net::sctp_chunk::kData, "DATA"},
    SctpChunkName{net::sctp_chunk::kInit, "INIT"},
    SctpChunkName{net::sctp_chunk::kInitAck, "INIT ACK"},
    SctpChunkName{net::sctp_chunk::kSack, "SACK"},
    SctpChunkName{net::sctp_chunk::kHeartbeat, "HEARTBEAT"},
    SctpChunkName{net::sctp_chunk::kHeartbeatAck, "HEARTBEAT ACK"},
    SctpChunkName{net::sctp_chunk::kAbort, "ABORT"},
    SctpChunkName{net::sctp_chunk::kShutdown, "SHUTDOWN"},
    SctpChunkName{net::sctp_chunk::kShutdownAck, "SHUTDOWN ACK"},
    SctpChunkName{net::sctp_chunk::kError, "ERROR"},
    SctpChunkName{net::sctp_chunk::kCookieEcho, "COOKIE ECHO"},
    SctpChunkName{net::sctp_chunk::kCookieAck, "COOKIE ACK"},
    SctpChunkName{net::sctp_chunk::kEcnEcho, "ECNE"},
    SctpChunkName{net::sctp_chunk::kWindowReduced, "CWR"},
    SctpChunkName{net::sctp_chunk::kShutdownComplete, "SHUTDOWN COMPLETE"},
};

constexpr std::string_view kFlagLetters = "FSRP.UEW";

void append(Bytes& to, std::span<const std::byte> bytes) {
    to.insert(to.end(), bytes.begin(), bytes.end());
}

void append_option(Bytes& to, std::initializer_list<std::uint8_t> bytes) {
    for (const std::uint8_t byte : bytes)
        to.push_back(std::byte{byte});
}

void append_be32(Bytes& to, std::uint32_t value) {
    to.resize(to.size() + 4);
    store_be32(to.data() + to.size() - 4, value);
}

Bytes tcp_options(const TcpFields& tcp) {
    Bytes options;
    if (tcp.mss) {
        append_option(options,
                      {2,
                       4,
                       static_cast<std::uint8_t>(*tcp.mss >> 8),
                       static_cast<std::uint8_t>(*tcp.mss & 0xff)});
    }
    if (tcp.sack_permitted) append_option(options, {4, 2});
    if (tcp.timestamp) {
        append_option(options, {8, 10});
        append_be32(options, tcp.timestamp->first);
        append_be32(options, tcp.timestamp->second);
    }
    if (tcp.window_scale) append_option(options, {3, 3, *tcp.window_scale});
    while (options.size() % 4 != 0)
        options.push_back(std::byte{net::tcp_option::kNop});
    return options;
}

// The sum over the pseudo-header; ICMP over IPv4 has none.
net::ChecksumSum pseudo_sum(const Packet& packet, std::size_t length) {
    if (packet.family() == Family::Ipv6) {
        return net::pseudo_header_sum(
            packet.source.v6(), packet.destination.v6(), packet.protocol(), length);
    }
    if (packet.protocol() == IpProtocol::Icmp) return 0;
    return net::pseudo_header_sum(
        packet.source.v4(), packet.destination.v4(), packet.protocol(), length);
}

// Returns the right checksum, or the one that the packet is to have. 0 would say that there is
// none, so the wrong one is 1 more than that.
std::uint16_t stated(const Packet& packet, std::uint16_t checksum) {
    if (packet.stated_checksum) return static_cast<std::uint16_t>(*packet.stated_checksum);
    if (!packet.has_bad_checksum) return checksum;
    return checksum == 0xffff ? std::uint16_t{1} : static_cast<std::uint16_t>(checksum + 1);
}

Bytes transport_bytes(const Packet& packet, const TcpFields& tcp) {
    Bytes bytes(net::TcpView::kMinHeaderSize);
    append(bytes, tcp_options(tcp));
    const std::size_t header_size = bytes.size();
    append(bytes, packet.data);
    store_be16(bytes.data(), net::number(tcp.source));
    store_be16(bytes.data() + 2, net::number(tcp.destination));
    bytes[12] = static_cast<std::byte>((header_size / 4) << 4);
    const auto segment = net::TcpWriter::parse(bytes);
    segment->set_sequence(tcp.sequence);
    segment->set_acknowledgement(tcp.acknowledgement);
    segment->set_flags(tcp.flags);
    segment->set_window(tcp.window);
    segment->set_checksum(
        stated(packet, net::internet_checksum(bytes, pseudo_sum(packet, bytes.size()))));
    return bytes;
}

Bytes transport_bytes(const Packet& packet, const UdpFields& udp) {
    Bytes bytes(net::UdpView::kHeaderSize);
    append(bytes, packet.data);
    const auto datagram = net::UdpWriter::parse_header(bytes);
    datagram->set_source_port(udp.source);
    datagram->set_destination_port(udp.destination);
    datagram->set_length(udp.length.value_or(static_cast<std::uint16_t>(bytes.size())));
    if (!udp.has_checksum) return bytes;
    const auto sum = pseudo_sum(packet, bytes.size()) + net::checksum_sum(bytes);
    datagram->set_checksum(stated(packet, net::finish_udp_checksum(sum)));
    return bytes;
}

Bytes transport_bytes(const Packet& packet, const SctpFields& sctp) {
    Bytes bytes(net::SctpView::kHeaderSize);
    for (std::size_t each = 0; each < sctp.chunks.size(); ++each) {
        const bool is_last = each + 1 == sctp.chunks.size();
        const std::size_t length =
            net::SctpView::kChunkHeaderSize + (is_last ? packet.data.size() : 0);
        append_option(bytes,
                      {sctp.chunks[each],
                       0,
                       static_cast<std::uint8_t>(length >> 8),
                       static_cast<std::uint8_t>(length & 0xff)});
    }
    append(bytes, packet.data);
    if (!sctp.chunks.empty()) bytes.resize(net::SctpView::padded(bytes.size()));
    const auto header = net::SctpWriter::parse(bytes);
    header->set_source_port(sctp.source);
    header->set_destination_port(sctp.destination);
    header->set_verification_tag(sctp.tag);
    const std::uint32_t right = header->computed_checksum() + (packet.has_bad_checksum ? 1 : 0);
    header->set_checksum(packet.stated_checksum.value_or(right));
    return bytes;
}

Bytes transport_bytes(const Packet& packet, const IcmpFields& icmp) {
    Bytes bytes(net::IcmpView::kHeaderSize);
    if (!packet.inner.empty()) {
        Bytes quoted = packet.inner.front().bytes();
        const std::size_t limit = icmp.quoted_bytes.value_or(max_quoted_bytes(packet.family()));
        quoted.resize(std::min(quoted.size(), limit));
        append(bytes, quoted);
    }
    append(bytes, packet.data);
    const auto message = net::IcmpWriter::parse(bytes);
    message->set_type(icmp.type, icmp.code);
    message->set_rest(icmp.rest);
    message->set_checksum(
        stated(packet, net::internet_checksum(bytes, pseudo_sum(packet, bytes.size()))));
    return bytes;
}

Bytes gue_bytes(const Packet& packet, const IpInIpFields& tunnel, const Packet& inner) {
    Bytes bytes(net::UdpView::kHeaderSize);
    append_option(bytes, {0, inner.family() == Family::Ipv4 ? std::uint8_t{4} : std::uint8_t{41}});
    append_option(bytes, {0, 0});
    append(bytes, inner.bytes());
    const auto udp = net::UdpWriter::parse_header(bytes);
    udp->set_source_port(tunnel.source.value_or(net::Port{}));
    udp->set_destination_port(tunnel.destination);
    udp->set_length(bytes.size());
    if (!tunnel.has_checksum) return bytes;
    const auto sum = pseudo_sum(packet, bytes.size()) + net::checksum_sum(bytes);
    udp->set_checksum(stated(packet, net::finish_udp_checksum(sum)));
    return bytes;
}

Bytes gre_bytes(const Packet& packet, const IpInIpFields& tunnel, const Packet& inner) {
    const std::size_t header = tunnel.has_checksum ? 8 : 4;
    Bytes bytes(header);
    store_be16(bytes.data(), tunnel.has_checksum ? std::uint16_t{0x8000} : std::uint16_t{0});
    store_be16(bytes.data() + 2,
               static_cast<std::uint16_t>(inner.family() == Family::Ipv4 ? net::EtherType::Ipv4
                                                                         : net::EtherType::Ipv6));
    append(bytes, inner.bytes());
    if (tunnel.has_checksum)
        store_be16(bytes.data() + 4, stated(packet, net::internet_checksum(bytes)));
    return bytes;
}

Bytes transport_bytes(const Packet& packet, const IpInIpFields& tunnel) {
    const Packet& inner = packet.inner.front();
    if (tunnel.tunnel == IpInIpFields::Tunnel::Gue) return gue_bytes(packet, tunnel, inner);
    if (tunnel.tunnel == IpInIpFields::Tunnel::Gre) return gre_bytes(packet, tunnel, inner);
    return inner.bytes();
}

Bytes transport_bytes(const Packet& packet, const RawFields&) {
    return packet.data;
}

Bytes ipv4_bytes(const Packet& packet, Bytes payload) {
    if (packet.part && packet.part->offset <= payload.size()) {
        const std::size_t end = std::min(payload.size(), packet.part->offset + packet.part->length);
        payload = Bytes(payload.begin() + static_cast<std::ptrdiff_t>(packet.part->offset),
                        payload.begin() + static_cast<std::ptrdiff_t>(end));
    }
    const std::size_t header_size = net::Ipv4View::kMinHeaderSize + packet.options.size();
    Bytes bytes(net::Ipv4View::kMinHeaderSize);
    append(bytes, packet.options);
    append(bytes, payload);
    bytes[0] = static_cast<std::byte>(0x40 | (header_size / 4));
    const auto header = net::Ipv4Writer::parse_quoted(bytes);
    header->set_traffic_class(packet.traffic_class);
    header->set_total_length(bytes.size());
    header->set_identification(static_cast<std::uint16_t>(packet.identification.value_or(0)));
    header->set_fragment(packet.dont_fragment,
                         packet.part && packet.part->more,
                         packet.part ? packet.part->offset : 0);
    header->set_ttl(packet.time_to_live);
    header->set_protocol(packet.protocol());
    header->set_source(packet.source.v4());
    header->set_destination(packet.destination.v4());
    header->update_checksum();
    if (packet.has_bad_ip_checksum)
        header->set_checksum(static_cast<std::uint16_t>(header->checksum() + 1));
    return bytes;
}

Bytes ipv6_bytes(const Packet& packet, Bytes payload) {
    // Each of the headers in between is 8 bytes; the padding option PadN fills the rest of six.
    Bytes headers;
    std::vector<IpProtocol> chain = packet.extensions;
    if (packet.part) chain.push_back(IpProtocol::Fragment);
    chain.push_back(packet.protocol());
    for (std::size_t i = 0; i + 1 < chain.size(); ++i) {
        append_option(headers, {net::number(chain[i + 1]), 0});
        if (chain[i] == IpProtocol::Fragment) {
            const auto field =
                static_cast<std::uint16_t>(packet.part->offset | (packet.part->more ? 1U : 0U));
            append_option(
                headers,
                {static_cast<std::uint8_t>(field >> 8), static_cast<std::uint8_t>(field & 0xff)});
            append_be32(headers, packet.identification.value_or(0));
        } else if (chain[i] == IpProtocol::Routing) {
            append_option(headers, {4, 0, 0, 0, 0, 0});  // no segments left: nothing to follow
        } else {
            append_option(headers, {1, 4, 0, 0, 0, 0});
        }
    }
    if (packet.part && packet.part->offset <= payload.size()) {
        const std::size_t end = std::min(payload.size(), packet.part->offset + packet.part->length);
        payload = Bytes(payload.begin() + static_cast<std::ptrdiff_t>(packet.part->offset),
                        payload.begin() + static_cast<std::ptrdiff_t>(end));
    }
    Bytes bytes(net::Ipv6View::kHeaderSize);
    append(bytes, headers);
    append(bytes, payload);
    bytes[0] = std::byte{0x60};
    const auto header = net::Ipv6Writer::parse_quoted(bytes);
    header->set_first_word(packet.traffic_class, packet.label.value_or(0));
    header->set_payload_length(bytes.size() - net::Ipv6View::kHeaderSize);
    header->set_next_header(chain.front());
    header->set_hop_limit(packet.time_to_live);
    header->set_source(packet.source.v6());
    header->set_destination(packet.destination.v6());
    return bytes;
}

}  // namespace

std::span<const IcmpKind> icmp_kinds() noexcept {
    return kIcmpKinds;
}

const IcmpKind* find_icmp_kind(Family family, std::string_view name) noexcept {
    const auto found = std::find_if(kIcmpKinds.begin(), kIcmpKinds.end(), [&](const auto& kind) {
        return kind.family == family && kind.name == name;
    });
    return found == kIcmpKinds.end() ? nullptr : &*found;
}

const IcmpKind* find_icmp_kind(Family family, std::uint8_t type, std::uint8_t code) noexcept {
    const auto found = std::find_if(kIcmpKinds.begin(), kIcmpKinds.end(), [&](const auto& kind) {
        return kind.family == family && kind.type == type && kind.code == code;
    });
    return found == kIcmpKinds.end() ? nullptr : &*found;
}

std::span<const SctpChunkName> sctp_chunk_names() noexcept {
    return kSctpChunkNames;
}

std::optional<std::uint8_t> parse_tcp_flags(std::string_view text) noexcept {
    if (text == "none") return std::uint8_t{0};
    unsigned flags = 0;
    for (const char letter : text) {
        const std::size_t bit = kFlagLetters.find(letter);
        if (bit == std::string_view::npos) return std::nullopt;
        flags |= 1U << bit;
    }
    return static_cast<std::uint8_t>(flags);
}

std::string tcp_flags_text(std::uint8_t flags) {
    if (flags == 0) return "none";
    std::string text;
    for (std::size_t bit = 0; bit < kFlagLetters.size(); ++bit) {
        if ((flags & (1U << bit)) != 0) text += kFlagLetters[bit];
    }
    return text;
}

std::size_t max_quoted_bytes(Family family) noexcept {
    return family == Family::Ipv4 ? 576 - 20 - 8 : 1280 - 40 - 8;
}

Bytes alphabet(std::size_t size, std::size_t first) {
    Bytes bytes(size);
    for (std::size_t i = 0; i < size; ++i)
        bytes[i] = static_cast<std::byte>('a' + (first + i) % 26);
    return bytes;
}

IpProtocol Packet::protocol() const {
    struct {
        const Packet& packet;

        IpProtocol operator()(const TcpFields&) const { return IpProtocol::Tcp; }

        IpProtocol operator()(const UdpFields&) const { return IpProtocol::Udp; }

        IpProtocol operator()(const SctpFields&) const { return IpProtocol::Sctp; }

        IpProtocol operator()(const IcmpFields&) const {
            return packet.family() == Family::Ipv4 ? IpProtocol::Icmp : IpProtocol::Icmpv6;
        }

        IpProtocol operator()(const IpInIpFields& tunnel) const {
            if (tunnel.tunnel == IpInIpFields::Tunnel::Gue) return IpProtocol::Udp;
            if (tunnel.tunnel == IpInIpFields::Tunnel::Gre) return IpProtocol::Gre;
            return packet.inner.front().family() == Family::Ipv4 ? IpProtocol::Ipv4
                                                                 : IpProtocol::Ipv6;
        }

        IpProtocol operator()(const RawFields& raw) const { return raw.protocol; }
    } const visitor{*this};

    return std::visit(visitor, transport);
}

Bytes Packet::bytes() const {
    Bytes payload =
        std::visit([&](const auto& fields) { return transport_bytes(*this, fields); }, transport);
    return family() == Family::Ipv4 ? ipv4_bytes(*this, std::move(payload))
                                    : ipv6_bytes(*this, std::move(payload));
}

Bytes Packet::frame(const net::MacAddress& from, const net::MacAddress& to) const {
    Bytes frame(net::EthernetView::kHeaderSize);
    const auto header = net::EthernetWriter::parse(frame);
    header->set_source(from);
    header->set_destination(to);
    header->set_type(family() == Family::Ipv4 ? net::EtherType::Ipv4 : net::EtherType::Ipv6);
    append(frame, bytes());
    return frame;
}

Packet Packet::with_free_fields_of(const Packet& actual) const {
    Packet filled = *this;
    if (!identification) filled.identification = actual.identification;
    if (!label) filled.label = actual.label;
    auto* tunnel = std::get_if<IpInIpFields>(&filled.transport);
    const auto* sent = std::get_if<IpInIpFields>(&actual.transport);
    if (tunnel != nullptr && sent != nullptr && !tunnel->source) tunnel->source = sent->source;
    if (!inner.empty() && !actual.inner.empty())
        filled.inner.front() = inner.front().with_free_fields_of(actual.inner.front());
    return filled;
}

bool Packet::matches(std::span<const std::byte> actual) const {
    const auto decoded = decode(actual);
    const Bytes expected = (decoded ? with_free_fields_of(*decoded) : *this).bytes();
    return std::equal(expected.begin(), expected.end(), actual.begin(), actual.end());
}

}  // namespace xvs::test
