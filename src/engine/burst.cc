// A burst's way through the engine. What most of its packets are, those of established connections
// that change nothing, is forwarded here; all that needs a closer look goes on in pipeline.cc.
#include <algorithm>
#include <array>

#include "engine/forward/fragment_output.h"
#include "engine/forward/replay.h"
#include "engine/pipeline.h"

namespace xvs::engine {
namespace {

// What an IP header's length can say.
constexpr std::uint32_t kMaxPacketSize = 65535;

// Entries beyond this do not fit into a core's L2 cache, so fetching them ahead is worth its price.
constexpr std::size_t kCachedBytes = std::size_t{1} << 20;

// Whether the packet, or each segment of it, fits its next hop with all that is put in front.
template <class Ip>
bool fits(const Packet<Ip>& packet,
          const xvs_translation& translation,
          const xvs_next_hop& hop) noexcept {
    return segment_length(packet) + translation.overhead <= std::min(hop.mtu, kMaxPacketSize);
}

// Whether there is nothing to be done but to put an outer IP header in front.
template <class Ip>
bool is_plain_tunnel(const Packet<Ip>& packet, const xvs_translation& translation) noexcept {
    const Offload& offload = packet.frame.offload;
    return translation.tunnel == 0 && offload.segmentation == Segmentation::None &&
           !offload.has_partial_checksum;
}

}  // namespace

template <class Ip>
void Pipeline<Ip>::process(std::span<const Frame* const> frames) noexcept {
    if (frames.empty()) return;
    now_ = to_tick(parts_.clock.now());
    std::array<ParseOutcome, kMaxBurst> outcomes;
    const bool prefetches = std::size_t{flows_.live()} * sizeof(typename Ip::Flow) > kCachedBytes;
    for (std::size_t i = 0; i < frames.size(); ++i)
        outcomes[i] = parse(*frames[i], packets_[i]);
    if (prefetches) prefetch_entries(std::span(outcomes).first(frames.size()));
    for (std::size_t i = 0; i < frames.size(); ++i) {
        parts_.reports.follow_until(*frames[i]);
        switch (outcomes[i]) {
            case ParseOutcome::Balanced:
                (void)handle(packets_[i]);
                break;
            case ParseOutcome::Icmp:
                (void)handle_icmp(packets_[i]);
                break;
            case ParseOutcome::Other:
                (void)give_to_host(packets_[i]);
                break;
            case ParseOutcome::Dropped:
                break;
        }
    }
    (void)install_beginning();
}

template <class Ip>
[[gnu::always_inline]] inline ParseOutcome Pipeline<Ip>::parse(const Frame& frame,
                                                               Packet<Ip>& packet) noexcept {
    const ParseResult result = parse_packet<Ip>(frame, packet);
    if (result.outcome == ParseOutcome::Dropped) {
        (void)drop(result.reason);
    } else if (!parts_.services.serves(Ip::kFamily)) {
        return ParseOutcome::Other;
    } else if (result.outcome == ParseOutcome::Balanced) {
        // No header of a frame can say that what is left to a device is a CRC.
        if (packet.protocol == net::IpProtocol::Sctp) complete_sctp_checksum(packet);
        if (is_of_strangers(packet)) return ParseOutcome::Other;
        packet.hash = flows_.hash(packet.key);
    }
    return result.outcome;
}

// With nothing in between: a prefetch holds up what follows until it knows where its page is, so
// the walks through page tables overlap only where prefetches follow each other closely.
template <class Ip>
[[gnu::always_inline]] inline void Pipeline<Ip>::prefetch_entries(
    std::span<const ParseOutcome> outcomes) const noexcept {
    for (std::size_t i = 0; i < outcomes.size(); ++i) {
        if (outcomes[i] != ParseOutcome::Balanced) continue;
        if ((packets_[i].events & XVS_EVENT_SYN) != 0) {
            flows_.prefetch_insert(packets_[i].hash);
        } else {
            flows_.prefetch(packets_[i].hash);
        }
    }
}

// Whether neither a service nor a connection can be the packet's.
template <class Ip>
[[gnu::always_inline]] inline bool Pipeline<Ip>::is_of_strangers(
    const Packet<Ip>& packet) const noexcept {
    const AddressFilter& addresses = parts_.services.addresses();
    return !addresses.may_hold(packet.key.destination) && !addresses.may_hold(packet.key.source) &&
           !packet.fragment.is_fragment && packet.frame.fwmark == 0;
}

template <class Ip>
[[gnu::always_inline]] inline Verdict Pipeline<Ip>::handle(Packet<Ip>& packet) noexcept {
    if (packet.fragment.is_fragment) [[unlikely]]
        return handle_fragment(packet);
    flow::SlotIndex slot = flows_.find(packet.key, packet.hash);
    if (slot != XVS_NONE && forward_established(packet, slot)) [[likely]]
        return Verdict::Forwarded;
    const bool is_known =
        slot == XVS_NONE ? !beginning_hashes_.contains(packet.hash) : !flows_.is_drawn(slot);
    if (!is_known) slot = find_entry(packet);
    if (slot == XVS_NONE) return miss(packet);
    if (is_of_other(slot)) return hand_over(packet, flows_.owner(slot));
    return hit(packet, slot);
}

// As hit() does, where nothing is to be decided. Returns false, and has changed nothing, where
// there is: all that hit() and those after it ask about the packet is asked here at once.
template <class Ip>
[[gnu::always_inline]] inline bool Pipeline<Ip>::forward_established(
    Packet<Ip>& packet, flow::SlotIndex slot) noexcept {
    if (is_of_other(slot) || flows_.is_drawn(slot)) return false;
    const auto& entry = flows_.entry(slot);  // from here on nobody else writes its masks
    const unsigned marked = entry.punt | entry.report | XVS_EVENT_SYN;
    const bool is_marked = (marked & packet.events) != 0 || entry.punt == XVS_EVENT_ANY;
    if (is_marked || has_access_lists()) return false;
    return forward_plainly(packet, slot);
}

// By an entry whose masks do not matter. Returns false, and has changed nothing, where more is to
// be done than to rewrite the packet and to send it.
template <class Ip>
[[gnu::always_inline]] inline bool Pipeline<Ip>::forward_plainly(Packet<Ip>& packet,
                                                                 flow::SlotIndex slot) noexcept {
    const auto& entry = flows_.entry(slot);
    const std::uint32_t index = entry.translation;
    if (index == XVS_NONE || packet.frame.reason == XVS_REASON_EGRESS) return false;
    const xvs_translation& translation = parts_.tables.translations()[index];
    const auto way = parts_.tables.translations().way(index);
    if (!parts_.tables.next_hops().is_current(way.next_hop, way.generation)) return false;
    const xvs_next_hop& hop = parts_.tables.next_hops()[way.next_hop];
    const bool is_resolved = (flow::load_relaxed(hop.flags) & XVS_HOP_RESOLVED) != 0;
    const bool is_outbound = (entry.flags & XVS_FLOW_OUTBOUND) != 0;
    const bool is_tunnelled = (translation.rewrite & XVS_ENCAPSULATE) != 0;
    if (!is_resolved || parts_.transmitter.has_waiting() ||
        (translation.rewrite & XVS_TO_HOST) != 0 || !is_available(translation) ||
        ttl(packet) <= 1 || !fits(packet, translation, hop) ||
        (is_tunnelled && !is_plain_tunnel(packet, translation)) ||
        (!is_outbound && packet.ip().source().is_loopback())) {
        return false;
    }
    count(translation, is_outbound, packet.network_length());
    flows_.note_packet(slot, now_);
    ++parts_.totals.forwarded;
    decrement_ttl(packet);
    rewrite(packet, translation);
    net::EtherType type = net::ether_type(Ip::kFamily);
    if (is_tunnelled) {
        const bool copies_df = parts_.settings.sysctls.pmtu_disc != 0;
        encapsulate(packet, translation, parts_.identifications.next(), copies_df);
        type = net::ether_type(net::Family{translation.outer_family});
    }
    parts_.transmitter.put_on_wire(packet.frame, hop, type);
    return true;
}

template <class Ip>
flow::SlotIndex Pipeline<Ip>::find_entry(const Packet<Ip>& packet) noexcept {
    const flow::SlotIndex slot = find_live(packet);
    if (slot != XVS_NONE || !beginning_hashes_.contains(packet.hash)) return slot;
    (void)install_beginning();
    return find_live(packet);
}

// Installs the connections that have begun in this burst, whose slots are fetched together, and
// sends their packets. Returns what became of the last one.
template <class Ip>
Verdict Pipeline<Ip>::install_beginning() noexcept {
    Verdict verdict = Verdict::Dropped;
    prefetch_beginning();
    for (std::size_t each = 0; each < beginning_count_; ++each) {
        const Beginning& begun = beginning_[each];
        if (!connections_.install(begun.connection, begun.wanted)) {
            // A program in the kernel may have met the connection's next packet meanwhile.
            const flow::SlotIndex other = find_live(*begun.packet);
            verdict = other == XVS_NONE ? drop(DropReason::ConnectionTableFull)
                                        : replay(*begun.packet, other, true);
            continue;
        }
        parts_.services.count_connection(*begun.destination);
        verdict = forward_first(begun);
    }
    beginning_count_ = 0;
    beginning_hashes_.clear();
    return verdict;
}

// The packet that a connection begins with.
template <class Ip>
[[gnu::always_inline]] inline Verdict Pipeline<Ip>::forward_first(const Beginning& begun) noexcept {
    Packet<Ip>& packet = *begun.packet;
    const flow::SlotIndex slot = connections_[begun.connection].inbound;
    if (!begun.wanted.is_followed) return forward_quoted(packet, slot);
    const xvs_translation& first = parts_.tables.translations()[begun.wanted.inbound_translation];
    const bool may_be_plain = !packet.fragment.is_fragment && begun.wanted.role == XVS_ROLE_NONE &&
                              !is_to_fit(packet, first);
    if (may_be_plain && forward_plainly(packet, slot)) return Verdict::Forwarded;
    return replay(packet, slot, false);
}

template void Pipeline<flow::Ipv4>::process(std::span<const Frame* const>) noexcept;
template void Pipeline<flow::Ipv6>::process(std::span<const Frame* const>) noexcept;
template Verdict Pipeline<flow::Ipv4>::install_beginning() noexcept;
template Verdict Pipeline<flow::Ipv6>::install_beginning() noexcept;
template flow::SlotIndex Pipeline<flow::Ipv4>::find_entry(const Packet<flow::Ipv4>&) noexcept;
template flow::SlotIndex Pipeline<flow::Ipv6>::find_entry(const Packet<flow::Ipv6>&) noexcept;

}  // namespace xvs::engine
