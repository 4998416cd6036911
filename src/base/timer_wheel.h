// TimerWheel: calls back ids at a tick of time, cheaply for millions of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace xvs {

// An array of slots, each of 2^kSlotShift ticks, holding the ids due in it in chunks of 64 bytes
// that come from one pool. An id is handed back when its slot is over: never early, at most one
// slot late. Nothing is taken out: whoever changes its mind lets the id come and ignores it, so the
// owner keeps beside each id the tick it is due at. Ticks wrap; two that are compared must lie less
// than 2^31 apart. Thread: one.
template <unsigned kSlotShift = 4, std::uint32_t kSlots = 1024>
class TimerWheel {
    static_assert((kSlots & (kSlots - 1)) == 0);

public:
    using Tick = std::uint32_t;

    static constexpr Tick kTicksPerSlot = Tick{1} << kSlotShift;
    static constexpr Tick kHorizonTicks = (kSlots - 1) << kSlotShift;

    // Has room for `capacity` ids, the ignored ones among them, wherever they are due.
    TimerWheel(Tick now, std::uint32_t capacity)
        : base_(now & ~(kTicksPerSlot - 1)),
          chunk_count_(capacity / kIdsPerChunk + kSlots + 2),
          chunks_(std::make_unique_for_overwrite<Chunk[]>(chunk_count_)) {}

    // Returns the tick at which an id wanted at `at` can be handed back: `at` itself, but nothing
    // beyond the horizon.
    [[nodiscard]] Tick clamp(Tick at) const noexcept {
        const Tick ahead = at - base_;
        return static_cast<std::int32_t>(ahead) > static_cast<std::int32_t>(kHorizonTicks)
                   ? base_ + kHorizonTicks
                   : at;
    }

    // Has advance() hand `id` back at clamp(at), soon if that is past. Returns false when there is
    // no room. Cost: 1 store to a line that is in cache.
    [[nodiscard]] bool schedule(std::uint32_t id, Tick at) noexcept {
        Slot& slot = slots_[slot_of(clamp(at))];
        if (slot.head == kNone || slot.fill == kIdsPerChunk) {
            const std::uint32_t chunk = take_chunk();
            if (chunk == kNone) return false;
            chunks_[chunk].next = slot.head;
            slot = {chunk, 0};
        }
        chunks_[slot.head].ids[slot.fill++] = id;
        ++size_;
        return true;
    }

    // Calls `expire(id)` for at most `limit` ids whose time is over at `now`, having called
    // `prefetch(id)` some ids ahead, and returns for how many: `limit` says that there may be more.
    // `expire` may schedule.
    template <class Prefetch, class Expire>
    std::size_t advance(Tick now,
                        std::size_t limit,
                        Prefetch&& prefetch,
                        Expire&& expire) noexcept {
        std::size_t done = 0;
        while (done < limit) {
            if (due_.head == kNone && !take_due_slot(now, prefetch)) return done;
            done += expire_chunk(limit - done, prefetch, expire);
        }
        return done;
    }

    template <class Expire>
    std::size_t advance(Tick now, std::size_t limit, Expire&& expire) noexcept {
        return advance(
            now, limit, [](std::uint32_t) noexcept {}, expire);
    }

    // Returns how many ids are to be handed back, the ignored ones among them.
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

private:
    static constexpr std::uint32_t kNone = 0xffffffffu;
    static constexpr std::uint32_t kIdsPerChunk = 15;
    static constexpr std::uint32_t kAhead = 8;  // ids that are prefetched before they are expired

    struct alignas(64) Chunk {
        std::uint32_t next;
        std::uint32_t ids[kIdsPerChunk];
    };

    // The chunk at the head holds `fill` ids, those behind it are full.
    struct Slot {
        std::uint32_t head = kNone;
        std::uint32_t fill = 0;
    };

    [[nodiscard]] std::uint32_t slot_of(Tick at) const noexcept {
        // What is past belongs to the slot that is over next.
        const Tick from = static_cast<std::int32_t>(at - base_) < 0 ? base_ : at;
        return (from >> kSlotShift) & (kSlots - 1);
    }

    // Moves the next slot that is over and not empty to `due_`.
    template <class Prefetch>
    bool take_due_slot(Tick now, Prefetch& prefetch) noexcept {
        if (size_ == 0) {
            if (static_cast<std::int32_t>(now - base_) > 0) base_ = now & ~(kTicksPerSlot - 1);
            return false;
        }
        while (static_cast<std::int32_t>(now - base_) >= static_cast<std::int32_t>(kTicksPerSlot)) {
            Slot& slot = slots_[slot_of(base_)];
            base_ += kTicksPerSlot;
            if (slot.head == kNone) continue;
            due_ = slot;
            slot = {};
            prefetch_last(chunks_[due_.head], due_.fill, prefetch);
            return true;
        }
        return false;
    }

    // Expires ids of the chunk at the head of `due_`, the last first.
    template <class Prefetch, class Expire>
    std::size_t expire_chunk(std::size_t limit, Prefetch& prefetch, Expire& expire) noexcept {
        const std::uint32_t head = due_.head;
        Chunk& chunk = chunks_[head];
        std::size_t done = 0;
        if (chunk.next != kNone) __builtin_prefetch(&chunks_[chunk.next]);
        while (due_.fill > 0 && done < limit) {
            const std::uint32_t id = chunk.ids[--due_.fill];
            if (due_.fill >= kAhead) prefetch(chunk.ids[due_.fill - kAhead]);
            // The next chunk's last ids, while this one's are still being expired.
            if (due_.fill == kAhead - 1 && chunk.next != kNone) {
                prefetch_last(chunks_[chunk.next], kIdsPerChunk, prefetch);
            }
            --size_;
            ++done;
            expire(id);
        }
        if (due_.fill == 0) {
            due_ = {chunk.next, kIdsPerChunk};
            chunk.next = free_;
            free_ = head;
        }
        return done;
    }

    template <class Prefetch>
    static void prefetch_last(const Chunk& chunk, std::uint32_t fill, Prefetch& prefetch) noexcept {
        for (std::uint32_t i = 0; i < kAhead && i < fill; ++i)
            prefetch(chunk.ids[fill - 1 - i]);
    }

    [[nodiscard]] std::uint32_t take_chunk() noexcept {
        if (free_ != kNone) {
            const std::uint32_t chunk = free_;
            free_ = chunks_[chunk].next;
            return chunk;
        }
        return used_ < chunk_count_ ? used_++ : kNone;
    }

    Tick base_;  // where the first slot that is not over begins
    std::uint32_t chunk_count_;
    std::unique_ptr<Chunk[]> chunks_;
    std::uint32_t used_ = 0;      // chunks from here on were never used
    std::uint32_t free_ = kNone;  // the first of those used before
    std::size_t size_ = 0;
    Slot due_;  // a slot that is over
    Slot slots_[kSlots];
};

}  // namespace xvs
