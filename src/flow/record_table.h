// RecordTable: records that others name by index and generation: destinations, services, next hops.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "flow/layout.h"
#include "flow/shared_field.h"

namespace xvs::flow {

// A record keeps its index until it is freed. Freed indices are used again in the order in which
// they were freed, with another generation, so that whoever still names the old record finds it
// gone. Thread: whoever edits, under the gates of all workers; programs in the kernel read.
template <class Record>
class RecordTable {
public:
    // REQUIRES: zeroed records, at least one.
    explicit RecordTable(std::span<Record> records)
        : records_(records.data()),
          capacity_(static_cast<std::uint32_t>(records.size())),
          freed_(std::make_unique_for_overwrite<std::uint32_t[]>(records.size())) {}

    // Returns a zeroed record of a new generation, or XVS_NONE when the table is full.
    [[nodiscard]] std::uint32_t allocate() noexcept {
        std::uint32_t index = XVS_NONE;
        if (freed_count_ > 0) {
            index = freed_[freed_first_];
            freed_first_ = (freed_first_ + 1) % capacity_;
            --freed_count_;
        } else if (used_ < capacity_) {
            index = used_;
            store_relaxed(used_, used_ + 1);
        } else {
            return XVS_NONE;
        }
        clear(records_[index]);
        renew(index);
        ++size_;
        return index;
    }

    // Takes over what the records hold. `named` is the highest generation by which others name
    // one: generations go on from there.
    void adopt(std::uint32_t named) noexcept {
        used_ = capacity_;
        while (used_ > 0 && records_[used_ - 1].generation == 0)
            --used_;
        generation_ = named;
        for (std::uint32_t index = 0; index < used_; ++index) {
            const std::uint32_t generation = records_[index].generation;
            if (generation > generation_) generation_ = generation;
            if (generation == 0) {
                freed_[freed_count_++] = index;
            } else {
                ++size_;
            }
        }
    }

    // Returns how many indices were ever used: those of all records lie below.
    [[nodiscard]] std::uint32_t used() const noexcept { return load_relaxed(used_); }

    // REQUIRES: is_used(index).
    void free(std::uint32_t index) noexcept {
        store_release(records_[index].generation, 0u);
        freed_[(freed_first_ + freed_count_++) % capacity_] = index;
        --size_;
    }

    // Gives the record a new generation: nobody who named it by the old one uses it any more.
    // REQUIRES: is_used(index).
    void invalidate(std::uint32_t index) noexcept { renew(index); }

    [[nodiscard]] Record& operator[](std::uint32_t index) noexcept { return records_[index]; }

    [[nodiscard]] const Record& operator[](std::uint32_t index) const noexcept {
        return records_[index];
    }

    // Any index may be asked for.
    [[nodiscard]] bool is_used(std::uint32_t index) const noexcept {
        return index < used() && load_acquire(records_[index].generation) != 0;
    }

    [[nodiscard]] bool is_current(std::uint32_t index, std::uint32_t generation) const noexcept {
        return generation != 0 && index < used() &&
               load_acquire(records_[index].generation) == generation;
    }

    [[nodiscard]] std::uint32_t size() const noexcept { return size_; }

    [[nodiscard]] std::uint32_t capacity() const noexcept { return capacity_; }

private:
    // Word by word, each of them after the generation that free() took away: whoever still reads
    // the former record, and finds its generation in place afterwards, has read nothing of this.
    static void clear(Record& record) noexcept {
        static_assert(sizeof(Record) % sizeof(std::uint32_t) == 0);
        auto* const bytes = reinterpret_cast<std::byte*>(&record);
        for (std::size_t at = 0; at < sizeof(Record); at += sizeof(std::uint32_t))
            store_word32(bytes + at, 0);
    }

    // Generations are counted over the whole table; 0 says unused.
    void renew(std::uint32_t index) noexcept {
        if (++generation_ == 0) ++generation_;
        store_release(records_[index].generation, generation_);
    }

    Record* records_;
    std::uint32_t capacity_;
    std::uint32_t used_ = 0;  // records from here on were never used
    std::uint32_t size_ = 0;
    std::uint32_t generation_ = 0;
    std::uint32_t freed_first_ = 0;
    std::uint32_t freed_count_ = 0;
    std::unique_ptr<std::uint32_t[]> freed_;
};

using DestinationRecords = RecordTable<xvs_destination>;
using ServiceRecords = RecordTable<xvs_service>;

}  // namespace xvs::flow
