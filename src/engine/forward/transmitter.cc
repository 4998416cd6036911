#include "engine/forward/transmitter.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace xvs::engine {

Transmitter::Transmitter(
    flow::Tables& tables, Router& router, PacketPort& port, DropCounters& drops, const Clock& clock)
    : tables_(tables),
      router_(router),
      port_(port),
      drops_(drops),
      clock_(clock),
      waiting_(kMaxWaiting) {
    for (Waiting& each : waiting_) {
        each.buffer = std::make_unique_for_overwrite<std::byte[]>(kBufferSize);
    }
}

void Transmitter::send(const Outgoing& outgoing) noexcept {
    const xvs_next_hop& hop = tables_.next_hops()[outgoing.next_hop];
    if ((hop.flags & XVS_HOP_RESOLVED) != 0) {
        if (has_waiting()) retry();
        put_on_wire(outgoing.frame, hop, outgoing.type, outgoing.outer_size);
    } else {
        router_.resolve(outgoing.next_hop);
        keep(outgoing);
    }
}

void Transmitter::keep(const Outgoing& outgoing) noexcept {
    Waiting* free = nullptr;
    std::size_t of_this_hop = 0;
    for (Waiting& each : waiting_) {
        if (!each.is_used) {
            free = &each;
        } else if (each.outgoing.next_hop == outgoing.next_hop) {
            ++of_this_hop;
        }
    }
    const bool fits = kFrameHeadroom + outgoing.frame.length <= kBufferSize;
    if (free == nullptr || of_this_hop >= kMaxWaitingPerHop || !fits) {
        drops_.count(DropReason::NeighbourQueueFull);
        return;
    }
    free->outgoing = outgoing;
    free->outgoing.frame.data = free->buffer.get() + kFrameHeadroom;
    free->outgoing.frame.headroom = static_cast<std::uint32_t>(kFrameHeadroom);
    std::memcpy(free->outgoing.frame.data, outgoing.frame.data, outgoing.frame.length);
    free->generation = tables_.next_hops()[outgoing.next_hop].generation;
    free->until = to_tick(clock_.now()) + to_ticks(kMaxWait);
    free->origin = origin_;
    end_origin();
    free->is_used = true;
    free->number = ++last_number_;
    ++waiting_count_;
}

void Transmitter::retry() noexcept {
    if (waiting_count_ == 0) return;
    std::array<Waiting*, kMaxWaiting> order{};
    std::size_t count = 0;
    for (Waiting& each : waiting_) {
        if (each.is_used) order[count++] = &each;
    }
    const std::span<Waiting*> all = std::span(order).first(count);
    std::sort(all.begin(), all.end(), [](const Waiting* one, const Waiting* other) {
        return one->number < other->number;
    });
    for (Waiting* each : all)
        retry(*each);
    // Their buffers may be needed for the next ones.
    if (waiting_count_ < count) port_.flush();
}

void Transmitter::retry(Waiting& waiting) noexcept {
    const std::uint32_t index = waiting.outgoing.next_hop;
    const bool is_current = tables_.next_hops().is_current(index, waiting.generation);
    const xvs_next_hop& hop = tables_.next_hops()[index];
    const bool is_resolved = (hop.flags & XVS_HOP_RESOLVED) != 0;
    if (is_current && !is_resolved) return;
    if (is_current) {
        const Outgoing& outgoing = waiting.outgoing;
        put_on_wire(outgoing.frame, hop, outgoing.type, outgoing.outer_size);
    } else {
        drops_.count(DropReason::NeighbourUnresolved);
    }
    waiting.is_used = false;
    --waiting_count_;
}

}  // namespace xvs::engine
