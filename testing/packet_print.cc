#include <algorithm>
#include <ostream>

#include <fmt/format.h>

#include "testing/packet_codec.h"
#include "testing/packet_text.h"

namespace xvs::test {
namespace {

constexpr std::size_t kLongestPayloadInHex = 64;

std::string hex(std::span<const std::byte> bytes) {
    std::string text = "0x";
    for (const std::byte byte : bytes)
        text += fmt::format("{:02x}", byte);
    return text;
}

bool is_plain_text(const Bytes& bytes) {
    return std::all_of(bytes.begin(), bytes.end(), [](std::byte byte) {
        const auto c = static_cast<char>(byte);
        return (c >= ' ' && c <= '~' && c != '"' && c != '\\') || c == '\r' || c == '\n';
    });
}

std::string escaped(char c) {
    return c == '\r' ? "\\r" : c == '\n' ? "\\n" : std::string(1, c);
}

std::string payload_text(const Bytes& data) {
    if (data.empty()) return "length 0";
    const auto letter = std::to_integer<unsigned>(data.front()) - 'a';
    if (letter < 26 && data == alphabet(data.size(), letter)) {
        return letter == 0 ? fmt::format("length {}", data.size())
                           : fmt::format("length {} from {}", data.size(), letter);
    }
    if (data.size() <= kLongestPayloadInHex && is_plain_text(data)) {
        std::string text;
        for (const std::byte byte : data)
            text += escaped(static_cast<char>(byte));
        return fmt::format("payload \"{}\"", text);
    }
    if (data.size() <= kLongestPayloadInHex) return "payload " + hex(data);
    return fmt::format(
        "payload {}... of {} bytes", hex(std::span(data).first(kLongestPayloadInHex)), data.size());
}

std::string tcp_options_text(const TcpFields& tcp) {
    std::vector<std::string> options;
    if (tcp.mss) options.push_back(fmt::format("mss {}", *tcp.mss));
    if (tcp.sack_permitted) options.emplace_back("sackOK");
    if (tcp.timestamp) {
        options.push_back(
            fmt::format("TS val {} ecr {}", tcp.timestamp->first, tcp.timestamp->second));
    }
    if (tcp.window_scale) options.push_back(fmt::format("wscale {}", *tcp.window_scale));
    return options.empty() ? "" : fmt::format("options [{}]", fmt::join(options, ","));
}

using Items = std::vector<std::string>;

void print(Items& items, const Packet&, const TcpFields& tcp) {
    items.push_back(fmt::format("Flags [{}]", tcp_flags_text(tcp.flags)));
    items.push_back(fmt::format("seq {}", tcp.sequence));
    if (tcp.acknowledgement != 0) items.push_back(fmt::format("ack {}", tcp.acknowledgement));
    if (tcp.window != TcpFields{}.window) items.push_back(fmt::format("win {}", tcp.window));
    if (auto options = tcp_options_text(tcp); !options.empty()) items.push_back(std::move(options));
}

void print(Items& items, const Packet&, const UdpFields& udp) {
    items.emplace_back("UDP");
    if (!udp.has_checksum) items.emplace_back("no checksum");
    if (udp.length) items.push_back(fmt::format("stated length {}", *udp.length));
}

std::string chunk_text(std::uint8_t type) {
    const auto names = sctp_chunk_names();
    const auto found = std::find_if(
        names.begin(), names.end(), [type](const auto& each) { return each.type == type; });
    return found == names.end() ? fmt::format("chunk {}", type) : std::string(found->name);
}

void print(Items& items, const Packet&, const SctpFields& sctp) {
    std::vector<std::string> chunks;
    for (const std::uint8_t type : sctp.chunks)
        chunks.push_back(chunk_text(type));
    items.push_back(fmt::format("SCTP [{}]", fmt::join(chunks, ", ")));
    if (sctp.tag != 0) items.push_back(fmt::format("tag {}", sctp.tag));
}

void print(Items& items, const Packet& packet, const IcmpFields& icmp) {
    const std::string_view name = packet.family() == net::Family::Ipv4 ? "ICMP" : "ICMP6";
    const IcmpKind* kind = find_icmp_kind(packet.family(), icmp.type, icmp.code);
    if (kind == nullptr) {
        items.push_back(fmt::format("{} type {} code {}", name, icmp.type, icmp.code));
    } else {
        items.push_back(fmt::format("{} {}", name, kind->name));
    }
    if (kind != nullptr && kind->rest == IcmpKind::Rest::Echo) {
        items.push_back(fmt::format("id {}", icmp.rest >> 16));
        items.push_back(fmt::format("seq {}", icmp.rest & 0xffff));
    } else if (kind != nullptr && kind->rest == IcmpKind::Rest::Mtu) {
        items.push_back(fmt::format("mtu {}", icmp.rest));
    } else if (icmp.rest != 0) {
        items.push_back(fmt::format("rest {:#x}", icmp.rest));
    }
}

void print(Items& items, const Packet&, const IpInIpFields& tunnel) {
    if (tunnel.tunnel == IpInIpFields::Tunnel::Ipip) return;
    items.emplace_back(tunnel.tunnel == IpInIpFields::Tunnel::Gue ? "GUE" : "GRE");
    if (tunnel.has_checksum) items.emplace_back("checksum");
}

void print(Items& items, const Packet&, const RawFields& raw) {
    items.push_back(fmt::format("protocol {}", net::number(raw.protocol)));
}

std::string id_text(std::string_view word, const std::optional<std::uint32_t>& value) {
    return value ? fmt::format("{} {}", word, *value) : fmt::format("{} ~", word);
}

void print_ip(Items& items, const Packet& packet) {
    if (packet.time_to_live != 64) items.push_back(fmt::format("ttl {}", packet.time_to_live));
    if (packet.traffic_class != 0) items.push_back(fmt::format("tos {:#x}", packet.traffic_class));
    if (packet.dont_fragment) items.emplace_back("DF");
    if (packet.identification != 0U) items.push_back(id_text("ipid", packet.identification));
    if (packet.label != 0U) items.push_back(id_text("flowlabel", packet.label));
    if (!packet.options.empty()) items.push_back("ip options " + hex(packet.options));
    for (const net::IpProtocol header : packet.extensions)
        items.push_back(fmt::format("extension {}", net::number(header)));
    if (packet.has_bad_ip_checksum) items.emplace_back("bad ip checksum");
    if (packet.stated_checksum)
        items.push_back(fmt::format("checksum {:#06x}", *packet.stated_checksum));
    if (packet.has_bad_checksum) items.emplace_back("bad checksum");
}

void print_rest(Items& items, const Packet& packet) {
    if (std::holds_alternative<IpInIpFields>(packet.transport)) {
        items.push_back(to_text(packet.inner.front()));
    } else if (!packet.inner.empty()) {
        const auto& quoted_bytes = std::get<IcmpFields>(packet.transport).quoted_bytes;
        items.push_back((quoted_bytes ? fmt::format("quoting {} bytes of ", *quoted_bytes)
                                      : std::string("quoting ")) +
                        to_text(packet.inner.front()));
    } else {
        items.push_back(payload_text(packet.data));
    }
}

template <class Fields>
std::optional<std::pair<net::Port, net::Port>> ports_of(const Packet& packet) {
    const auto* fields = std::get_if<Fields>(&packet.transport);
    if (fields == nullptr) return std::nullopt;
    return std::pair(fields->source, fields->destination);
}

std::string ends_text(const Packet& packet) {
    auto ports = ports_of<TcpFields>(packet);
    if (!ports) ports = ports_of<UdpFields>(packet);
    if (!ports) ports = ports_of<SctpFields>(packet);
    const auto from = packet.source.to_string();
    const auto to = packet.destination.to_string();
    const auto* tunnel = std::get_if<IpInIpFields>(&packet.transport);
    if (tunnel != nullptr && tunnel->tunnel == IpInIpFields::Tunnel::Gue) {
        const std::string port =
            tunnel->source ? fmt::format("{}", net::number(*tunnel->source)) : "~";
        return fmt::format("{}.{} > {}.{}", from, port, to, net::number(tunnel->destination));
    }
    if (!ports) return fmt::format("{} > {}", from, to);
    return fmt::format(
        "{}.{} > {}.{}", from, net::number(ports->first), to, net::number(ports->second));
}

// Of a fragment whose whole is not known, the payload before it is filler.
std::string piece_text(const Packet& packet) {
    Packet piece = packet;
    piece.data.erase(piece.data.begin(),
                     piece.data.begin() + static_cast<std::ptrdiff_t>(packet.part->offset));
    piece.part.reset();
    return fmt::format(
        "piece {}{} of {}", packet.part->offset, packet.part->more ? "+" : "", to_text(piece));
}

}  // namespace

std::string to_text(const Packet& packet) {
    if (packet.part) {
        if (std::holds_alternative<RawFields>(packet.transport)) return piece_text(packet);
        Packet whole = packet;
        whole.part.reset();
        return fmt::format("fragment {}-{} of {}",
                           packet.part->offset,
                           packet.part->offset + packet.part->length,
                           to_text(whole));
    }
    Items items;
    std::visit([&](const auto& fields) { print(items, packet, fields); }, packet.transport);
    print_ip(items, packet);
    print_rest(items, packet);
    return fmt::format("{} {}: {}",
                       packet.family() == net::Family::Ipv4 ? "IP" : "IP6",
                       ends_text(packet),
                       fmt::join(items, ", "));
}

std::string to_text(std::span<const std::byte> bytes) {
    if (const auto packet = Packet::decode(bytes)) return to_text(*packet);
    return fmt::format("a malformed packet of {} bytes, {}", bytes.size(), hex(bytes));
}

void PrintTo(const Packet& packet, std::ostream* out) {
    *out << to_text(packet);
}

}  // namespace xvs::test
