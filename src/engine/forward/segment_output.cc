#include "engine/forward/segment_output.h"

#include <algorithm>
#include <cstring>

#include "net/checksum.h"
#include "net/tcp.h"
#include "net/udp.h"

namespace xvs::engine {
namespace {

// From the frame's start to the payload's.
template <class Ip>
std::uint32_t headers_size(const Packet<Ip>& super) noexcept {
    const std::size_t transport =
        super.protocol == net::IpProtocol::Tcp
            ? std::size_t{4} * (std::to_integer<unsigned>(super.transport()[12]) >> 4)
            : net::UdpView::kHeaderSize;
    return static_cast<std::uint32_t>(super.transport_offset + transport);
}

void write_length(const net::Ipv4Writer& ip, std::size_t length, std::uint32_t number) noexcept {
    ip.set_total_length(length);
    ip.set_identification(static_cast<std::uint16_t>(ip.identification() + number));
    ip.update_checksum();
}

void write_length(const net::Ipv6Writer& ip,
                  std::size_t length,
                  std::uint32_t /*number*/) noexcept {
    ip.set_payload_length(length - net::Ipv6View::kHeaderSize);
}

template <class Ip>
void finish_tcp(const Packet<Ip>& segment, std::uint32_t at, bool is_last) noexcept {
    const auto tcp = net::TcpWriter::parse(segment.transport());
    if (!tcp) return;
    unsigned flags = tcp->flags();
    constexpr unsigned kOfTheLast = net::tcp_flag::kFin | net::tcp_flag::kPsh;
    constexpr unsigned kOfTheFirst = net::tcp_flag::kCwr;
    if (!is_last) flags &= ~kOfTheLast;
    if (at != 0) flags &= ~kOfTheFirst;
    tcp->set_flags(static_cast<std::uint8_t>(flags));
    tcp->set_sequence(tcp->sequence() + at);
    tcp->set_checksum(0);
    tcp->set_checksum(net::internet_checksum(segment.transport(),
                                             net::pseudo_header_sum(segment.ip().source(),
                                                                    segment.ip().destination(),
                                                                    net::IpProtocol::Tcp,
                                                                    segment.transport().size())));
}

template <class Ip>
void finish_udp(const Packet<Ip>& segment) noexcept {
    const auto udp = net::UdpWriter::parse_header(segment.transport());
    if (!udp) return;
    udp->set_length(segment.transport().size());
    udp->set_checksum(0);
    udp->set_checksum(net::finish_udp_checksum(net::pseudo_header_sum(segment.ip().source(),
                                                                      segment.ip().destination(),
                                                                      net::IpProtocol::Udp,
                                                                      segment.transport().size()) +
                                               net::checksum_sum(segment.transport())));
}

}  // namespace

template <class Ip>
std::uint32_t segment_share(const Packet<Ip>& super) noexcept {
    const std::uint32_t headers = headers_size(super);
    const auto room = static_cast<std::uint32_t>(kMadeFrameRoom);
    const std::uint32_t wanted = super.frame.offload.segment_size;
    if (headers + wanted <= room) return wanted;
    // Datagrams are as long as their sender wants them to be.
    return super.protocol == net::IpProtocol::Tcp && headers < room ? room - headers : 0;
}

template <class Ip>
std::uint32_t payload_size(const Packet<Ip>& super) noexcept {
    return super.frame.length - std::min(super.frame.length, headers_size(super));
}

template <class Ip>
bool make_segment(const Packet<Ip>& super,
                  std::uint32_t at,
                  std::uint32_t size,
                  PacketPort& port,
                  Packet<Ip>& segment) noexcept {
    Frame frame = port.make_frame();
    if (frame.data == nullptr) {
        // What was sent of the burst so far gives its buffers back.
        port.flush();
        frame = port.make_frame();
    }
    if (frame.data == nullptr) return false;
    const std::uint32_t headers = headers_size(super);
    std::memcpy(frame.data, super.frame.data, headers);
    std::memcpy(frame.data + headers, super.frame.data + headers + at, size);
    frame.length = headers + size;
    frame.interface = super.frame.interface;
    frame.reason = super.frame.reason;
    segment = super;
    segment.frame = frame;
    const auto bytes = frame.bytes().subspan(kEthernetHeaderSize);
    const auto ip = *Headers<Ip>::Writer::parse_quoted(bytes);
    const bool is_last = at + size >= payload_size(super);
    const std::uint32_t share = segment_share(super);
    write_length(ip, bytes.size(), share == 0 ? 0 : at / share);
    if (super.protocol == net::IpProtocol::Tcp) {
        finish_tcp(segment, at, is_last);
    } else {
        finish_udp(segment);
    }
    return true;
}

template std::uint32_t segment_share(const Packet<flow::Ipv4>&) noexcept;
template std::uint32_t segment_share(const Packet<flow::Ipv6>&) noexcept;
template std::uint32_t payload_size(const Packet<flow::Ipv4>&) noexcept;
template std::uint32_t payload_size(const Packet<flow::Ipv6>&) noexcept;
template bool make_segment(const Packet<flow::Ipv4>&,
                           std::uint32_t,
                           std::uint32_t,
                           PacketPort&,
                           Packet<flow::Ipv4>&) noexcept;
template bool make_segment(const Packet<flow::Ipv6>&,
                           std::uint32_t,
                           std::uint32_t,
                           PacketPort&,
                           Packet<flow::Ipv6>&) noexcept;

}  // namespace xvs::engine
