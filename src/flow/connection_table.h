// ConnectionTable: the records of connections, with stable indices.
#pragma once

#include <cstdint>
#include <span>

#include "flow/flow_table.h"
#include "flow/layout.h"

namespace xvs::flow {

// A free record is EMPTY and keeps its generation; `inbound` links it to the next free one. Records
// never used are not touched. Thread: the worker.
template <class Ip>
class ConnectionTable {
public:
    // REQUIRES: zeroed records.
    explicit ConnectionTable(std::span<xvs_connection> records) noexcept
        : records_(records.data()), capacity_(static_cast<std::uint32_t>(records.size())) {}

    // Returns a LIVE record of a new generation that names nothing (its indices XVS_NONE, the rest
    // 0), or XVS_NONE when the table is full.
    [[nodiscard]] std::uint32_t allocate() noexcept {
        std::uint32_t index = free_;
        if (index != XVS_NONE) {
            free_ = records_[index].inbound;
        } else if (used_ < capacity_) {
            index = used_++;
        } else {
            return XVS_NONE;
        }
        xvs_connection& record = records_[index];
        const std::uint32_t state = with_state(next_generation(record.state), XVS_SLOT_LIVE);
        record = {};
        record.inbound = record.outbound = XVS_NONE;
        record.destination = record.controller = XVS_NONE;
        store_release(record.state, state);
        ++size_;
        return index;
    }

    // Takes over what the records hold: those that are not live are free.
    void adopt() noexcept {
        used_ = capacity_;
        while (used_ > 0 && records_[used_ - 1].state == 0)
            --used_;
        free_ = XVS_NONE;
        size_ = 0;
        for (std::uint32_t index = used_; index-- > 0;) {
            if (is_live(index)) {
                ++size_;
                continue;
            }
            records_[index].state = with_state(records_[index].state, XVS_SLOT_EMPTY);
            records_[index].inbound = free_;
            free_ = index;
        }
    }

    // REQUIRES: is_live(index).
    void free(std::uint32_t index) noexcept {
        xvs_connection& record = records_[index];
        store_release(record.state, with_state(record.state, XVS_SLOT_EMPTY));
        record.inbound = free_;
        free_ = index;
        --size_;
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

    [[gnu::always_inline]] void prefetch(std::uint32_t index) const noexcept {
        __builtin_prefetch(&records_[index]);
    }

    // Any index may be asked for.
    [[nodiscard]] bool is_live(std::uint32_t index) const noexcept {
        return index < used_ && slot_state(records_[index].state) == XVS_SLOT_LIVE;
    }

    [[nodiscard]] std::uint32_t size() const noexcept { return size_; }

    [[nodiscard]] std::uint32_t capacity() const noexcept { return capacity_; }

    // Calls `visit(index, record)` for the live ones among `count` records from `cursor` on, which
    // is 0 at first. Returns the cursor to go on from, or XVS_NONE at the end. Between two calls
    // connections may come and go: one that is there all the time is visited once.
    template <class Visit>
    std::uint32_t for_each(std::uint32_t cursor, std::uint32_t count, Visit&& visit) {
        for (; cursor < used_ && count > 0; ++cursor, --count) {
            if (is_live(cursor)) visit(cursor, records_[cursor]);
        }
        return cursor < used_ ? cursor : XVS_NONE;
    }

private:
    xvs_connection* records_;
    std::uint32_t capacity_;
    std::uint32_t used_ = 0;         // records from here on were never used
    std::uint32_t free_ = XVS_NONE;  // the first of those used before
    std::uint32_t size_ = 0;
};

}  // namespace xvs::flow
