// ConnectionTable: the records of connections, with stable indices.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <utility>

#include "base/sharing_mutex.h"
#include "flow/flow_table.h"
#include "flow/layout.h"
#include "flow/shared_field.h"

namespace xvs::flow {

// A free record is EMPTY, of no worker, and keeps its generation; `inbound` links it to the next
// free one. Records never used are not touched. Of several workers each has its own ConnectionTable
// over the same records, and free ones at hand; they pass them to each other in batches. Thread:
// the worker.
template <class Ip>
class ConnectionTable {
public:
    // REQUIRES: zeroed records.
    explicit ConnectionTable(std::span<xvs_connection> records) noexcept
        : records_(records.data()),
          capacity_(static_cast<std::uint32_t>(records.size())),
          first_(this) {}

    // The next worker's, over the records of `first`, which must outlive it. REQUIRES: no worker
    // has begun.
    explicit ConnectionTable(ConnectionTable* first) noexcept
        : records_(first->records_), capacity_(first->capacity_), first_(first), is_shared_(true) {
        first->join(*this);
    }

    ConnectionTable(const ConnectionTable&) = delete;
    ConnectionTable& operator=(const ConnectionTable&) = delete;
    ~ConnectionTable() = default;

    // Returns a LIVE record of a new generation that names nothing (its indices XVS_NONE, the rest
    // 0), or XVS_NONE when the table is full.
    [[nodiscard]] std::uint32_t allocate() noexcept {
        if (is_shared_ && free_ == XVS_NONE) fetch();
        std::uint32_t index = free_;
        if (index != XVS_NONE) {
            free_ = records_[index].inbound;
            if (free_ != XVS_NONE) prefetch(free_);  // while this one is filled in
            --free_count_;
        } else if (!is_shared_ && used_ < capacity_) {
            index = used_++;
        } else {
            return XVS_NONE;
        }
        xvs_connection& record = records_[index];
        const std::uint32_t state = with_state(next_generation(record.state), XVS_SLOT_LIVE);
        record.inbound = record.outbound = XVS_NONE;
        record.destination = record.controller = XVS_NONE;
        record.flags = record.timeout = record.check_at = record.controlled = 0;
        record.protocol = record.protocol_state = record.role = 0;
        // Alone: another worker, whose timers still hold the index, may be asking is_own().
        store_relaxed(record.owner, number_);
        store_release(record.state, state);
        store_relaxed(size_, size_ + 1);
        return index;
    }

    // Whether allocate() finds so many records.
    [[nodiscard]] bool has_free(std::uint32_t count) noexcept {
        if (!is_shared_) return free_count_ + (capacity_ - used_) >= count;
        while (free_count_ < count) {
            const std::uint32_t before = free_count_;
            fetch();
            if (free_count_ == before) return false;
        }
        return true;
    }

    // Takes over what the records hold: those that are not live are free. REQUIRES: it is shared
    // with nobody yet.
    void adopt() noexcept {
        used_ = capacity_;
        while (used_ > 0 && records_[used_ - 1].state == 0)
            --used_;
        free_ = XVS_NONE;
        free_count_ = 0;
        size_ = 0;
        for (std::uint32_t index = used_; index-- > 0;) {
            if (is_live(index)) {
                ++size_;
                continue;
            }
            records_[index].state = with_state(records_[index].state, XVS_SLOT_EMPTY);
            records_[index].owner = XVS_NO_WORKER;
            put(index);
        }
    }

    // Whether this worker allocated it, and it was not freed since. Any index may be asked for,
    // whatever other workers do with the record meanwhile; the answer holds until this worker, or
    // somebody who holds back all of them, frees it.
    [[nodiscard]] bool is_own(std::uint32_t index) const noexcept {
        return load_relaxed(records_[index].owner) == number_;
    }

    // REQUIRES: is_live(index).
    void free(std::uint32_t index) noexcept {
        xvs_connection& record = records_[index];
        store_release(record.state, with_state(record.state, XVS_SLOT_EMPTY));
        store_relaxed(record.owner, std::uint8_t{XVS_NO_WORKER});
        put(index);
        store_relaxed(size_, size_ - 1);
        if (is_shared_ && free_count_ >= 2 * batch()) give();
    }

    [[nodiscard]] xvs_connection& operator[](std::uint32_t index) noexcept {
        return records_[index];
    }

    [[nodiscard]] const xvs_connection& operator[](std::uint32_t index) const noexcept {
        return records_[index];
    }

    // An entry of the connection's has a new slot. REQUIRES: is_live(index).
    void note_move(std::uint32_t index, SlotIndex from, SlotIndex to) noexcept {
        xvs_connection& record = records_[index];
        (record.inbound == from ? record.inbound : record.outbound) = to;
    }

    // Half of the records lie across the end of a cache line.
    [[gnu::always_inline]] void prefetch(std::uint32_t index) const noexcept {
        __builtin_prefetch(&records_[index], 1);
        __builtin_prefetch(&records_[index].controlled, 1);
    }

    // Any index may be asked for.
    [[nodiscard]] bool is_live(std::uint32_t index) const noexcept {
        return index < used() && slot_state(records_[index].state) == XVS_SLOT_LIVE;
    }

    // Returns how many are live, of all workers.
    [[nodiscard]] std::uint32_t size() const noexcept {
        std::uint32_t sum = 0;
        for (const ConnectionTable* each = first_; each != nullptr; each = each->next_)
            sum += load_relaxed(each->size_);
        return sum;
    }

    [[nodiscard]] std::uint32_t capacity() const noexcept { return capacity_; }

    // Calls `visit(index, record)` for the live ones among `count` records from `cursor` on, which
    // is 0 at first. Returns the cursor to go on from, or XVS_NONE at the end. Between two calls
    // connections may come and go: one that is there all the time is visited once.
    template <class Visit>
    std::uint32_t for_each(std::uint32_t cursor, std::uint32_t count, Visit&& visit) {
        for (; cursor < used() && count > 0; ++cursor, --count) {
            if (is_live(cursor)) visit(cursor, records_[cursor]);
        }
        return cursor < used() ? cursor : XVS_NONE;
    }

    // Calls `visit(index, record)` for this worker's own among at most `count` records from
    // `cursor` on, behind the last of which comes the first, until it returns false. Returns the
    // cursor to go on from.
    template <class Visit>
    std::uint32_t look_around(std::uint32_t cursor, std::uint32_t count, Visit&& visit) {
        const std::uint32_t end = used();
        for (count = std::min(count, end); count > 0; --count) {
            if (cursor >= end) cursor = 0;
            const std::uint32_t index = cursor++;
            if (is_own(index) && !visit(index, records_[index])) break;
        }
        return cursor;
    }

private:
    // Fewer where the table is so small that batches would leave some worker without any.
    [[nodiscard]] std::uint32_t batch() const noexcept {
        constexpr std::uint32_t kBatch = 64;
        return std::clamp(capacity_ / (16 * (1u + XVS_MAX_WORKERS)), 1u, kBatch);
    }

    [[nodiscard]] std::uint32_t used() const noexcept { return load_relaxed(first_->used_); }

    void put(std::uint32_t index) noexcept {
        records_[index].inbound = free_;
        free_ = index;
        ++free_count_;
    }

    void join(ConnectionTable& other) noexcept {
        ConnectionTable* last = this;
        while (last->next_ != nullptr)
            last = last->next_;
        last->next_ = &other;
        other.number_ = static_cast<std::uint8_t>(last->number_ + 1);
        is_shared_ = true;
        pool_.share();
        if (free_ == XVS_NONE) return;
        pooled_ = std::exchange(free_, XVS_NONE);
        free_count_ = 0;
    }

    // Takes a batch of records that nobody has: those that were used before, else new ones.
    void fetch() noexcept {
        ConnectionTable& first = *first_;
        const SharingLock lock(first.pool_);
        for (std::uint32_t count = batch(); count > 0; --count) {
            std::uint32_t index = first.pooled_;
            if (index != XVS_NONE) {
                first.pooled_ = records_[index].inbound;
            } else if (first.used_ < capacity_) {
                index = first.used_;
                store_relaxed(first.used_, index + 1);
            } else {
                return;
            }
            put(index);
        }
    }

    // Leaves a batch of free records to all.
    void give() noexcept {
        ConnectionTable& first = *first_;
        const SharingLock lock(first.pool_);
        for (std::uint32_t count = batch(); count > 0; --count) {
            const std::uint32_t index = free_;
            free_ = records_[index].inbound;
            --free_count_;
            records_[index].inbound = first.pooled_;
            first.pooled_ = index;
        }
    }

    xvs_connection* records_;
    std::uint32_t capacity_;
    std::uint32_t used_ = 0;         // records from here on were never used; the first one's
    std::uint32_t free_ = XVS_NONE;  // the first of those at hand
    std::uint32_t free_count_ = 0;
    std::uint32_t size_ = 0;  // made by this worker, less those it freed
    ConnectionTable* first_;  // the first worker's
    ConnectionTable* next_ = nullptr;
    std::uint8_t number_ = 0;
    bool is_shared_ = false;
    SharingMutex pool_;                // of what follows; the first one's
    std::uint32_t pooled_ = XVS_NONE;  // the first of those that nobody has at hand
};

}  // namespace xvs::flow
