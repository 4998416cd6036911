#include "engine/forward/icmp_responder.h"

#include <algorithm>
#include <cstring>

#include "net/checksum.h"
#include "net/icmp.h"
#include "net/icmpv6.h"

namespace xvs::engine {
namespace {

constexpr std::uint8_t kDefaultTtl = 64;
// Of the error as a whole. Kernel: icmp_send() and icmp6_send().
constexpr std::size_t kMaxIpv4Error = 576;
constexpr std::size_t kMaxIpv6Error = 1280;
constexpr std::uint8_t kInternetControl = 0xc0;  // precedence (RFC 1812, 4.3.2.5)
constexpr std::uint8_t kTosMask = 0x1e;

// The eight bytes of ICMP and what they quote; the checksum is the caller's.
void write_message(std::byte* at,
                   IcmpKind kind,
                   std::uint32_t rest,
                   std::span<const std::byte> quoted) noexcept {
    const auto icmp = *net::IcmpWriter::parse({at, net::IcmpWriter::kHeaderSize + quoted.size()});
    icmp.set_type(kind.type, kind.code);
    icmp.set_checksum(0);
    icmp.set_rest(rest);
    std::memcpy(at + net::IcmpWriter::kHeaderSize, quoted.data(), quoted.size());
}

// Fills the frame behind its link header and returns the packet's length.
std::size_t write_error(std::byte* at,
                        const net::Ipv4View& about,
                        const ErrorFields& fields,
                        std::uint16_t id) noexcept {
    const auto source = fields.source.as<net::Ipv4Address>();
    const std::size_t header = net::Ipv4View::kMinHeaderSize;
    const std::size_t quoted = std::min<std::size_t>(
        about.bytes().size(), kMaxIpv4Error - header - net::IcmpView::kHeaderSize);
    const std::size_t length = header + net::IcmpView::kHeaderSize + quoted;
    std::memset(at, 0, header);
    at[0] = std::byte{0x45};
    store_be16(at + 2, static_cast<std::uint16_t>(length));
    const auto ip = *net::Ipv4Writer::parse({at, length});
    ip.set_traffic_class(
        static_cast<std::uint8_t>((about.traffic_class() & kTosMask) | kInternetControl));
    ip.set_identification(id);
    ip.set_ttl(fields.ttl);
    ip.set_protocol(net::IpProtocol::Icmp);
    ip.set_source(source);
    ip.set_destination(about.source());
    ip.update_checksum();
    write_message(at + header, fields.kind, fields.rest, about.bytes().first(quoted));
    store_be16(at + header + net::IcmpView::kChecksumOffset,
               net::internet_checksum({at + header, length - header}));
    return length;
}

std::size_t write_error(std::byte* at,
                        const net::Ipv6View& about,
                        const ErrorFields& fields,
                        std::uint16_t /*id*/) noexcept {
    const auto source = fields.source.as<net::Ipv6Address>();
    const std::size_t header = net::Ipv6View::kHeaderSize;
    const std::size_t quoted = std::min<std::size_t>(
        about.bytes().size(), kMaxIpv6Error - header - net::IcmpView::kHeaderSize);
    const std::size_t payload = net::IcmpView::kHeaderSize + quoted;
    std::memset(at, 0, header);
    at[0] = std::byte{0x60};
    store_be16(at + 4, static_cast<std::uint16_t>(payload));
    const auto ip = *net::Ipv6Writer::parse({at, header + payload});
    ip.set_next_header(net::IpProtocol::Icmpv6);
    ip.set_hop_limit(fields.ttl);
    ip.set_source(source);
    ip.set_destination(about.source());
    write_message(at + header, fields.kind, fields.rest, about.bytes().first(quoted));
    const net::ChecksumSum pseudo =
        net::pseudo_header_sum(source, about.source(), net::IpProtocol::Icmpv6, payload);
    store_be16(at + header + net::IcmpView::kChecksumOffset,
               net::internet_checksum({at + header, payload}, pseudo));
    return header + payload;
}

}  // namespace

template <>
IcmpKind kind_of<flow::Ipv4>(IcmpError error) noexcept {
    switch (error) {
        case IcmpError::TtlExceeded:
            return {net::icmp::kTimeExceeded, net::icmp::kTtlExceeded};
        case IcmpError::TooBig:
            return {net::icmp::kDestinationUnreachable, net::icmp::kFragmentationNeeded};
        case IcmpError::PortUnreachable:
            return {net::icmp::kDestinationUnreachable, net::icmp::kPortUnreachable};
        case IcmpError::HostUnreachable:
            break;
    }
    return {net::icmp::kDestinationUnreachable, net::icmp::kHostUnreachable};
}

template <>
IcmpKind kind_of<flow::Ipv6>(IcmpError error) noexcept {
    switch (error) {
        case IcmpError::TtlExceeded:
            return {net::icmpv6::kTimeExceeded, net::icmpv6::kHopLimitExceeded};
        case IcmpError::TooBig:
            return {net::icmpv6::kPacketTooBig, 0};
        case IcmpError::PortUnreachable:
            return {net::icmpv6::kDestinationUnreachable, net::icmpv6::kPortUnreachable};
        case IcmpError::HostUnreachable:
            break;
    }
    return {net::icmpv6::kDestinationUnreachable, net::icmpv6::kAddressUnreachable};
}

bool IcmpRateLimit::Bucket::try_take(Nanoseconds now,
                                     std::int64_t cost_ns,
                                     std::uint32_t burst) noexcept {
    const std::int64_t full = cost_ns * burst;
    credit_ns = is_known ? std::min(full, credit_ns + (now - filled_at).count()) : full;
    filled_at = now;
    is_known = true;
    if (credit_ns < cost_ns) return false;
    credit_ns -= cost_ns;
    return true;
}

bool IcmpRateLimit::try_take(std::uint32_t receiver_hash) noexcept {
    constexpr std::int64_t kSecond = 1'000'000'000;
    const Nanoseconds now = clock_.now();
    const SharingLock lock(mutex_);
    if (!all_.try_take(now, kSecond / kPerSecond, kBurst)) return false;
    return receivers_[receiver_hash % kReceivers].try_take(now, kSecond, kReceiverBurst);
}

template <class Ip>
std::uint32_t IcmpResponder<Ip>::send(IcmpError error,
                                      const Packet<Ip>& packet,
                                      std::uint32_t mtu) noexcept {
    if (packet.protocol == Headers<Ip>::kIcmp || !packet.fragment.is_first) return 0;
    const auto about = *View::parse(packet.frame.bytes().subspan(kEthernetHeaderSize));
    const net::IpAddress vip = about.destination();
    return send_about(about,
                      {.kind = kind_of<Ip>(error),
                       .source = router_.is_local(vip) ? vip : net::IpAddress{},
                       .ttl = kDefaultTtl,
                       .rest = error == IcmpError::TooBig ? mtu : 0});
}

template <class Ip>
std::uint32_t IcmpResponder<Ip>::send_undelivered(const Origin& origin) noexcept {
    const auto about = View::parse_quoted(origin.packet());
    if (!about) return 0;
    const bool is_routed = origin.is_reply;
    return send_about(
        *about,
        {.kind = kind_of<Ip>(IcmpError::HostUnreachable),
         .source = origin.source,
         .ttl = static_cast<std::uint8_t>(is_routed ? kDefaultTtl - 1 : kDefaultTtl)});
}

template <class Ip>
std::uint32_t IcmpResponder<Ip>::relay(const View& about,
                                       IcmpKind kind,
                                       std::uint32_t rest) noexcept {
    const net::IpAddress vip = about.destination();
    return send_about(about,
                      {.kind = kind,
                       .source = router_.is_local(vip) ? vip : net::IpAddress{},
                       .ttl = kDefaultTtl,
                       .rest = rest});
}

template <class Ip>
std::uint32_t IcmpResponder<Ip>::send_about(const View& about, ErrorFields fields) noexcept {
    const auto receiver = about.source();
    if (receiver.is_multicast() || receiver.is_unspecified()) return 0;
    const Route route = router_.find_route(receiver, fields.source);
    const bool is_to_self = route.kind == RouteKind::Local;
    if (route.kind != RouteKind::Unicast && !is_to_self) return 0;
    const auto hash = static_cast<std::uint32_t>(std::hash<net::IpAddress>{}(receiver));
    // Path MTU discovery must work: the kernel does not limit what it needs (icmpv4_xrlim_allow()).
    if (fields.kind != kind_of<Ip>(IcmpError::TooBig) && !limit_.try_take(hash)) return 0;
    Frame frame = port_.make_frame();
    if (frame.data == nullptr) return 0;
    // A client on the director itself is told by the address that it has spoken to.
    if (fields.source == net::IpAddress{})
        fields.source = is_to_self ? net::IpAddress(about.destination()) : route.source;
    const std::size_t length =
        write_error(frame.data + kEthernetHeaderSize, about, fields, identifications_.next());
    frame.length = static_cast<std::uint32_t>(kEthernetHeaderSize + length);
    if (is_to_self) {
        frame.interface = kLoopbackInterface;
        store_be16(frame.data + kEthernetHeaderSize - 2,
                   static_cast<std::uint16_t>(ether_type(Ip::kFamily)));
        port_.give_to_host(frame);
        return static_cast<std::uint32_t>(length);
    }
    transmitter_.send(
        {.frame = frame, .next_hop = route.next_hop, .type = ether_type(Ip::kFamily)});
    return static_cast<std::uint32_t>(length);
}

template class IcmpResponder<flow::Ipv4>;
template class IcmpResponder<flow::Ipv6>;

}  // namespace xvs::engine
