// TranslationTable: what is to be written into packets, one record for all who write the same.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "base/sharing_mutex.h"
#include "flow/grace_period.h"
#include "flow/layout.h"
#include "flow/shared_field.h"

namespace xvs::flow {

// Records are interned: equal contents (all but `generation` and XVS_SUSPENDED), one record.
// Contents change by redirect() alone. A record without references is kept until its room is
// needed, so that a lull does not cost its making; the one longest without any goes first, after a
// grace period. Thread: the worker; after share() any.
class TranslationTable {
public:
    // REQUIRES: zeroed records, at least one, which name fewer than so many destinations.
    TranslationTable(std::span<xvs_translation> records,
                     std::uint32_t destinations,
                     GracePeriod& grace);

    // Several workers are to use it. REQUIRES: none has begun.
    void share() noexcept { mutex_.share(); }

    // Takes over what the records hold. `references` has, for each record, how many entries name
    // it.
    void adopt(std::span<const std::uint32_t> references) noexcept;

    // Returns the record equal to `wanted`, made if there is none, with one reference more;
    // XVS_NONE when all records have references.
    [[nodiscard]] std::uint32_t acquire(const xvs_translation& wanted) noexcept;

    // REQUIRES: the caller has a reference.
    void add_reference(std::uint32_t index) noexcept {
        if (mutex_.is_shared()) {
            (void)add(meta_[index].references, 1u);
        } else {
            ++meta_[index].references;
        }
    }

    void release(std::uint32_t index) noexcept;

    // Gives record `index` the next hop of `wanted`, for all who hold it, if that is all in which
    // the two differ; returns whether it was. Whoever reads the record beside the worker sees the
    // former next hop or the new one. Another record that is equal from then on stays beside it
    // until its own holders are gone: there is no telling who they are.
    [[nodiscard]] bool redirect(std::uint32_t index, const xvs_translation& wanted) noexcept;

    // A next hop and its generation, read as the one word that redirect() writes.
    struct Way {
        std::uint32_t next_hop = XVS_NONE;
        std::uint32_t generation = 0;
    };

    [[nodiscard]] Way way(std::uint32_t index) const noexcept {
        const std::uint64_t word = load_word64(&records_[index].next_hop);
        return {static_cast<std::uint32_t>(word), static_cast<std::uint32_t>(word >> 32)};
    }

    // Marks those of `destination`, present and to come, as for the engine alone, or no longer.
    // A step for each.
    void suspend(std::uint32_t destination, bool is_suspended) noexcept;

    // Has whoever holds one of `destination` that leads into a tunnel look its way up again. A step
    // for each.
    void forget_tunnels(std::uint32_t destination) noexcept;

    // Not to be changed but by what is above: another connection may hold it.
    [[nodiscard]] const xvs_translation& operator[](std::uint32_t index) const noexcept {
        return records_[index];
    }

    [[gnu::always_inline]] void prefetch(std::uint32_t index) const noexcept {
        __builtin_prefetch(&records_[index]);
    }

    [[nodiscard]] std::uint32_t references(std::uint32_t index) const noexcept {
        return load_relaxed(meta_[index].references);
    }

    // Returns how many records exist, those without references included.
    [[nodiscard]] std::uint32_t size() const noexcept { return size_; }

    [[nodiscard]] std::uint32_t capacity() const noexcept { return capacity_; }

private:
    // Beside each record. Those without references form a list, the longest without first.
    struct Meta {
        std::uint32_t references = 0;
        bool is_idle = false;  // in the list of those without
        std::uint32_t hash = 0;
        std::uint32_t older = XVS_NONE;
        std::uint32_t newer = XVS_NONE;
        // Others of its destination.
        std::uint32_t next = XVS_NONE;
        std::uint32_t previous = XVS_NONE;
        GracePeriod::Number idle_since = 0;
    };

    // Of each destination.
    struct Ways {
        std::uint32_t first = XVS_NONE;
        bool are_suspended = false;
    };

    // Returns what it was before.
    static std::uint32_t add(std::uint32_t& references, std::uint32_t count) noexcept {
        return std::atomic_ref<std::uint32_t>(references)
            .fetch_add(count, std::memory_order_acq_rel);
    }

    [[nodiscard]] std::uint32_t find_room() noexcept;
    void append_idle(std::uint32_t index) noexcept;
    void remove_idle(std::uint32_t index) noexcept;
    void put_to_destination(std::uint32_t index) noexcept;
    void take_from_destination(std::uint32_t index) noexcept;
    void put_into_buckets(std::uint32_t index) noexcept;
    void erase_from_buckets(std::uint32_t index) noexcept;
    void set_way(std::uint32_t index, const xvs_translation& redirected) noexcept;

    xvs_translation* records_;
    std::uint32_t capacity_;
    std::uint32_t bucket_mask_;
    GracePeriod& grace_;
    SharingMutex mutex_;  // of all but the counts of references, which are changed by one step
    std::unique_ptr<Meta[]> meta_;
    std::unique_ptr<Ways[]> ways_;
    std::unique_ptr<std::uint32_t[]> buckets_;  // index + 1, open addressing; 0: empty
    std::uint32_t size_ = 0;
    std::uint32_t oldest_idle_ = XVS_NONE;
    std::uint32_t newest_idle_ = XVS_NONE;
    std::uint32_t idle_ = 0;
    std::uint32_t generation_ = 0;
};

}  // namespace xvs::flow
