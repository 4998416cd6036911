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
        : links_(links), grace_(grace) {
        gathering_.fill(XVS_NONE);
        waiting_.fill(XVS_NONE);
    }

    // REQUIRES: `slot` is DEAD.
    void push(SlotIndex slot) noexcept {
        std::uint32_t& head = gathering_[gathered_++ % kLanes];
        links_[slot] = head;
        head = slot;
    }

    // Calls `reclaim(slot)` for at most `limit` slots whose grace period has ended, having called
    // `prefetch(slot)` a few slots ahead, and returns for how many. Never waits.
    template <class Prefetch, class Reclaim>
    std::size_t drain(std::size_t limit, Prefetch&& prefetch, Reclaim&& reclaim) noexcept {
        if (waiting_count_ == 0) start_batch();
        if (waiting_count_ == 0 || !grace_.has_ended(period_)) return 0;
        const std::size_t count = limit < waiting_count_ ? limit : waiting_count_;
        for (std::size_t i = 0; i < count; ++i) {
            std::uint32_t& head = waiting_[next_lane_];
            const SlotIndex slot = head;
            head = links_[slot];
            if (head != XVS_NONE) {
                __builtin_prefetch(&links_[head]);
                prefetch(head);
            }
            reclaim(slot);
            next_lane_ = (next_lane_ + kLanes - 1) % kLanes;
        }
        waiting_count_ -= count;
        if (waiting_count_ == 0) start_batch();
        return count;
    }

    // Returns how many slots are not yet free for reuse.
    [[nodiscard]] std::size_t size() const noexcept { return gathered_ + waiting_count_; }

private:
    // Lists of one batch are walked in turn, so that eight cache misses overlap.
    static constexpr std::size_t kLanes = 8;

    void start_batch() noexcept {
        if (gathered_ == 0) return;
        waiting_ = gathering_;
        waiting_count_ = gathered_;
        next_lane_ = (gathered_ - 1) % kLanes;  // the last one filled: none runs out before others
        gathering_.fill(XVS_NONE);
        gathered_ = 0;
        period_ = grace_.request();
    }

    std::span<std::uint32_t> links_;
    GracePeriod& grace_;
    std::array<std::uint32_t, kLanes> gathering_;
    std::array<std::uint32_t, kLanes> waiting_;
    std::size_t gathered_ = 0;
    std::size_t waiting_count_ = 0;
    std::size_t next_lane_ = 0;
    GracePeriod::Number period_ = 0;
};

}  // namespace xvs::flow
