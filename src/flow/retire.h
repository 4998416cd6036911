// RetireQueue: retired slots of a flow table, until no program in the kernel can still be in them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "flow/grace_period.h"
#include "flow/layout.h"

namespace xvs::flow {

using SlotIndex = std::uint32_t;  // XVS_NONE: none

// Slots gather in one batch while an earlier batch waits for its grace period. They are linked
// through the table's owner array, where a dead slot has no owner, so the queue cannot be full.
// Thread: the worker.
class RetireQueue {
public:
    RetireQueue(std::span<std::uint32_t> links, GracePeriod& grace) noexcept
        : links_(links), grace_(grace) {}

    // REQUIRES: `slot` is DEAD.
    void push(SlotIndex slot) noexcept { gathering_.push(slot, links_); }

    // Calls `reclaim(slot)` for at most `limit` slots whose grace period has ended, having called
    // `prefetch(slot)` a few slots ahead, and returns for how many. Never waits.
    template <class Prefetch, class Reclaim>
    std::size_t drain(std::size_t limit, Prefetch&& prefetch, Reclaim&& reclaim) noexcept {
        if (waiting_.count == 0) start_batch();
        if (waiting_.count == 0 || !grace_.has_ended(period_)) return 0;
        const std::size_t count = limit < waiting_.count ? limit : waiting_.count;
        for (std::size_t i = 0; i < count; ++i) {
            const SlotIndex slot = waiting_.pop(links_, [&](SlotIndex head) {
                __builtin_prefetch(&links_[head]);
                prefetch(head);
            });
            reclaim(slot);
        }
        if (waiting_.count == 0) start_batch();
        return count;
    }

    // Takes one slot out of which `is_wanted(slot)`, grace period or not, and returns it; XVS_NONE
    // if there is none, or there are more than `most` to search. Cost: a step for each of them.
    template <class IsWanted>
    SlotIndex take(std::size_t most, IsWanted&& is_wanted) noexcept {
        if (size() > most) return XVS_NONE;
        for (Batch* batch : {&waiting_, &gathering_}) {
            for (std::uint32_t& head : batch->heads) {
                for (SlotIndex slot = head; slot != XVS_NONE; slot = links_[slot]) {
                    if (!is_wanted(slot)) continue;
                    batch->remove(slot, head, links_);
                    return slot;
                }
            }
        }
        return XVS_NONE;
    }

    // Returns how many slots are not yet free for reuse.
    [[nodiscard]] std::size_t size() const noexcept { return gathering_.count + waiting_.count; }

private:
    // Lists of one batch are walked in turn, so that eight cache misses overlap.
    static constexpr std::size_t kLanes = 8;

    struct Batch {
        Batch() noexcept { heads.fill(XVS_NONE); }

        void push(SlotIndex slot, std::span<std::uint32_t> links) noexcept {
            std::uint32_t& head = heads[count++ % kLanes];
            links[slot] = head;
            head = slot;
        }

        // Of the lane that was pushed to last; calls `next(slot)` for the one behind it there.
        template <class Next>
        SlotIndex pop(std::span<const std::uint32_t> links, Next&& next) noexcept {
            std::uint32_t& head = heads[--count % kLanes];
            const SlotIndex slot = head;
            head = links[slot];
            if (head != XVS_NONE) next(head);
            return slot;
        }

        // Of the lane that begins with `head`: the one that was pushed last takes its place.
        void remove(SlotIndex slot, std::uint32_t& head, std::span<std::uint32_t> links) noexcept {
            const SlotIndex last = pop(links, [](SlotIndex) {});
            if (last == slot) return;
            std::uint32_t* link = &head;
            while (*link != slot)
                link = &links[*link];
            links[last] = links[slot];
            *link = last;
        }

        std::array<std::uint32_t, kLanes> heads{};
        std::size_t count = 0;
    };

    void start_batch() noexcept {
        if (gathering_.count == 0) return;
        waiting_ = gathering_;
        gathering_ = Batch();
        period_ = grace_.request();
    }

    std::span<std::uint32_t> links_;
    GracePeriod& grace_;
    Batch gathering_;
    Batch waiting_;
    GracePeriod::Number period_ = 0;
};

}  // namespace xvs::flow
