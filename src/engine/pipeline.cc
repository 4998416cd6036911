#include "engine/pipeline.h"

#include <algorithm>
#include <array>

#include "engine/forward/fragment_output.h"
#include "engine/forward/quoted.h"
#include "engine/forward/replay.h"
#include "engine/forward/segment_output.h"
#include "engine/forward/tunnel_fit.h"

namespace xvs::engine {
namespace {

// What an IPv4 header's length can say.
constexpr std::uint32_t kMaxPacketSize = 65535;

// Whether it is a piece of a packet of which the whole must be known to rewrite it.
template <class Ip>
bool is_torn(const Packet<Ip>& packet, const xvs_translation& translation) noexcept {
    const bool is_nat = (translation.rewrite & (XVS_REWRITE_SOURCE | XVS_REWRITE_DESTINATION)) != 0;
    return packet.fragment.is_fragment && packet.protocol == net::IpProtocol::Sctp && is_nat &&
           (translation.rewrite & XVS_KEEP_PORT) == 0;
}

}  // namespace

template <class Ip>
Pipeline<Ip>::Pipeline(const PipelineParts& parts)
    : parts_(parts),
      flows_(parts.tables.template flows<Ip>(parts.worker)),
      connections_(parts.tables,
                   parts.services,
                   parts.assistances,
                   parts.clock,
                   parts.settings,
                   parts.worker),
      found_services_(parts.services),
      fragments_(parts.clock, parts.drops),
      icmp_(parts.router, parts.port, parts.transmitter, parts.icmp_limit, parts.identifications),
      tunnel_errors_(parts) {}

// Not in the file of its caller, where g++ 12 would leave the call out as one without effect.
template <class Ip>
void Pipeline<Ip>::prefetch_beginning() const noexcept {
    for (std::size_t each = 0; each < beginning_count_; ++each) {
        const NewConnection<Ip>& wanted = beginning_[each].wanted;
        flows_.prefetch_insert(wanted.inbound_hash);
        if (wanted.outbound) flows_.prefetch_insert(wanted.outbound_hash);
    }
}

// Kernel: ip_vs_in_icmp(), handle_response_icmp(): an error about a balanced packet goes where the
// packet's connection goes, rewritten inside and outside.
template <class Ip>
Verdict Pipeline<Ip>::handle_icmp(Packet<Ip>& packet) noexcept {
    if (packet.fragment.is_fragment) return give_to_host(packet);
    if (const auto verdict = tunnel_errors_.handle(packet)) return *verdict;
    QuotedPacket<Ip> quoted;
    if (!parse_quoted(packet, quoted)) return give_to_host(packet);
    // What came back is an answer to the quoted packet, hence the reversed key.
    packet.key = quoted.key.reversed();
    packet.hash = flows_.hash(packet.key);
    const flow::SlotIndex slot = find_live(packet);
    if (slot == XVS_NONE) return miss_quoted(packet);
    if (is_of_other(slot)) return hand_over(packet, flows_.owner(slot));
    return forward_quoted(packet, slot);
}

template <class Ip>
Verdict Pipeline<Ip>::forward_quoted(Packet<Ip>& packet, flow::SlotIndex slot) noexcept {
    if (const auto reason = refusal_of(slot)) return drop(*reason);
    const bool is_outbound = (flows_.entry(slot).flags & XVS_FLOW_OUTBOUND) != 0;
    if (!is_usable(packet, flows_.entry(slot).translation)) {
        const DropReason failure = refresh(packet, slot);
        if (!is_usable(packet, flows_.entry(slot).translation)) return drop(failure);
    }
    const xvs_translation& translation =
        parts_.tables.translations()[flows_.entry(slot).translation];
    if (is_damaged_error(packet, translation)) return drop(DropReason::BadIcmpChecksum);
    // It is counted but keeps no connection alive: anybody can send one. Kernel:
    // __ip_vs_conn_put().
    if (is_available(translation)) count(translation, is_outbound, packet.network_length());
    return send(packet, translation, is_outbound, Subject::Quoted);
}

template <class Ip>
Verdict Pipeline<Ip>::hit(Packet<Ip>& packet, flow::SlotIndex slot) noexcept {
    const auto& entry = flows_.entry(slot);
    // Port 0 stands for that of a client who is awaited.
    const bool is_engines = entry.punt == XVS_EVENT_ANY;
    if (is_engines && (is_awaiting(slot) || is_forged_request(packet, slot)))
        return give_to_host(packet);
    if (const auto reason = refusal_of(slot)) return drop(*reason);
    const bool is_marked = ((entry.punt | entry.report) & packet.events) != 0;
    const std::uint32_t former = is_marked ? flows_.connection(slot) : XVS_NONE;
    if (is_marked && is_reused(packet, former)) {
        // Its real server is chosen while the former connection still counts. Kernel:
        // ip_vs_conn_expire_now() ends that one at the next tick.
        connections_.set_aside(former);
        former_ = former;
        const Verdict verdict = miss(packet);
        former_ = XVS_NONE;
        connections_.end(former);
        return verdict;
    }
    // What was read of other CPUs' packets may have ended it: a program has put another in its
    // place.
    if (is_marked && flows_.connection(slot) != former) [[unlikely]] {
        const flow::SlotIndex other = find_entry(packet);
        return other == XVS_NONE ? miss(packet) : hit(packet, other);
    }
    return replay(packet, slot, is_marked);
}

template <class Ip>
Verdict Pipeline<Ip>::replay(Packet<Ip>& packet, flow::SlotIndex slot, bool is_followed) noexcept {
    const bool is_outbound = (flows_.entry(slot).flags & XVS_FLOW_OUTBOUND) != 0;
    if (!is_usable(packet, flows_.entry(slot).translation)) {
        const DropReason failure = refresh(packet, slot);
        if (!is_usable(packet, flows_.entry(slot).translation)) return drop(failure);
    }
    // Released or not, it keeps its contents until another is acquired.
    const xvs_translation& translation =
        parts_.tables.translations()[flows_.entry(slot).translation];
    const bool has_server = is_available(translation);
    if (!has_server && !is_outbound) return leave_removed(packet, slot);
    if (is_torn(packet, translation)) return drop(DropReason::SctpFragment);
    if (flows_.entry(slot).punt == XVS_EVENT_ANY) [[unlikely]] {
        if (const auto reason = assist(packet, slot)) return drop(*reason);
        is_followed |= connections_.is_unfollowed(flows_.connection(slot));
    }
    if (has_server) count(translation, is_outbound, packet.network_length());
    flows_.note_packet(slot, now_);
    if (is_followed) connections_.follow(flows_.connection(slot), is_outbound, packet.events, now_);
    return send(packet, translation, is_outbound, Subject::Packet);
}

// Kernel: ip_vs_in_hook() of a connection whose real server is gone.
template <class Ip>
Verdict Pipeline<Ip>::leave_removed(Packet<Ip>& packet, flow::SlotIndex slot) noexcept {
    const bool may_start = parts_.settings.sysctls.expire_nodest_conn != 0;
    if (!may_start || !packet.has_transport_header()) return drop(DropReason::DestinationRemoved);
    connections_.end(flows_.connection(slot));
    return miss(packet);
}

// Whether a translation leads somewhere still: its next hop is current, or it needs none.
template <class Ip>
bool Pipeline<Ip>::is_usable(const Packet<Ip>& packet, std::uint32_t translation) const noexcept {
    if (translation == XVS_NONE) return false;
    const flow::TranslationTable& table = parts_.tables.translations();
    if ((table[translation].rewrite & XVS_TO_HOST) != 0) return true;
    const auto way = table.way(translation);
    if (way.next_hop == XVS_NONE) return packet.frame.reason == XVS_REASON_EGRESS;
    return parts_.tables.next_hops().is_current(way.next_hop, way.generation);
}

// Looks the way up again for an entry whose translation has none, or one that is gone. Returns why
// not where there is no way. ADR-0010.
template <class Ip>
DropReason Pipeline<Ip>::refresh(const Packet<Ip>& packet, flow::SlotIndex slot) noexcept {
    const xvs_connection& record = connections_[flows_.connection(slot)];
    const bool is_outbound = (flows_.entry(slot).flags & XVS_FLOW_OUTBOUND) != 0;
    const flow::FlowKey<Ip> inbound = flows_.key(record.inbound);
    const DestinationState& destination = parts_.services.destination(record.destination);
    Route route;
    const auto method = static_cast<model::ForwardingMethod>(record.flags & kConnectionMethodMask);
    const bool is_bypass = method == model::ForwardingMethod::Bypass;
    if (!is_outbound) {
        route = parts_.router.find_route(way_end(destination, method, inbound), {});
    } else if (packet.frame.reason == XVS_REASON_EGRESS) {
        route.kind = RouteKind::Local;  // the host's stack has chosen the way
    } else {
        route = parts_.router.find_route(inbound.source_address(), inbound.destination_address());
    }
    const bool leads_out = route.kind == RouteKind::Unicast;
    if (is_bypass ? !leads_out : route.kind == RouteKind::Unreachable) return DropReason::NoRoute;
    const ForwardingContext<Ip> context{.tables = parts_.tables,
                                        .destination = destination,
                                        .method = method,
                                        .inbound = inbound,
                                        .route = route,
                                        .role = record.role};
    xvs_translation wanted =
        is_outbound ? masquerade_outbound(context) : inbound_translation(context);
    const bool is_local = is_outbound && route.kind == RouteKind::Local;
    if (is_local && packet.frame.reason != XVS_REASON_EGRESS) wanted.rewrite |= XVS_TO_HOST;
    flow::TranslationTable& table = parts_.tables.translations();
    // The way of requests is the real server's: what one flow finds out holds for all that share
    // its translation. Replies go to a client, each its own way, as does what has no real server.
    const std::uint32_t former = flows_.entry(slot).translation;
    if (!is_outbound && !is_bypass && former != XVS_NONE && table.redirect(former, wanted)) {
        return DropReason::NoRoute;
    }
    const std::uint32_t translation = table.acquire(wanted);
    if (translation == XVS_NONE) return DropReason::TranslationTableFull;
    connections_.set_translation(slot, translation);
    if (is_outbound)
        learn_reply_way(inbound, parts_.services.destination(record.destination), translation);
    return DropReason::NoRoute;
}

template <class Ip>
Verdict Pipeline<Ip>::send(Packet<Ip>& packet,
                           const xvs_translation& translation,
                           bool is_outbound,
                           Subject subject) noexcept {
    ++parts_.totals.forwarded;
    if ((translation.rewrite & XVS_TO_HOST) != 0) {
        apply(packet, translation, subject);
        // To a client on the director itself, from the VIP, an address of the director's too.
        if (is_outbound) packet.frame.interface = kLoopbackInterface;
        // Loopback takes a byte more of IPv6 than the private link brings.
        const bool is_syn = subject == Subject::Packet && (packet.events & XVS_EVENT_SYN) != 0;
        if (packet.frame.interface == kLoopbackInterface && is_syn &&
            packet.protocol == net::IpProtocol::Tcp && packet.has_transport_header())
            clamp_mss(packet, kMaxPacketSize);
        parts_.port.give_to_host(packet.frame);
        return Verdict::Forwarded;
    }
    if (packet.frame.reason == XVS_REASON_EGRESS) {
        apply(packet, translation, subject);
        parts_.port.transmit(packet.frame, packet.frame.interface);
        return Verdict::Forwarded;
    }
    // Kernel: crosses_local_route_boundary().
    if (!is_outbound && packet.ip().source().is_loopback()) [[unlikely]] {
        --parts_.totals.forwarded;
        return drop(DropReason::LoopbackSource);
    }
    if (ttl(packet) <= 1) return refuse_to_forward(packet, translation, IcmpError::TtlExceeded, 0);
    // The kernel counts a request down before it looks at the MTU and a reply after: an error that
    // quotes it shows which. Kernel: __ip_vs_get_out_rt(), ip_forward().
    if (!is_outbound) decrement_ttl(packet);
    const xvs_next_hop& hop = parts_.tables.next_hops()[flow::load_relaxed(translation.next_hop)];
    const std::uint32_t mtu = hop.mtu - std::min<std::uint32_t>(hop.mtu, translation.overhead);
    if (subject == Subject::Packet && is_to_fit(packet, translation)) {
        if ((packet.events & XVS_EVENT_SYN) != 0) clamp_mss(packet, mtu);
        if (is_unfragmentable(packet)) cut_segments(packet, mtu);
    }
    const bool is_super = packet.frame.offload.segmentation != Segmentation::None;
    // Whole, it has to fit into its outer header's length as well.
    const bool outgrows_ip =
        !is_super && packet.network_length() + translation.overhead > kMaxPacketSize;
    const bool is_whole = is_unfragmentable(packet) && !is_cut_outside(translation);
    if ((segment_length(packet) > mtu && is_whole) || outgrows_ip)
        return refuse_to_forward(packet, translation, IcmpError::TooBig, mtu);
    if (is_outbound) decrement_ttl(packet);
    const bool may_wait = (flow::load_relaxed(hop.flags) & XVS_HOP_RESOLVED) == 0;
    if (may_wait && subject == Subject::Packet) [[unlikely]]
        return send_with_origin(packet, translation, is_outbound);
    apply(packet, translation, subject);
    return send_on_wire(packet, translation);
}

// Whether its service wants TCP to fit the tunnel, come what may of ICMP errors. ADR-0014.
template <class Ip>
bool Pipeline<Ip>::is_to_fit(const Packet<Ip>& packet,
                             const xvs_translation& translation) const noexcept {
    const bool is_tunnelled = (translation.rewrite & XVS_ENCAPSULATE) != 0;
    if (!is_tunnelled || packet.protocol != net::IpProtocol::Tcp || packet.fragment.is_fragment) {
        return false;
    }
    if (!is_available(translation)) return false;
    const ServiceState* service = parts_.services.destination(translation.destination).service;
    return service != nullptr && service->config.clamps_mss;
}

// Whether a packet that is too long for its tunnel is cut in its outer header, whatever DF says
// inside. Kernel: ensure_mtu_is_adequate() without pmtu_disc.
template <class Ip>
bool Pipeline<Ip>::is_cut_outside(const xvs_translation& translation) const noexcept {
    return Ip::kFamily == net::Family::Ipv4 && (translation.rewrite & XVS_ENCAPSULATE) != 0 &&
           parts_.settings.sysctls.pmtu_disc == 0;
}

template <class Ip>
void Pipeline<Ip>::apply(Packet<Ip>& packet,
                         const xvs_translation& translation,
                         Subject subject) noexcept {
    if (subject == Subject::Quoted) {
        rewrite_quoted(packet, translation);
    } else {
        rewrite(packet, translation);
    }
}

template <class Ip>
Verdict Pipeline<Ip>::send_on_wire(Packet<Ip>& packet,
                                   const xvs_translation& translation) noexcept {
    const std::uint32_t next_hop = flow::load_relaxed(translation.next_hop);
    const std::uint32_t mtu = parts_.tables.next_hops()[next_hop].mtu;
    const bool is_super = packet.frame.offload.segmentation != Segmentation::None;
    // Without DF a super-packet may be cut smaller instead of being fragmented.
    if (is_super) {
        limit_segments(packet, mtu - std::min<std::uint32_t>(mtu, translation.overhead));
        if (translation.tunnel != 0) return send_segments(packet, translation);
    }
    Outgoing outgoing{
        .frame = packet.frame, .next_hop = next_hop, .type = net::ether_type(Ip::kFamily)};
    if ((translation.rewrite & XVS_ENCAPSULATE) != 0) {
        // Not every card finds the checksum of a packet in a tunnel that it does not know.
        if (!is_super) complete_checksum(packet.frame);
        const bool copies_df = parts_.settings.sysctls.pmtu_disc != 0;
        encapsulate(packet, translation, parts_.identifications.next(), copies_df);
        outgoing.frame = packet.frame;
        outgoing.type = net::ether_type(net::Family{translation.outer_family});
        if (is_super) outgoing.outer_size = translation.overhead;
    }
    if (!is_super && packet.network_length() > mtu) {
        const std::uint32_t identification = parts_.identifications.next_wide();
        if (!send_fragments(outgoing, mtu, identification, parts_.port, parts_.transmitter)) {
            --parts_.totals.forwarded;
            return drop(DropReason::NoBuffer);
        }
        return Verdict::Forwarded;
    }
    parts_.transmitter.send(outgoing);
    return Verdict::Forwarded;
}

// The kernel puts one IP header in front of the segments that it cuts, and no other.
template <class Ip>
Verdict Pipeline<Ip>::send_segments(const Packet<Ip>& packet,
                                    const xvs_translation& translation) noexcept {
    const std::uint32_t share = segment_share(packet);
    const std::uint32_t whole = payload_size(packet);
    for (std::uint32_t at = 0; at < whole; at += share) {
        Packet<Ip> segment;
        const bool has_room =
            share != 0 &&
            make_segment(packet, at, std::min(share, whole - at), parts_.port, segment);
        if (!has_room) {
            --parts_.totals.forwarded;
            return drop(DropReason::NoBuffer);
        }
        (void)send_on_wire(segment, translation);
    }
    return Verdict::Forwarded;
}

template <class Ip>
bool Pipeline<Ip>::run_timers(std::size_t limit) noexcept {
    fragments_.expire();
    return connections_.run_timers(limit);
}

template <class Ip>
Verdict Pipeline<Ip>::hand_over(const Packet<Ip>& packet, std::uint8_t worker) noexcept {
    return parts_.give_to(worker, packet.frame);
}

template class Pipeline<flow::Ipv4>;
template class Pipeline<flow::Ipv6>;

}  // namespace xvs::engine
