// What becomes of a packet that no real server takes, and of a connection's that cannot go on.
#include <algorithm>
#include <cstring>

#include "engine/pipeline.h"

namespace xvs::engine {
namespace {

constexpr std::size_t kPortsSize = 4;
constexpr net::Port kFtpPort{21};

// By its number alone. Kernel: inet_addr_type().
bool is_unicast(net::Ipv4Address address) noexcept {
    constexpr std::uint8_t kFirstMulticast = 224;  // the broadcast address lies above
    const auto network = static_cast<std::uint8_t>(address.value() >> 24);
    return network != 0 && network < kFirstMulticast;
}

bool is_unicast(const net::Ipv6Address& address) noexcept {
    return !address.is_unspecified() && !address.is_multicast();
}

}  // namespace

// Whether what no real server takes goes where its client wanted. Kernel: ip_vs_leave(), for which
// the director's own addresses are unicast over IPv6; what is sent there is dropped.
template <class Ip>
bool Pipeline<Ip>::is_to_bypass(const Packet<Ip>& packet, const ServiceState& service) noexcept {
    if (parts_.settings.sysctls.cache_bypass == 0 || service.bypass == nullptr) return false;
    if (packet.protocol == Headers<Ip>::kIcmp) return false;
    const auto wanted = packet.key.destination_address();
    if (!is_unicast(wanted)) return false;
    if (Ip::kFamily == net::Family::Ipv6) return true;
    // A broadcast address has no way.
    const RouteKind kind = parts_.router.find_route(wanted, {}).kind;
    return kind == RouteKind::Unicast ||
           (kind == RouteKind::Unreachable && !parts_.router.is_broadcast(wanted));
}

// Kernel: ip_vs_leave().
template <class Ip>
Verdict Pipeline<Ip>::refuse(const Packet<Ip>& packet, const ServiceState& service) noexcept {
    const bool is_ftp_data =
        service.config.key.port == kFtpPort && packet.key.destination_port_number() != kFtpPort;
    if (is_ftp_data) return give_to_host(packet);
    count_refusal(icmp_.send(IcmpError::PortUnreachable, packet, 0));
    return drop(DropReason::NoDestination);
}

// The director's own error goes to the client, and counts as a reply of the connection whose packet
// it quotes as it came; by NAT the kernel looks for one from the real server, and finds none.
// Kernel: ip_vs_out_icmp() on its way out.
template <class Ip>
Verdict Pipeline<Ip>::refuse_to_forward(const Packet<Ip>& packet,
                                        const xvs_translation& translation,
                                        IcmpError error,
                                        std::uint32_t mtu) noexcept {
    const std::uint32_t sent = icmp_.send(error, packet, mtu);
    const bool is_nat = (translation.rewrite & (XVS_REWRITE_SOURCE | XVS_REWRITE_DESTINATION)) != 0;
    const bool is_of_connection =
        sent != 0 && !is_nat && flows_.find(packet.key, packet.hash) != XVS_NONE;
    if (is_of_connection && is_available(translation)) count(translation, true, sent);
    --parts_.totals.forwarded;
    return drop(error == IcmpError::TtlExceeded ? DropReason::TtlExceeded : DropReason::TooBig);
}

template <class Ip>
void Pipeline<Ip>::count_refusal(std::uint32_t sent) noexcept {
    if (sent == 0 || former_ == XVS_NONE) return;
    const xvs_connection& record = connections_[former_];
    const auto method = static_cast<model::ForwardingMethod>(record.flags & kConnectionMethodMask);
    const bool is_available = parts_.services.destination(record.destination).is_available;
    if (method == model::ForwardingMethod::Masquerade || !is_available) return;
    xvs_counters& counters = parts_.tables.counters(parts_.worker, record.destination);
    ++counters.packets_out;
    counters.bytes_out += sent;
}

template <class Ip>
Verdict Pipeline<Ip>::send_with_origin(Packet<Ip>& packet,
                                       const xvs_translation& translation,
                                       bool is_outbound) noexcept {
    if (packet.protocol == Headers<Ip>::kIcmp || !packet.fragment.is_first) {
        apply(packet, translation, Subject::Packet);
        return send_on_wire(packet, translation);
    }
    const bool is_nat = (translation.rewrite & (XVS_REWRITE_SOURCE | XVS_REWRITE_DESTINATION)) != 0;
    const bool is_tunnelled = (translation.rewrite & XVS_ENCAPSULATE) != 0;
    const net::IpAddress vip = packet.ip().destination();
    Origin& origin = parts_.transmitter.begin_origin();
    origin.family = Ip::kFamily;
    origin.is_reply = is_outbound;
    origin.destination = translation.destination;
    origin.generation = translation.destination_generation;
    origin.tunnelled = is_tunnelled ? packet.network_length() : 0;
    const std::span<const std::byte> whole = packet.frame.bytes().subspan(kEthernetHeaderSize);
    origin.length = std::min(whole.size(), Origin::kMaxBytes);
    std::memcpy(origin.bytes.data(), whole.data(), origin.length);
    apply(packet, translation, Subject::Packet);
    origin.source = {};
    if (is_outbound) {
        origin.source = packet.ip().source();
    } else if (is_nat || is_tunnelled) {
        origin.source = vip;
    }
    // Of what was rewritten only addresses and ports are written back.
    const std::size_t ports_end = packet.transport_offset - kEthernetHeaderSize + kPortsSize;
    if (is_nat && origin.length > ports_end) {
        std::memcpy(&origin.bytes[ports_end], whole.data() + ports_end, origin.length - ports_end);
    }
    const Verdict verdict = send_on_wire(packet, translation);
    parts_.transmitter.end_origin();
    return verdict;
}

// Kernel: ipv4_link_failure() and ip6_link_failure() tell the sender of what IPVS has written; on
// its way out ip_vs_out_icmp() makes the error the virtual service's, and counts it. An error about
// a tunnel is sent to this host itself, where ip_vs_in_icmp() counts what it strips as well.
template <class Ip>
void Pipeline<Ip>::tell_undelivered(const Origin& origin) noexcept {
    const std::uint32_t sent = icmp_.send_undelivered(origin);
    if (sent == 0) return;
    const xvs_destination& server = parts_.tables.destinations()[origin.destination];
    const bool is_there = (flow::load_relaxed(server.flags) & XVS_DESTINATION_AVAILABLE) != 0;
    if (!is_there || server.generation != origin.generation) return;
    xvs_counters& counters = parts_.tables.counters(parts_.worker, origin.destination);
    if (origin.is_reply) {
        ++counters.packets_in;
        counters.bytes_in += sent;
        return;
    }
    counters.packets_out += origin.tunnelled != 0 ? 2 : 1;
    counters.bytes_out += sent + origin.tunnelled;
}

template bool Pipeline<flow::Ipv4>::is_to_bypass(const Packet<flow::Ipv4>&,
                                                 const ServiceState&) noexcept;
template bool Pipeline<flow::Ipv6>::is_to_bypass(const Packet<flow::Ipv6>&,
                                                 const ServiceState&) noexcept;
template Verdict Pipeline<flow::Ipv4>::refuse(const Packet<flow::Ipv4>&,
                                              const ServiceState&) noexcept;
template Verdict Pipeline<flow::Ipv6>::refuse(const Packet<flow::Ipv6>&,
                                              const ServiceState&) noexcept;
template void Pipeline<flow::Ipv4>::count_refusal(std::uint32_t) noexcept;
template void Pipeline<flow::Ipv6>::count_refusal(std::uint32_t) noexcept;
template Verdict Pipeline<flow::Ipv4>::refuse_to_forward(const Packet<flow::Ipv4>&,
                                                         const xvs_translation&,
                                                         IcmpError,
                                                         std::uint32_t) noexcept;
template Verdict Pipeline<flow::Ipv6>::refuse_to_forward(const Packet<flow::Ipv6>&,
                                                         const xvs_translation&,
                                                         IcmpError,
                                                         std::uint32_t) noexcept;

template Verdict Pipeline<flow::Ipv4>::send_with_origin(Packet<flow::Ipv4>&,
                                                        const xvs_translation&,
                                                        bool) noexcept;
template Verdict Pipeline<flow::Ipv6>::send_with_origin(Packet<flow::Ipv6>&,
                                                        const xvs_translation&,
                                                        bool) noexcept;
template void Pipeline<flow::Ipv4>::tell_undelivered(const Origin&) noexcept;
template void Pipeline<flow::Ipv6>::tell_undelivered(const Origin&) noexcept;

}  // namespace xvs::engine
