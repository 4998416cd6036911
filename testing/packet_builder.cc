#include <algorithm>
#include <stdexcept>
#include <utility>

#include "testing/packet.h"
#include "testing/packet_codec.h"

namespace xvs::test {
namespace {

// A test that is written wrong ends with a sentence; nothing catches this.
void require(bool condition, const char* what) {
    if (!condition) throw std::invalid_argument(what);
}

Packet between(const net::IpAddress& from, const net::IpAddress& to, Packet::Transport transport) {
    require(from.family() == to.family(), "a packet's two ends must be of one family");
    Packet packet;
    packet.source = from;
    packet.destination = to;
    packet.transport = std::move(transport);
    return packet;
}

// Returns a copy whose transport, which must be a `Fields`, `change` was applied to.
template <class Fields, class Change>
Packet changed(const Packet& packet, const char* what, Change change) {
    Packet copy = packet;
    auto* fields = std::get_if<Fields>(&copy.transport);
    require(fields != nullptr, what);
    change(*fields);
    return copy;
}

Packet icmp(const net::IpAddress& from, const net::IpAddress& to, std::string_view name) {
    const IcmpKind* kind = find_icmp_kind(from.family(), name);
    require(kind != nullptr, "no ICMP message of that name in this family (testing/packet.cc)");
    return between(from, to, IcmpFields{.type = kind->type, .code = kind->code});
}

}  // namespace

Packet Packet::tcp(const net::Endpoint& from, const net::Endpoint& to) {
    return between(
        from.address, to.address, TcpFields{.source = from.port, .destination = to.port});
}

Packet Packet::udp(const net::Endpoint& from, const net::Endpoint& to) {
    return between(
        from.address, to.address, UdpFields{.source = from.port, .destination = to.port});
}

Packet Packet::sctp(const net::Endpoint& from,
                    const net::Endpoint& to,
                    std::vector<std::uint8_t> chunks) {
    SctpFields sctp{.source = from.port, .destination = to.port, .tag = 0, .chunks = {}};
    sctp.chunks = std::move(chunks);
    return between(from.address, to.address, std::move(sctp));
}

Packet Packet::icmp_echo(const net::IpAddress& from, const net::IpAddress& to) {
    return icmp(from, to, "echo request");
}

Packet Packet::icmp_echo_reply(const net::IpAddress& from, const net::IpAddress& to) {
    return icmp(from, to, "echo reply");
}

Packet Packet::icmp_error(const net::IpAddress& from,
                          const net::IpAddress& to,
                          std::string_view name,
                          const Packet& quoting) {
    Packet error = icmp(from, to, name);
    error.inner = {quoting};
    return error;
}

Packet Packet::raw(const net::IpAddress& from, const net::IpAddress& to, net::IpProtocol protocol) {
    return between(from, to, RawFields{protocol});
}

Packet Packet::fragment(const Packet& whole, std::size_t offset, std::size_t length) {
    const auto headers = [&](const Packet& packet) {
        return packet.family() == net::Family::Ipv4 ? 20 + packet.options.size()
                                                    : 40 + 8 * packet.extensions.size();
    };
    const std::size_t size = whole.bytes().size() - headers(whole);
    require(!whole.part, "a fragment of a fragment is not offered");
    require(offset % 8 == 0, "a fragment starts at a multiple of 8 bytes");
    require(offset < size, "a fragment starts within the packet's payload");
    Packet piece = whole;
    const std::size_t cut = std::min(length, size - offset);
    piece.part = FragmentPart{.offset = offset, .length = cut, .more = offset + cut < size};
    return piece;
}

Packet Packet::flags(std::string_view text) const {
    const auto bits = parse_tcp_flags(text);
    require(bits.has_value(), "TCP flags are written with the letters FSRP.UEW");
    return changed<TcpFields>(*this, "flags() is TCP's", [&](auto& tcp) { tcp.flags = *bits; });
}

Packet Packet::seq(std::uint32_t value) const {
    return changed<TcpFields>(*this, "seq() is TCP's", [&](auto& tcp) { tcp.sequence = value; });
}

Packet Packet::ack(std::uint32_t value) const {
    return changed<TcpFields>(
        *this, "ack() is TCP's", [&](auto& tcp) { tcp.acknowledgement = value; });
}

Packet Packet::window(std::uint16_t value) const {
    return changed<TcpFields>(*this, "window() is TCP's", [&](auto& tcp) { tcp.window = value; });
}

Packet Packet::mss(std::uint16_t value) const {
    return changed<TcpFields>(*this, "mss() is TCP's", [&](auto& tcp) { tcp.mss = value; });
}

Packet Packet::timestamp(std::uint32_t value, std::uint32_t echo_reply) const {
    return changed<TcpFields>(*this, "timestamp() is TCP's", [&](auto& tcp) {
        tcp.timestamp = {value, echo_reply};
    });
}

Packet Packet::no_checksum() const {
    return changed<UdpFields>(
        *this, "no_checksum() is UDP's", [](auto& udp) { udp.has_checksum = false; });
}

Packet Packet::mtu(std::uint32_t value) const {
    return changed<IcmpFields>(*this, "mtu() is ICMP's", [&](auto& icmp) { icmp.rest = value; });
}

Packet Packet::echo_id(std::uint16_t identifier, std::uint16_t sequence) const {
    return changed<IcmpFields>(*this, "echo_id() is ICMP's", [&](auto& icmp) {
        icmp.rest = (std::uint32_t{identifier} << 16) | sequence;
    });
}

Packet Packet::quoted_bytes(std::size_t count) const {
    return changed<IcmpFields>(
        *this, "quoted_bytes() is ICMP's", [&](auto& icmp) { icmp.quoted_bytes = count; });
}

Packet Packet::ttl(std::uint8_t value) const {
    Packet copy = *this;
    copy.time_to_live = value;
    return copy;
}

Packet Packet::tos(std::uint8_t value) const {
    Packet copy = *this;
    copy.traffic_class = value;
    return copy;
}

Packet Packet::df() const {
    require(family() == net::Family::Ipv4, "df() is IPv4's");
    Packet copy = *this;
    copy.dont_fragment = true;
    return copy;
}

Packet Packet::ip_id(std::uint32_t value) const {
    Packet copy = *this;
    copy.identification = value;
    return copy;
}

Packet Packet::any_ip_id() const {
    Packet copy = *this;
    copy.identification.reset();
    return copy;
}

Packet Packet::flow_label(std::uint32_t value) const {
    Packet copy = *this;
    copy.label = value;
    return copy;
}

Packet Packet::any_flow_label() const {
    Packet copy = *this;
    copy.label.reset();
    return copy;
}

Packet Packet::ip_options(Bytes bytes) const {
    require(family() == net::Family::Ipv4, "ip_options() is IPv4's");
    require(bytes.size() % 4 == 0 && bytes.size() <= 40, "IP options are up to 10 words");
    Packet copy = *this;
    copy.options = std::move(bytes);
    return copy;
}

Packet Packet::extension(net::IpProtocol header) const {
    require(family() == net::Family::Ipv6, "extension() is IPv6's");
    Packet copy = *this;
    copy.extensions.push_back(header);
    return copy;
}

Packet Packet::payload(std::string_view text) const {
    const auto bytes = std::as_bytes(std::span(text));
    return payload(Bytes(bytes.begin(), bytes.end()));
}

Packet Packet::payload(Bytes bytes) const {
    Packet copy = *this;
    copy.data = std::move(bytes);
    return copy;
}

Packet Packet::length(std::size_t size, std::size_t first) const {
    return payload(alphabet(size, first));
}

Packet Packet::bad_checksum() const {
    Packet copy = *this;
    copy.has_bad_checksum = true;
    return copy;
}

Packet Packet::checksum(std::uint32_t value) const {
    Packet copy = *this;
    copy.stated_checksum = value;
    return copy;
}

Packet Packet::bad_ip_checksum() const {
    require(family() == net::Family::Ipv4, "bad_ip_checksum() is IPv4's");
    Packet copy = *this;
    copy.has_bad_ip_checksum = true;
    return copy;
}

Packet Packet::encapsulated_in_ipip(const net::IpAddress& from, const net::IpAddress& to) const {
    Packet outer = between(from, to, IpInIpFields{});
    outer.inner = {*this};
    return outer;
}

}  // namespace xvs::test
