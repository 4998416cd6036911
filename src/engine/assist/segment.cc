#include "engine/assist/segment.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "engine/assist/stream_edits.h"
#include "net/checksum.h"
#include "net/tcp.h"

namespace xvs::engine {
namespace {

constexpr std::uint8_t kSackOption = 5;  // RFC 2018, 3

// Further ahead of what was read nothing can be that a window lets through. RFC 7323, 2.2.
constexpr std::int32_t kFarthest = 1 << 30;

template <class Ip>
net::ChecksumSum pseudo_header(const Packet<Ip>& packet) noexcept {
    return net::pseudo_header_sum(packet.key.source_address(),
                                  packet.key.destination_address(),
                                  packet.protocol,
                                  packet.transport().size());
}

// The one whose sequence numbers begin with SYN, unless it is one that a live connection gets.
void begin(xvs_stream& stream, std::uint32_t sequence) noexcept {
    stream.next = sequence + 1;
    stream.is_known = 1;
    stream.phase = kPhaseBegin;
    stream.filled = 0;
}

// Whoever receives the stream has had what is not here.
void resume(xvs_stream& stream, std::uint32_t next) noexcept {
    stream.next = next;
    stream.is_known = 1;
    stream.phase = kPhaseLost;
    stream.filled = 0;
}

void resume_behind(xvs_assistance& record,
                   const net::TcpWriter& tcp,
                   bool is_outbound,
                   const StreamEdits& edits) noexcept {
    if (!tcp.has(net::tcp_flag::kAck)) return;
    xvs_stream& heard = is_outbound ? record.client : record.server;
    const std::uint32_t reached =
        is_outbound ? tcp.acknowledgement() : edits.to_server(tcp.acknowledgement());
    const std::int32_t missed = sequence_distance(heard.next, reached);
    if (heard.is_known == 0 || missed <= 0 || missed > kFarthest) return;
    if (!is_outbound && edits.has_open()) StreamEdits(record).close(edits.withheld());
    resume(heard, reached);
}

// Exchanges `removed` bytes of the payload, `at` from its beginning on, for `text`: what stands
// before them moves, into the room before the frame.
template <class Ip>
bool exchange(Packet<Ip>& packet,
              std::size_t payload,
              std::size_t at,
              std::size_t removed,
              std::string_view text) noexcept {
    Frame& frame = packet.frame;
    const auto growth = static_cast<std::int32_t>(text.size()) - static_cast<std::int32_t>(removed);
    if (growth > static_cast<std::int32_t>(frame.headroom)) return false;
    const std::size_t before = packet.transport_offset + payload + at;
    std::byte* const begins = frame.data - growth;
    std::memmove(begins, frame.data, before);
    std::memcpy(begins + before, text.data(), text.size());
    frame.data = begins;
    frame.length = static_cast<std::uint32_t>(static_cast<std::int32_t>(frame.length) + growth);
    frame.headroom = static_cast<std::uint32_t>(static_cast<std::int32_t>(frame.headroom) - growth);
    return true;
}

void set_length(const net::Ipv4Writer& ip, std::size_t length) noexcept {
    ip.set_total_length(static_cast<std::uint16_t>(length));
    ip.update_checksum();
}

void set_length(const net::Ipv6Writer& ip, std::size_t length) noexcept {
    ip.set_payload_length(static_cast<std::uint16_t>(length - net::Ipv6View::kHeaderSize));
}

// The header states the length from before, or says more than the frame holds by now.
template <class Ip>
void restate_length(Packet<Ip>& packet) noexcept {
    const auto bytes = packet.frame.bytes().subspan(kEthernetHeaderSize);
    const auto ip = Headers<Ip>::Writer::parse_quoted(bytes);
    if (ip) set_length(*ip, bytes.size());
}

// The last edit first: the places of those before stay. Returns false when there is no room.
template <class Ip>
bool exchange_all(Packet<Ip>& packet, std::uint32_t sequence, const StreamEdits& edits) noexcept {
    const auto tcp = net::TcpWriter::parse(packet.transport());
    const std::size_t header = tcp->header_size();
    const auto size = static_cast<std::int32_t>(tcp->payload().size());
    constexpr std::size_t kMaxPacket = 65535;
    for (std::size_t each = edits.all().size(); each-- > 0;) {
        const xvs_edit& edit = edits.all()[each];
        const std::int32_t begins = sequence_distance(sequence, edit.at);
        const std::int32_t ends = begins + edit.removed;
        const std::int32_t first = std::max(begins, 0);
        const std::int32_t last = std::min(ends, size);
        if (first >= last) continue;
        const std::size_t inserted = last == ends ? edit.inserted : 0;
        if (packet.network_length() + inserted > kMaxPacket) return false;
        if (!exchange(packet,
                      header,
                      static_cast<std::size_t>(first),
                      static_cast<std::size_t>(last - first),
                      {edit.text, inserted})) {
            return false;
        }
    }
    return true;
}

void adjust_sack(const net::TcpWriter& tcp, const StreamEdits& edits) noexcept {
    constexpr std::size_t kBlock = 8;
    const std::span<std::byte> option = tcp.find_option(kSackOption);
    for (std::size_t at = 2; at + kBlock <= option.size(); at += kBlock) {
        std::byte* const left = option.data() + at;
        store_be32(left, edits.left_to_server(load_be32(left)));
        store_be32(left + 4, edits.to_server(load_be32(left + 4)));
    }
}

template <class Ip>
void restate_checksum(const Packet<Ip>& packet, const net::TcpWriter& tcp) noexcept {
    const net::ChecksumSum pseudo = pseudo_header(packet);
    if (packet.frame.offload.has_partial_checksum) {
        tcp.set_checksum(net::fold(pseudo));
    } else {
        tcp.set_checksum(0);
        tcp.set_checksum(net::internet_checksum(packet.transport(), pseudo));
    }
}

}  // namespace

template <class Ip>
bool has_valid_tcp_checksum(const Packet<Ip>& packet) noexcept {
    return packet.frame.offload.has_partial_checksum ||
           net::internet_checksum(packet.transport(), pseudo_header(packet)) == 0;
}

template <class Ip>
Heard hear(const Packet<Ip>& packet,
           bool is_outbound,
           xvs_assistance& record,
           const ControlEnds& ends,
           Assistant& assistant,
           Expectations& expectations) noexcept {
    const auto tcp = net::TcpWriter::parse(packet.transport());
    if (!tcp || tcp->has(net::tcp_flag::kRst)) return Heard::All;
    xvs_assistance after = record;
    xvs_stream& stream = is_outbound ? after.server : after.client;
    const std::span<const std::byte> payload = tcp->payload();
    if (tcp->has(net::tcp_flag::kSyn)) {
        // What an established connection gets is a stranger's, or too late.
        if (ends.is_established) return Heard::All;
        begin(stream, tcp->sequence());
        if (is_outbound) StreamEdits(after).forget();
        record = after;
        return Heard::All;
    }
    resume_behind(after, *tcp, is_outbound, StreamEdits(after));
    if (stream.is_known == 0) {
        stream.next = tcp->sequence();
        stream.is_known = 1;
    }
    const std::int32_t known = sequence_distance(tcp->sequence(), stream.next);
    if (!payload.empty() && known < 0) return Heard::TooEarly;
    if (known >= 0 && static_cast<std::size_t>(known) < payload.size()) {
        const auto fresh = payload.subspan(static_cast<std::size_t>(known));
        const bool has_room = is_outbound ? assistant.read_server(after, ends, fresh, expectations)
                                          : assistant.read_client(after, ends, fresh, expectations);
        if (!has_room) return Heard::NoRoom;
        stream.next += static_cast<std::uint32_t>(fresh.size());
    }
    record = after;
    return Heard::All;
}

template <class Ip>
bool adjust(Packet<Ip>& packet, bool is_outbound, xvs_assistance& record) noexcept {
    const StreamEdits edits(record);
    auto tcp = net::TcpWriter::parse(packet.transport());
    if (edits.is_empty() || !tcp) return true;
    if (!is_outbound) {
        if (!tcp->has(net::tcp_flag::kAck)) return true;
        tcp->set_acknowledgement(edits.to_server(tcp->acknowledgement()));
        adjust_sack(*tcp, edits);
    } else {
        const std::uint32_t sequence = tcp->sequence();
        const std::size_t size = tcp->payload().size();
        if (!exchange_all(packet, sequence, edits)) return false;
        restate_length(packet);
        tcp = net::TcpWriter::parse(packet.transport());
        // Where nothing is left, the client is asked what it has, as by a keepalive: the real
        // server may wait for that before it says the rest.
        const bool is_emptied =
            size > 0 && tcp->payload().empty() && !tcp->has(net::tcp_flag::kFin);
        tcp->set_sequence(edits.to_client(sequence) - (is_emptied ? 1U : 0U));
    }
    restate_checksum(packet, *tcp);
    return true;
}

template bool has_valid_tcp_checksum(const Packet<flow::Ipv4>&) noexcept;
template bool has_valid_tcp_checksum(const Packet<flow::Ipv6>&) noexcept;
template Heard hear(const Packet<flow::Ipv4>&,
                    bool,
                    xvs_assistance&,
                    const ControlEnds&,
                    Assistant&,
                    Expectations&) noexcept;
template Heard hear(const Packet<flow::Ipv6>&,
                    bool,
                    xvs_assistance&,
                    const ControlEnds&,
                    Assistant&,
                    Expectations&) noexcept;
template bool adjust(Packet<flow::Ipv4>&, bool, xvs_assistance&) noexcept;
template bool adjust(Packet<flow::Ipv6>&, bool, xvs_assistance&) noexcept;

}  // namespace xvs::engine
