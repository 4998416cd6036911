#include "engine/parse/fragments.h"

#include <cstring>
#include <random>

#include "flow/hash.h"

namespace xvs::engine {

template <class Ip>
Fragments<Ip>::Fragments(const Clock& clock, DropCounters& drops)
    : clock_(clock), drops_(drops), datagrams_(kMaxDatagrams), waiting_(kMaxWaiting) {
    std::random_device random;
    const std::uint32_t seed[2] = {random(), random()};
    keys_ = xvs_make_hash_keys(seed);
    for (Waiting& each : waiting_) {
        each.buffer = std::make_unique_for_overwrite<std::byte[]>(kBufferSize);
    }
}

template <class Ip>
typename Fragments<Ip>::Id Fragments<Ip>::id_of(const Packet<Ip>& packet) noexcept {
    return {.source = packet.key.source,
            .destination = packet.key.destination,
            .identification = packet.fragment.identification,
            .protocol = net::number(packet.protocol)};
}

template <class Ip>
std::size_t Fragments<Ip>::set_of(const Id& id) const noexcept {
    flow::FlowKey<Ip> key;
    key.source = id.source;
    key.destination = id.destination;
    key.source_port = static_cast<std::uint16_t>(id.identification);
    key.destination_port = static_cast<std::uint16_t>(id.identification >> 16);
    key.protocol = id.protocol;
    return (key.hash(keys_) % (kMaxDatagrams / kWays)) * kWays;
}

template <class Ip>
typename Fragments<Ip>::Fate Fragments<Ip>::find(const Packet<Ip>& follower) const noexcept {
    const Id id = id_of(follower);
    const std::size_t first = set_of(id);
    const Tick now = to_tick(clock_.now());
    for (std::size_t way = 0; way < kWays; ++way) {
        const Datagram& datagram = datagrams_[first + way];
        const bool is_live = datagram.is_used && ticks_between(now, datagram.until) > 0;
        if (is_live && datagram.id == id) return datagram.fate;
    }
    return {};
}

template <class Ip>
void Fragments<Ip>::remember(const Packet<Ip>& first, const Fate& fate) noexcept {
    const Id id = id_of(first);
    const Tick now = to_tick(clock_.now());
    Datagram* place = nullptr;
    for (std::size_t way = 0; way < kWays; ++way) {
        Datagram& datagram = datagrams_[set_of(id) + way];
        const bool is_free = !datagram.is_used || ticks_between(now, datagram.until) <= 0;
        if (is_free || datagram.id == id) {
            place = &datagram;
            if (!is_free) break;
        } else if (place == nullptr ||
                   (place->is_used && ticks_between(datagram.until, place->until) > 0)) {
            place = &datagram;
        }
    }
    *place = {.id = id, .fate = fate, .until = now + to_ticks(kRemembered), .is_used = true};
}

template <class Ip>
void Fragments<Ip>::keep(const Packet<Ip>& follower) noexcept {
    Waiting* free = nullptr;
    for (Waiting& each : waiting_) {
        if (!each.is_used) {
            free = &each;
            break;
        }
    }
    if (free == nullptr || kFrameHeadroom + follower.frame.length > kBufferSize) {
        drops_.count(DropReason::FragmentTableFull);
        return;
    }
    free->id = id_of(follower);
    free->packet = follower;
    free->packet.frame.data = free->buffer.get() + kFrameHeadroom;
    free->packet.frame.headroom = static_cast<std::uint32_t>(kFrameHeadroom);
    std::memcpy(free->packet.frame.data, follower.frame.data, follower.frame.length);
    free->until = to_tick(clock_.now()) + to_ticks(kMaxWait);
    free->is_used = true;
    free->number = ++last_number_;
    ++waiting_count_;
}

template <class Ip>
typename Fragments<Ip>::Waiting* Fragments<Ip>::find_waiting(const Packet<Ip>& first) noexcept {
    if (waiting_count_ == 0) return nullptr;
    const Id id = id_of(first);
    Waiting* earliest = nullptr;
    for (Waiting& each : waiting_) {
        if (!each.is_used || !(each.id == id)) continue;
        if (earliest == nullptr || each.number < earliest->number) earliest = &each;
    }
    return earliest;
}

template <class Ip>
void Fragments<Ip>::expire() noexcept {
    if (waiting_count_ == 0) return;
    const Tick now = to_tick(clock_.now());
    for (Waiting& each : waiting_) {
        if (!each.is_used || ticks_between(each.until, now) < 0) continue;
        each.is_used = false;
        --waiting_count_;
        drops_.count(DropReason::FragmentTimeout);
    }
}

template class Fragments<flow::Ipv4>;
template class Fragments<flow::Ipv6>;

}  // namespace xvs::engine
