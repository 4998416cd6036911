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

    // Calls `reclaim(slot)` for those that `is_wanted(slot)` says, grace period or not, and returns
    // for how many. Cost: a step for each slot that is not yet free; nothing is done where there
    // are more than `most`.
    template <class IsWanted, class Reclaim>
    std::size_t extract(std::size_t most, IsWanted&& is_wanted, Reclaim&& reclaim) noexcept {
        if (size() > most) return 0;
        std::size_t count = 0;
        for (Batch* batch : {&waiting_, &gathering_}) {
            Batch kept;
            while (batch->count > 0) {
                const SlotIndex slot = batch->pop(links_, [](SlotIndex) {});
                if (is_wanted(slot)) {
                    reclaim(slot);
                    ++count;
                } else {
                    kept.push(slot, links_);
                }
            }
            *batch = kept;
        }
        return count;
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
