// RetireQueue: retired slots of a flow table, until no program in the kernel can still be in them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "base/page_allocator.h"
#include "flow/grace_period.h"
#include "flow/layout.h"

namespace xvs::flow {

using SlotIndex = std::uint32_t;  // XVS_NONE: none

// Slots gather in one batch while an earlier batch waits for its grace period. Either has room for
// all slots of the table, in pages that take no memory before they are needed, so the queue cannot
// be full. Thread: the worker.
class RetireQueue {
public:
    // REQUIRES: no more than `slots` are in it at a time.
    RetireQueue(std::uint32_t slots, GracePeriod& grace) noexcept
        : grace_(grace), gathering_(grace.is_needed() ? slots : 0), waiting_(gathering_.room()) {}

    // REQUIRES: `slot` is DEAD, and a grace period is needed.
    void push(SlotIndex slot) noexcept { gathering_.push(slot); }

    // Calls `reclaim(slot)` for at most `limit` slots whose grace period has ended, having called
    // `prefetch(slot)` some slots ahead, and returns for how many. Never waits.
    template <class Prefetch, class Reclaim>
    std::size_t drain(std::size_t limit, Prefetch&& prefetch, Reclaim&& reclaim) noexcept {
        if (waiting_.size() == 0) start_batch();
        if (waiting_.size() == 0 || !grace_.has_ended(period_)) return 0;
        const std::size_t count = limit < waiting_.size() ? limit : waiting_.size();
        for (std::size_t i = 0; i < kAhead && i < count; ++i)
            prefetch(waiting_.from_end(i));
        for (std::size_t i = 0; i < count; ++i) {
            if (i + kAhead < count) prefetch(waiting_.from_end(kAhead));
            reclaim(waiting_.pop());
        }
        if (waiting_.size() == 0) start_batch();
        return count;
    }

    // Takes one slot out of which `is_wanted(slot)`, grace period or not, and returns it; XVS_NONE
    // if there is none, or there are more than `most` to search. Cost: a step for each of them.
    template <class IsWanted>
    SlotIndex take(std::size_t most, IsWanted&& is_wanted) noexcept {
        if (size() > most) return XVS_NONE;
        for (Batch* batch : {&waiting_, &gathering_}) {
            for (std::size_t i = 0; i < batch->size(); ++i) {
                if (is_wanted(batch->from_end(i))) return batch->remove(i);
            }
        }
        return XVS_NONE;
    }

    // Returns how many slots are not yet free for reuse.
    [[nodiscard]] std::size_t size() const noexcept { return gathering_.size() + waiting_.size(); }

private:
    static constexpr std::size_t kAhead = 16;  // slots that are prefetched before they are freed

    class Batch {
    public:
        explicit Batch(std::size_t room) noexcept
            : slots_(room == 0 ? nullptr : PageAllocator<SlotIndex>().allocate(room), Pages{room}) {
        }

        [[nodiscard]] std::size_t room() const noexcept { return slots_.get_deleter().count; }

        [[nodiscard]] std::size_t size() const noexcept { return size_; }

        void push(SlotIndex slot) noexcept { slots_[size_++] = slot; }

        SlotIndex pop() noexcept { return slots_[--size_]; }

        // The last one is number 0. REQUIRES: number < size().
        [[nodiscard]] SlotIndex from_end(std::size_t number) const noexcept {
            return slots_[size_ - 1 - number];
        }

        // The last one takes its place.
        SlotIndex remove(std::size_t number) noexcept {
            const SlotIndex last = slots_[size_ - 1];
            const SlotIndex removed = std::exchange(slots_[size_ - 1 - number], last);
            --size_;
            return removed;
        }

    private:
        struct Pages {
            std::size_t count;

            void operator()(SlotIndex* slots) const noexcept {
                PageAllocator<SlotIndex>().deallocate(slots, count);
            }
        };

        std::unique_ptr<SlotIndex[], Pages> slots_;
        std::size_t size_ = 0;
    };

    void start_batch() noexcept {
        if (gathering_.size() == 0) return;
        std::swap(waiting_, gathering_);
        period_ = grace_.request();
    }

    GracePeriod& grace_;
    Batch gathering_;
    Batch waiting_;
    GracePeriod::Number period_ = 0;
};

}  // namespace xvs::flow
