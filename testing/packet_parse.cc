#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "testing/packet_codec.h"
#include "testing/packet_text.h"

namespace xvs::test {
namespace {

template <class Number>
std::optional<Number> number_in(std::string_view text) {
    int base = 10;
    if (text.starts_with("0x")) {
        text.remove_prefix(2);
        base = 16;
    }
    Number value{};
    const char* end = text.data() + text.size();
    const auto [stopped, error] = std::from_chars(text.data(), end, value, base);
    if (error != std::errc{} || stopped != end) return std::nullopt;
    return value;
}

tl::unexpected<Error> not_understood(std::string_view word, std::string_view why) {
    return fail(ErrorCode::InvalidArgument, fmt::format("\"{}\": {}", word, why));
}

// Returns what follows `word` and a blank.
std::optional<std::string_view> after(std::string_view text, std::string_view word) {
    if (!text.starts_with(word)) return std::nullopt;
    return text.substr(word.size());
}

template <class Number>
Status store_number(std::string_view item, std::string_view text, auto&& store) {
    const auto value = number_in<Number>(text);
    if (!value) return not_understood(item, "expected a number in range");
    store(*value);
    return {};
}

std::optional<Bytes> hex_in(std::string_view text) {
    if (!text.starts_with("0x") || text.size() % 2 != 0) return std::nullopt;
    Bytes bytes;
    for (std::size_t at = 2; at < text.size(); at += 2) {
        unsigned value = 0;
        const char* end = text.data() + at + 2;
        const auto [stopped, error] = std::from_chars(text.data() + at, end, value, 16);
        if (error != std::errc{} || stopped != end) return std::nullopt;
        bytes.push_back(static_cast<std::byte>(value));
    }
    return bytes;
}

Status parse_free_number(std::string_view item,
                         std::string_view text,
                         std::optional<std::uint32_t>& field) {
    if (text == "~") {
        field.reset();
        return {};
    }
    return store_number<std::uint32_t>(item, text, [&](auto value) { field = value; });
}

// The end of a line stands as \r\n.
std::string unescaped(std::string_view text) {
    std::string plain;
    for (std::size_t at = 0; at < text.size(); ++at) {
        const std::string_view pair = text.substr(at, 2);
        const bool is_escape = pair == "\\r" || pair == "\\n";
        plain += pair == "\\r" ? '\r' : pair == "\\n" ? '\n' : text[at];
        if (is_escape) ++at;
    }
    return plain;
}

Status parse_payload(Packet& packet, std::string_view item) {
    if (const auto text = after(item, "length ")) {
        const std::size_t from = text->find(" from ");
        const auto size = number_in<std::size_t>(text->substr(0, from));
        const auto first = from == std::string_view::npos
                               ? std::size_t{0}
                               : number_in<std::size_t>(text->substr(from + 6));
        if (!size || !first) return not_understood(item, "expected \"length N\"");
        packet.data = alphabet(*size, *first);
        return {};
    }
    const std::string_view text = *after(item, "payload ");
    if (text.size() >= 2 && text.front() == '"' && text.back() == '"') {
        packet = packet.payload(unescaped(text.substr(1, text.size() - 2)));
        return {};
    }
    const auto bytes = hex_in(text);
    if (!bytes) return not_understood(item, "expected payload \"text\" or payload 0x6869");
    packet.data = *bytes;
    return {};
}

Status parse_checksum(Packet& packet, std::string_view item, std::string_view text) {
    const auto store = [&](auto value) {
        packet.stated_checksum = value;
    };
    const bool is_crc = std::holds_alternative<SctpFields>(packet.transport);
    return is_crc ? store_number<std::uint32_t>(item, text, store)
                  : store_number<std::uint16_t>(item, text, store);
}

// Items that any packet may have. Returns false for one that is none of them.
Result<bool> parse_ip_item(Packet& packet, std::string_view item) {
    Status status;
    if (const auto text = after(item, "ttl ")) {
        status = store_number<std::uint8_t>(
            item, *text, [&](auto value) { packet.time_to_live = value; });
    } else if (const auto tos = after(item, "tos ")) {
        status = store_number<std::uint8_t>(
            item, *tos, [&](auto value) { packet.traffic_class = value; });
    } else if (item == "DF") {
        packet.dont_fragment = true;
    } else if (const auto id = after(item, "ipid ")) {
        status = parse_free_number(item, *id, packet.identification);
    } else if (const auto label = after(item, "flowlabel ")) {
        status = parse_free_number(item, *label, packet.label);
    } else if (const auto options = after(item, "ip options ")) {
        const auto bytes = hex_in(*options);
        if (!bytes || bytes->size() % 4 != 0)
            return not_understood(item, "expected whole words, as in ip options 0x94040000");
        packet.options = *bytes;
    } else if (const auto header = after(item, "extension ")) {
        status = store_number<std::uint8_t>(item, *header, [&](auto value) {
            packet.extensions.push_back(net::IpProtocol{value});
        });
    } else if (item == "bad ip checksum") {
        packet.has_bad_ip_checksum = true;
    } else if (const auto checksum = after(item, "checksum ")) {
        status = parse_checksum(packet, item, *checksum);
    } else if (item == "bad checksum") {
        packet.has_bad_checksum = true;
    } else if (item.starts_with("length ") || item.starts_with("payload ")) {
        status = parse_payload(packet, item);
    } else {
        return false;
    }
    if (!status) return fail(status.error());
    return true;
}

Status parse_tcp_options(TcpFields& tcp, std::string_view text) {
    while (!text.empty()) {
        const std::size_t comma = text.find(',');
        const std::string_view option = text.substr(0, comma);
        text = comma == std::string_view::npos ? "" : text.substr(comma + 1);
        Status status;
        if (const auto mss = after(option, "mss ")) {
            status = store_number<std::uint16_t>(option, *mss, [&](auto v) { tcp.mss = v; });
        } else if (option == "sackOK") {
            tcp.sack_permitted = true;
        } else if (const auto scale = after(option, "wscale ")) {
            status =
                store_number<std::uint8_t>(option, *scale, [&](auto v) { tcp.window_scale = v; });
        } else if (const auto stamp = after(option, "TS val ")) {
            const std::size_t echo = stamp->find(" ecr ");
            if (echo == std::string_view::npos)
                return not_understood(option, "expected TS val N ecr N");
            const auto value = number_in<std::uint32_t>(stamp->substr(0, echo));
            const auto reply = number_in<std::uint32_t>(stamp->substr(echo + 5));
            if (!value || !reply) return not_understood(option, "expected TS val N ecr N");
            tcp.timestamp = {*value, *reply};
        } else {
            return not_understood(option, "no such TCP option here (mss, sackOK, TS, wscale)");
        }
        if (!status) return status;
    }
    return {};
}

Status parse_item(Packet&, TcpFields& tcp, std::string_view item) {
    if (const auto seq = after(item, "seq "))
        return store_number<std::uint32_t>(item, *seq, [&](auto v) { tcp.sequence = v; });
    if (const auto ack = after(item, "ack "))
        return store_number<std::uint32_t>(item, *ack, [&](auto v) { tcp.acknowledgement = v; });
    if (const auto window = after(item, "win "))
        return store_number<std::uint16_t>(item, *window, [&](auto v) { tcp.window = v; });
    if (const auto options = after(item, "options ["); options && options->ends_with(']'))
        return parse_tcp_options(tcp, options->substr(0, options->size() - 1));
    return not_understood(item, "no such word in a TCP packet");
}

Status parse_item(Packet&, UdpFields& udp, std::string_view item) {
    if (item == "no checksum") {
        udp.has_checksum = false;
        return {};
    }
    if (const auto length = after(item, "stated length "))
        return store_number<std::uint16_t>(item, *length, [&](auto v) { udp.length = v; });
    return not_understood(item, "no such word in a UDP packet");
}

Status parse_item(Packet&, SctpFields& sctp, std::string_view item) {
    if (const auto tag = after(item, "tag "))
        return store_number<std::uint32_t>(item, *tag, [&](auto v) { sctp.tag = v; });
    return not_understood(item, "no such word in an SCTP packet");
}

// The chunks' names, between commas.
Result<std::vector<std::uint8_t>> parse_sctp_chunks(std::string_view text) {
    std::vector<std::uint8_t> chunks;
    while (!text.empty()) {
        const std::size_t comma = text.find(", ");
        const std::string_view name = text.substr(0, comma);
        text = comma == std::string_view::npos ? "" : text.substr(comma + 2);
        const auto names = sctp_chunk_names();
        const auto found = std::find_if(
            names.begin(), names.end(), [name](const auto& each) { return each.name == name; });
        const auto other = after(name, "chunk ");
        const auto number = other ? number_in<std::uint8_t>(*other) : std::nullopt;
        if (found == names.end() && !number)
            return not_understood(name, "no SCTP chunk of that name (testing/packet.cc)");
        chunks.push_back(number ? *number : found->type);
    }
    return chunks;
}

Status parse_item(Packet&, IcmpFields& icmp, std::string_view item) {
    if (const auto id = after(item, "id ")) {
        return store_number<std::uint16_t>(item, *id, [&](std::uint32_t value) {
            icmp.rest = (icmp.rest & 0xffff) | (value << 16);
        });
    }
    if (const auto seq = after(item, "seq ")) {
        return store_number<std::uint16_t>(
            item, *seq, [&](auto value) { icmp.rest = (icmp.rest & 0xffff0000) | value; });
    }
    if (const auto mtu = after(item, "mtu "))
        return store_number<std::uint32_t>(item, *mtu, [&](auto v) { icmp.rest = v; });
    if (const auto rest = after(item, "rest "))
        return store_number<std::uint32_t>(item, *rest, [&](auto v) { icmp.rest = v; });
    return not_understood(item, "no such word in an ICMP message");
}

Status parse_item(Packet&, IpInIpFields& tunnel, std::string_view item) {
    if (item == "checksum" && tunnel.tunnel != IpInIpFields::Tunnel::Ipip) {
        tunnel.has_checksum = true;
        return {};
    }
    return not_understood(item, "no such word before an encapsulated packet");
}

Status parse_item(Packet&, RawFields&, std::string_view item) {
    return not_understood(item, "no such word in a packet of another protocol");
}

struct Ends {
    net::IpAddress source;
    net::IpAddress destination;
    std::optional<net::Port> source_port;
    std::optional<net::Port> destination_port;
    bool has_free_port = false;  // "~": whatever the sender chose
};

bool parse_end(std::string_view text,
               net::Family family,
               net::IpAddress& address,
               std::optional<net::Port>& port) {
    const auto is_of_family = [&](std::string_view candidate) {
        const auto parsed = net::IpAddress::parse(candidate);
        if (!parsed || parsed->family() != family) return false;
        address = *parsed;
        return true;
    };
    if (is_of_family(text)) return true;
    const std::size_t dot = text.rfind('.');
    if (dot == std::string_view::npos) return false;
    const auto value = number_in<std::uint16_t>(text.substr(dot + 1));
    if (!value || !is_of_family(text.substr(0, dot))) return false;
    port = net::Port{*value};
    return true;
}

Result<Ends> parse_ends(std::string_view text, net::Family family) {
    Ends ends;
    const std::size_t arrow = text.find(" > ");
    if (arrow == std::string_view::npos)
        return not_understood(text, "expected SOURCE > DESTINATION");
    auto from = text.substr(0, arrow);
    if (from.ends_with(".~")) {
        ends.has_free_port = true;
        from.remove_suffix(2);
    }
    const auto to = text.substr(arrow + 3);
    if (!parse_end(from, family, ends.source, ends.source_port))
        return not_understood(from, "no address (or address.port) of this family");
    if (!parse_end(to, family, ends.destination, ends.destination_port))
        return not_understood(to, "no address (or address.port) of this family");
    return ends;
}

// The first item says what the packet is.
Result<Packet::Transport> parse_transport(std::string_view item, const Ends& ends) {
    const auto source = ends.source_port.value_or(net::Port{});
    const auto destination = ends.destination_port.value_or(net::Port{});
    if (const auto text = after(item, "Flags ["); text && text->ends_with(']')) {
        const auto flags = parse_tcp_flags(text->substr(0, text->size() - 1));
        if (!flags) return not_understood(item, "TCP flags are the letters FSRP.UEW, or none");
        return TcpFields{.source = source, .destination = destination, .flags = *flags};
    }
    if (item == "UDP") return UdpFields{.source = source, .destination = destination};
    if (item == "GUE" || item == "GRE") {
        const bool is_gue = item == "GUE";
        IpInIpFields tunnel;
        tunnel.tunnel = is_gue ? IpInIpFields::Tunnel::Gue : IpInIpFields::Tunnel::Gre;
        if (is_gue) tunnel.destination = destination;
        tunnel.source = ends.has_free_port ? std::nullopt : std::optional(source);
        return tunnel;
    }
    if (const auto text = after(item, "SCTP ["); text && text->ends_with(']')) {
        auto chunks = parse_sctp_chunks(text->substr(0, text->size() - 1));
        if (!chunks) return fail(chunks.error());
        SctpFields sctp{.source = source, .destination = destination, .tag = 0, .chunks = {}};
        sctp.chunks = *std::move(chunks);
        return sctp;
    }
    const net::Family family = ends.source.family();
    const std::string_view icmp = family == net::Family::Ipv4 ? "ICMP " : "ICMP6 ";
    if (const auto name = after(item, icmp)) {
        if (const IcmpKind* kind = find_icmp_kind(family, *name))
            return IcmpFields{.type = kind->type, .code = kind->code};
        const std::size_t code = name->find(" code ");
        if (name->starts_with("type ") && code != std::string_view::npos) {
            const auto type_value = number_in<std::uint8_t>(name->substr(5, code - 5));
            const auto code_value = number_in<std::uint8_t>(name->substr(code + 6));
            if (type_value && code_value)
                return IcmpFields{.type = *type_value, .code = *code_value};
        }
        return not_understood(item, "no ICMP message of that name in this family");
    }
    if (const auto protocol = after(item, "protocol ")) {
        if (const auto value = number_in<std::uint8_t>(*protocol))
            return RawFields{net::IpProtocol{*value}};
    }
    return not_understood(
        item,
        "expected Flags [..], UDP, SCTP [..], GUE, GRE, ICMP .., protocol N or an inner packet");
}

bool starts_packet(std::string_view text) {
    return text.starts_with("IP ") || text.starts_with("IP6 ") || text.starts_with("fragment ") ||
           text.starts_with("piece ");
}

// Cuts the next item off `rest`; commas in brackets or quotes are part of it.
std::string_view next_item(std::string_view& rest) {
    std::size_t end = 0;
    bool is_quoted = false;
    int depth = 0;
    for (; end < rest.size(); ++end) {
        if (rest[end] == '"') is_quoted = !is_quoted;
        if (rest[end] == '[') ++depth;
        if (rest[end] == ']') --depth;
        if (rest[end] == ',' && !is_quoted && depth == 0) break;
    }
    const auto item = rest.substr(0, end);
    rest.remove_prefix(std::min(rest.size(), end + 1));
    while (rest.starts_with(' '))
        rest.remove_prefix(1);
    return item;
}

Status parse_quoting(Packet& packet, std::string_view text) {
    auto* icmp = std::get_if<IcmpFields>(&packet.transport);
    if (icmp == nullptr) return not_understood(text, "only ICMP errors quote a packet");
    if (!starts_packet(text)) {
        const std::size_t end = text.find(" bytes of ");
        const auto count = number_in<std::size_t>(text.substr(0, end));
        if (end == std::string_view::npos || !count)
            return not_understood(text, "expected quoting [N bytes of] PACKET");
        icmp->quoted_bytes = *count;
        text.remove_prefix(end + 10);
    }
    auto quoted = parse_packet(text);
    if (!quoted) return fail(quoted.error());
    packet.inner = {std::move(*quoted)};
    return {};
}

// The items after the first; the last may be another packet.
Status parse_items(Packet& packet, std::string_view rest) {
    while (!rest.empty()) {
        if (starts_packet(rest) && std::holds_alternative<IpInIpFields>(packet.transport)) {
            auto inside = parse_packet(rest);
            if (!inside) return fail(inside.error());
            packet.inner = {std::move(*inside)};
            return {};
        }
        if (const auto quoted = after(rest, "quoting ")) return parse_quoting(packet, *quoted);
        const auto item = next_item(rest);
        const auto is_done = parse_ip_item(packet, item);
        if (!is_done) return fail(is_done.error());
        if (*is_done) continue;
        const Status status = std::visit(
            [&](auto& fields) { return parse_item(packet, fields, item); }, packet.transport);
        if (!status) return status;
    }
    if (std::holds_alternative<IpInIpFields>(packet.transport) && packet.inner.empty())
        return not_understood(rest, "expected what the packet is, or a packet inside it");
    return {};
}

// "fragment 0-1480 of PACKET"
Result<Packet> parse_fragment(std::string_view text) {
    const std::string_view range = text.substr(9, text.find(" of ") - 9);
    const std::size_t dash = range.find('-');
    const auto begin = number_in<std::size_t>(range.substr(0, dash));
    const auto end = dash == std::string_view::npos
                         ? std::nullopt
                         : number_in<std::size_t>(range.substr(dash + 1));
    if (!begin || !end || *begin >= *end || *begin % 8 != 0)
        return not_understood(range, "expected fragment BEGIN-END of PACKET, BEGIN in eights");
    auto whole = parse_packet(text.substr(text.find(" of ") + 4));
    if (!whole) return whole;
    return Packet::fragment(*whole, *begin, *end - *begin);
}

// "piece 1480+ of PACKET": PACKET's payload is the piece itself, + says that more follow.
Result<Packet> parse_piece(std::string_view text) {
    std::string_view offset = text.substr(6, text.find(" of ") - 6);
    const bool has_more = offset.ends_with('+');
    if (has_more) offset.remove_suffix(1);
    const auto begin = number_in<std::size_t>(offset);
    if (!begin || *begin % 8 != 0)
        return not_understood(offset, "expected piece OFFSET[+] of PACKET, OFFSET in eights");
    auto piece = parse_packet(text.substr(text.find(" of ") + 4));
    if (!piece) return piece;
    if (!std::holds_alternative<RawFields>(piece->transport))
        return not_understood(text, "a piece is written with protocol N");
    piece->part = FragmentPart{.offset = *begin, .length = piece->data.size(), .more = has_more};
    piece->data.insert(piece->data.begin(), *begin, std::byte{});
    return piece;
}

}  // namespace

Result<Packet> parse_packet(std::string_view text) {
    if (text.starts_with("fragment ")) return parse_fragment(text);
    if (text.starts_with("piece ")) return parse_piece(text);
    const bool is_v6 = text.starts_with("IP6 ");
    if (!is_v6 && !text.starts_with("IP ")) return not_understood(text, "expected IP or IP6");
    // The source may be an address that ends in colons.
    const std::size_t arrow = text.find(" > ");
    const std::size_t colon = arrow == std::string_view::npos ? arrow : text.find(": ", arrow + 3);
    if (colon == std::string_view::npos)
        return not_understood(text, "expected SOURCE > DESTINATION: WHAT");
    const std::size_t begin = is_v6 ? 4 : 3;
    const auto ends = parse_ends(text.substr(begin, colon - begin),
                                 is_v6 ? net::Family::Ipv6 : net::Family::Ipv4);
    if (!ends) return fail(ends.error());
    Packet packet;
    packet.source = ends->source;
    packet.destination = ends->destination;
    std::string_view rest = text.substr(colon + 2);
    std::string_view probe = rest;
    const auto first = next_item(probe);
    const auto transport = parse_transport(first, *ends);
    if (transport) {
        packet.transport = *transport;
        rest = probe;
    } else if (rest.find("IP ") != std::string_view::npos ||
               rest.find("IP6 ") != std::string_view::npos) {
        packet.transport = IpInIpFields{};
    } else {
        return fail(transport.error());
    }
    const auto* tunnel = std::get_if<IpInIpFields>(&packet.transport);
    const bool may_be_free = tunnel != nullptr && tunnel->tunnel == IpInIpFields::Tunnel::Gue;
    if (ends->has_free_port && !may_be_free)
        return not_understood(text, "only GUE's source port may be free (~)");
    const Status status = parse_items(packet, rest);
    if (!status) return fail(status.error());
    return packet;
}

}  // namespace xvs::test
