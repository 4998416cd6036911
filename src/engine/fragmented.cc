// What becomes of fragments: ADR-0004.
#include <utility>

#include "engine/pipeline.h"

namespace xvs::engine {

// The first fragment shows the ports and decides; the others are replayed as it was.
// DIFFERS FROM IPVS: ADR-0004. The kernel puts IPv4 fragments together first, and counts one
// packet.
template <class Ip>
Verdict Pipeline<Ip>::handle_fragment(Packet<Ip>& packet) noexcept {
    if (packet.fragment.is_first) return handle_first_fragment(packet);
    const auto fate = fragments_.find(packet);
    switch (fate.fate) {
        case FragmentFate::Balanced: {
            packet.key = fate.key;
            packet.hash = flows_.hash(packet.key);
            packet.events = 0;
            const flow::SlotIndex slot = find_live(packet);
            return slot != XVS_NONE ? hit(packet, slot) : drop(DropReason::FragmentOfDropped);
        }
        case FragmentFate::ToHost:
            return give_to_host(packet);
        case FragmentFate::Dropped:
            return drop(DropReason::FragmentOfDropped);
        case FragmentFate::Elsewhere:
            return hand_over(packet, fate.worker);
        case FragmentFate::Alone:
            return follow_one(packet, fate);
        case FragmentFate::Unknown:
            break;
    }
    fragments_.keep(packet);
    return Verdict::Held;
}

template <class Ip>
void Pipeline<Ip>::remember_fate(const Packet<Ip>& first, Verdict verdict) noexcept {
    typename Fragments<Ip>::Fate fate{.fate = FragmentFate::Dropped, .key = first.key};
    const std::uint32_t destination = std::exchange(sent_alone_to_, XVS_NONE);
    if (verdict == Verdict::ToHost) {
        fate.fate = FragmentFate::ToHost;
    } else if (verdict == Verdict::Forwarded && destination != XVS_NONE) {
        fate.fate = FragmentFate::Alone;
        fate.destination = destination;
        fate.generation = parts_.tables.destinations()[destination].generation;
    } else if (verdict == Verdict::Forwarded) {
        fate.fate = FragmentFate::Balanced;
    }
    fragments_.remember(first, fate);
}

// All fragments of a datagram come to one worker. Where the connection is another's, that one gets
// them all, in order, and decides as if they had come to it.
template <class Ip>
Verdict Pipeline<Ip>::handle_first_fragment(Packet<Ip>& packet) noexcept {
    const Packet<Ip> first = packet;
    const flow::SlotIndex slot = find_entry(packet);
    std::uint8_t worker = parts_.worker;
    if (parts_.has_others)
        worker = slot != XVS_NONE ? flows_.owner(slot) : worker_of_request(packet);
    Verdict verdict = Verdict::HandedOver;
    if (worker != parts_.worker) {
        verdict = hand_over(packet, worker);
        const bool has_gone = verdict == Verdict::HandedOver;
        fragments_.remember(first,
                            {.fate = has_gone ? FragmentFate::Elsewhere : FragmentFate::Dropped,
                             .key = first.key,
                             .worker = worker});
    } else {
        verdict = slot != XVS_NONE ? hit(packet, slot) : miss(packet);
        // Its followers may be here already.
        if (verdict == Verdict::Held) verdict = install_beginning();
        remember_fate(first, verdict);
    }
    const std::size_t resumed =
        fragments_.resume(first, [this](Packet<Ip>& follower) { (void)handle_fragment(follower); });
    // What was resumed lies in buffers that the next fragment may need.
    if (resumed > 0) parts_.port.flush();
    return verdict;
}

template Verdict Pipeline<flow::Ipv4>::handle_fragment(Packet<flow::Ipv4>&) noexcept;
template Verdict Pipeline<flow::Ipv6>::handle_fragment(Packet<flow::Ipv6>&) noexcept;

}  // namespace xvs::engine
