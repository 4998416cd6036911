// FlowTable: finds, installs and retires flow entries. BPF programs find them by the same rules.
//
//               claim              publish                  retire
//   EMPTY ----+--------> CLAIMED ---------> LIVE or DRAWN --------> DEAD
//   TOMBSTONE-'                                                      | grace period
//       ^                                                            |
//       '----------- where a slot is taken behind it, else EMPTY <----'
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/sharing_mutex.h"
#include "flow/grace_period.h"
#include "flow/key.h"
#include "flow/layout.h"
#include "flow/retire.h"
#include "flow/shared_field.h"

namespace xvs::flow {

[[nodiscard]] constexpr std::uint32_t slot_state(std::uint32_t state_word) noexcept {
    return state_word & XVS_STATE_MASK;
}

[[nodiscard]] constexpr std::uint32_t with_state(std::uint32_t state_word,
                                                 xvs_slot_state state) noexcept {
    return (state_word & ~XVS_STATE_MASK) | static_cast<std::uint32_t>(state);
}

[[nodiscard]] constexpr std::uint32_t next_generation(std::uint32_t state_word) noexcept {
    return state_word + (1u << XVS_GENERATION_SHIFT);
}

// LIVE, or DRAWN, which is live to whoever looks it up.
[[nodiscard]] constexpr bool is_live_state(std::uint32_t state_word) noexcept {
    return slot_state(state_word) == XVS_SLOT_LIVE || slot_state(state_word) == XVS_SLOT_DRAWN;
}

// Of an entry that a connection has.
[[nodiscard]] constexpr bool is_owned_state(std::uint32_t state_word) noexcept {
    return slot_state(state_word) == XVS_SLOT_LIVE || slot_state(state_word) == XVS_SLOT_REPLACED;
}

enum class InsertOutcome : std::uint8_t {
    Inserted,
    Exists,  // the key is live already
    Full,    // no free slot within XVS_PROBES of its home
};

struct InsertResult {
    SlotIndex slot = XVS_NONE;  // the new entry's, or of Exists the present one's
    InsertOutcome outcome = InsertOutcome::Full;

    [[nodiscard]] bool is_inserted() const noexcept { return outcome == InsertOutcome::Inserted; }
};

// What a new entry holds beside its key.
struct NewEntry {
    std::uint32_t translation = 0;
    std::uint8_t flags = 0;   // XVS_FLOW_*, but for the worker's number
    std::uint8_t punt = 0;    // XVS_EVENT_*
    std::uint8_t report = 0;  // XVS_EVENT_*
    std::uint32_t last_seen = 0;
    std::uint32_t connection = XVS_NONE;  // the owner
};

// Of several workers each has its own FlowTable over the same entries: it finds those of all, and
// counts and retires its own. Thread: the worker, but for read(), which any thread may call, and
// what grows the table. Programs in the kernel look entries up meanwhile.
template <class Ip>
class FlowTable {
public:
    using Entry = typename Ip::Flow;
    using Key = FlowKey<Ip>;
    using NewEntry = flow::NewEntry;

    // REQUIRES: a power of two of zeroed entries, at least 2 * XVS_PROBES, and as many owners.
    // `extent` says how many are in use, and grows with what they hold; it may be damaged.
    FlowTable(std::span<Entry> entries,
              std::span<std::uint32_t> owners,
              const std::uint32_t (&seed)[2],
              GracePeriod& grace,
              xvs_table_extent& extent) noexcept
        : FlowTable(entries, owners, seed, grace) {
        extent_ = &extent;
        take_extent();
    }

    // One whose slots are all in use from the beginning.
    FlowTable(std::span<Entry> entries,
              std::span<std::uint32_t> owners,
              const std::uint32_t (&seed)[2],
              GracePeriod& grace) noexcept
        : entries_(entries.data()),
          owners_(owners.data()),
          capacity_(static_cast<std::uint32_t>(entries.size())),
          mask_(capacity_ - 1),
          former_mask_(mask_),
          keys_(xvs_make_hash_keys(seed)),
          grace_(grace),
          retired_(capacity_, grace),
          first_(this) {}

    // The next worker's, over the entries of `first`, which must outlive it. REQUIRES: no worker
    // has begun.
    explicit FlowTable(FlowTable* first) noexcept
        : entries_(first->entries_),
          owners_(first->owners_),
          capacity_(first->capacity_),
          mask_(first->mask_),
          former_mask_(first->former_mask_),
          keys_(first->keys_),
          grace_(first->grace_),
          retired_(capacity_, grace_),
          first_(first),
          is_shared_(true) {
        first->join(*this);
    }

    FlowTable(const FlowTable&) = delete;
    FlowTable& operator=(const FlowTable&) = delete;
    ~FlowTable() = default;

    [[nodiscard]] std::uint32_t hash(const Key& key) const noexcept { return key.hash(keys_); }

    // Worth its 6-8 ns only where the table has outgrown the L2 cache. With the slot behind the
    // home, where every third entry of a table that is half full lies or is passed by: of IPv4 it
    // is on the same cache line half of the time, of IPv6 never.
    [[gnu::always_inline]] void prefetch(std::uint32_t hash) const noexcept {
        __builtin_prefetch(&entries_[hash & mask()]);
        __builtin_prefetch(&entries_[(hash + 1) & mask()]);
    }

    // For a key that is likely to be inserted: with its owner, and the two lines behind it.
    [[gnu::always_inline]] void prefetch_insert(std::uint32_t hash) const noexcept {
        const SlotIndex home = hash & mask();
        __builtin_prefetch(&entries_[home], 1);
        __builtin_prefetch(&entries_[(home + kSlotsOfLine) & mask()], 1);
        __builtin_prefetch(&entries_[(home + 2 * kSlotsOfLine) & mask()], 1);
        __builtin_prefetch(&owners_[home], 1);
    }

    // Of an entry that is about to be retired, and what freeing its slot at once looks at. Always
    // inline: g++ 12 leaves calls of functions that only prefetch out, as without any effect.
    [[gnu::always_inline]] void prefetch_retire(SlotIndex slot) const noexcept {
        __builtin_prefetch(&owners_[slot]);
        if (grace_.is_needed()) {
            __builtin_prefetch(&entries_[slot], 1);
        } else {
            prefetch_free(slot);
        }
    }

    // Returns the live entry for `key`, or XVS_NONE. Cost: 1 cache miss expected.
    [[nodiscard]] SlotIndex find(const Key& key, std::uint32_t hash) const noexcept {
        const SlotIndex slot = probe(key, hash, mask());
        if (slot != XVS_NONE || (!is_growing() && !is_shared_)) [[likely]]
            return slot;
        return is_shared_ ? find_beside_others(key, hash) : probe(key, hash, former_mask());
    }

    // Installs an entry unless its key is live already. Cost: as find(), and 2 more stores.
    [[nodiscard]] InsertResult insert(const Key& key,
                                      std::uint32_t hash,
                                      const NewEntry& wanted) noexcept {
        if (is_growing() || is_shared_) {
            const SlotIndex present = find(key, hash);
            if (present != XVS_NONE) return {present, InsertOutcome::Exists};
        }
        while (true) {
            const std::uint32_t mask = this->mask();
            Place place = find_place(key, hash, mask);
            if (place.is_taken) return {place.slot, InsertOutcome::Exists};
            if (place.slot == XVS_NONE) place = revive(key, hash & mask);
            if (place.slot == XVS_NONE) {
                if (!grow_from(mask)) return {XVS_NONE, InsertOutcome::Full};
                continue;
            }
            Entry& entry = entries_[place.slot];
            const std::uint32_t claimed =
                with_state(next_generation(place.state), XVS_SLOT_CLAIMED);
            if (!swap_state(entry.state, place.state, claimed)) continue;  // somebody was faster
            if (is_shared_ && has_empty(hash & mask, place.slot, mask)) {
                give_back(place, claimed);
                continue;
            }
            write(entry, key, wanted, number_);
            owners_[place.slot] = wanted.connection;
            store_relaxed(live_, live_ + 1);
            store_release(entry.state, with_state(claimed, XVS_SLOT_LIVE));
            if (static_cast<std::int32_t>(live_ - review_at_) >= 0) review_growth();
            return {place.slot, InsertOutcome::Inserted};
        }
    }

    // Returns the slot of the entry that was in `slot` with this state word, if it is live: there,
    // or where it was moved to; else XVS_NONE. Any slot and word may be asked for.
    [[nodiscard]] SlotIndex find_reported(SlotIndex slot, std::uint32_t state) const noexcept;

    // Programs in the kernel are to install entries beside the workers, as one more of them: DRAWN
    // ones, without an owner. REQUIRES: every worker's table is there, and none has begun.
    void share_with_programs() noexcept;

    // A program has installed it, and nobody has recorded its connection yet.
    [[nodiscard]] bool is_drawn(SlotIndex slot) const noexcept {
        return slot_state(state_word(slot)) == XVS_SLOT_DRAWN;
    }

    // Gives a DRAWN entry, which is of this worker, its owner: from here on it is LIVE. Returns
    // false if it is not DRAWN.
    bool complete(SlotIndex slot, std::uint32_t connection) noexcept;

    // Goes on growing, if the table is: looks at `limit` slots and calls `moved(connection, from,
    // to)` for each entry that has a new slot; where there is none, `to` is XVS_NONE, and the
    // connection must be ended. To be called once a burst, after reports were followed, while no
    // worker is at work. Thread: any; the first worker's table.
    template <class Moved>
    void continue_growing(std::size_t limit, Moved&& moved) noexcept;

    // Whether some entries are still where they were when fewer slots were in use.
    [[nodiscard]] bool is_growing() const noexcept { return former_mask() != mask(); }

    // Whether continue_growing() has something to do.
    [[nodiscard]] bool has_to_grow() const noexcept {
        if (is_growing()) return grace_.has_ended(first_->growth_period_);
        return load_relaxed(looked_at_) < load_relaxed(clean_until_);
    }

    // Returns how many slots are in use; the others are EMPTY.
    [[nodiscard]] std::uint32_t active() const noexcept { return mask() + 1; }

    // The worker that this table is of.
    [[nodiscard]] std::uint8_t number() const noexcept { return number_; }

    // The worker that an entry is of: it alone follows its connection.
    [[nodiscard]] std::uint8_t owner(SlotIndex slot) const noexcept {
        return owner_of_flags(load_relaxed(entries_[slot].flags));
    }

    // REQUIRES: no worker has begun, but for what continue_growing() calls.
    void set_owner(SlotIndex slot, std::uint8_t worker) noexcept {
        const std::uint8_t flags = entries_[slot].flags;
        store_release(entries_[slot].flags, with_owner(flags, worker));
    }

    // The fields that others touch at the same time (state, last_seen, packets, punt, report) are
    // best reached by the functions below.
    [[nodiscard]] Entry& entry(SlotIndex slot) noexcept { return entries_[slot]; }

    [[nodiscard]] const Entry& entry(SlotIndex slot) const noexcept { return entries_[slot]; }

    // Returns the owner, or XVS_NONE if the entry is retired or DRAWN. One that was REPLACED is its
    // owner's still.
    [[nodiscard]] std::uint32_t connection(SlotIndex slot) const noexcept {
        return is_owned_state(state_word(slot)) ? owners_[slot] : XVS_NONE;
    }

    // Whether the entry that was LIVE with this state word is REPLACED. Any may be asked for.
    [[nodiscard]] bool is_replaced(SlotIndex slot, std::uint32_t state) const noexcept;

    // REQUIRES: `slot` is live, as for what follows.
    [[nodiscard]] Key key(SlotIndex slot) const noexcept { return Key::load(entries_[slot]); }

    void set_connection(SlotIndex slot, std::uint32_t connection) noexcept {
        owners_[slot] = connection;
    }

    [[nodiscard]] std::uint32_t last_seen(SlotIndex slot) const noexcept {
        return load_relaxed(entries_[slot].last_seen);
    }

    [[nodiscard]] std::uint32_t packets(SlotIndex slot) const noexcept {
        return load_relaxed(entries_[slot].packets);
    }

    // Notes a packet that the engine has replayed. A program that notes one on the same entry at
    // the same moment may make one of the two go uncounted.
    void note_packet(SlotIndex slot, std::uint32_t tick) noexcept {
        Entry& entry = entries_[slot];
        store_relaxed(entry.last_seen, tick);
        store_relaxed(entry.packets, load_relaxed(entry.packets) + 1);
    }

    void set_masks(SlotIndex slot, std::uint8_t punt, std::uint8_t report) noexcept {
        store_relaxed(entries_[slot].punt, punt);
        store_relaxed(entries_[slot].report, report);
    }

    void set_translation(SlotIndex slot, std::uint32_t translation) noexcept {
        store_release(entries_[slot].translation, translation);
    }

    [[nodiscard]] std::uint32_t state_word(SlotIndex slot) const noexcept {
        return load_acquire(entries_[slot].state);
    }

    // Copies the entry and returns true if it was live and the same from beginning to end.
    // Thread: any.
    [[nodiscard]] bool read(SlotIndex slot, Entry& copy) const noexcept;

    // Ends the entry if it is live, and still the same flow where `state_word` says which. Its slot
    // is reused after a grace period, at once where no program in the kernel reads the table; or
    // by an entry of the same key that would find no slot otherwise.
    void retire(SlotIndex slot) noexcept {
        // Twice: a program may have replaced it just now.
        if (!retire_if(slot, state_word(slot))) (void)retire_if(slot, state_word(slot));
    }

    bool retire_if(SlotIndex slot, std::uint32_t state_word) noexcept;

    // Frees at most `limit` retired slots whose grace period has ended; to be called once a burst.
    void reclaim(std::size_t limit) noexcept {
        if (retired_.size() == 0) return;
        const SharingLock lock(first_->cleaning_);
        retired_.drain(
            limit,
            [this](SlotIndex slot) { prefetch_free(slot); },
            [this](SlotIndex slot) { free_slot(slot); });
    }

    // Takes over what the entries hold: what a dead writer had claimed or retired is free after a
    // grace period. Entries without an owner are the caller's to retire.
    void adopt() noexcept;

    // Returns how many entries are live, of all workers.
    [[nodiscard]] std::uint32_t live() const noexcept {
        std::uint32_t sum = 0;
        for (const FlowTable* each = first_; each != nullptr; each = each->next_)
            sum += load_relaxed(each->live_);
        return sum;
    }

    // Returns how many slots of this worker wait for their grace period.
    [[nodiscard]] std::size_t retired() const noexcept { return retired_.size(); }

    [[nodiscard]] std::uint32_t capacity() const noexcept { return capacity_; }

private:
    static constexpr SlotIndex kSlotsOfLine = 64 / sizeof(Entry);
    static constexpr std::uint32_t kNoReview = 1u << 31;
    // More retired slots than that are not searched for a few: it would take a millisecond.
    static constexpr std::size_t kMostToSearch = 1u << 13;

    struct Place {
        SlotIndex slot = XVS_NONE;
        std::uint32_t state = 0;
        bool is_taken = false;  // by this very key
    };

    // Among the slots that `mask` leaves.
    [[nodiscard]] SlotIndex probe(const Key& key,
                                  std::uint32_t hash,
                                  std::uint32_t mask) const noexcept {
        SlotIndex slot = hash & mask;
        for (unsigned step = 0; step < XVS_PROBES; ++step, slot = (slot + 1) & mask) {
            const Entry& entry = entries_[slot];
            const std::uint32_t state = load_acquire(entry.state);
            if (is_live_state(state)) {
                if (key.is_key_of(entry)) return slot;
            } else if (slot_state(state) == XVS_SLOT_EMPTY) {
                return XVS_NONE;
            }
        }
        return XVS_NONE;
    }

    [[nodiscard]] std::uint32_t mask() const noexcept { return load_relaxed(mask_); }

    [[nodiscard]] std::uint32_t former_mask() const noexcept { return load_relaxed(former_mask_); }

    [[nodiscard]] static std::uint8_t owner_of_flags(std::uint8_t flags) noexcept {
        return static_cast<std::uint8_t>(flags >> XVS_FLOW_OWNER_SHIFT);
    }

    [[nodiscard]] static std::uint8_t with_owner(std::uint8_t flags, std::uint8_t worker) noexcept {
        constexpr unsigned kOthers = (1u << XVS_FLOW_OWNER_SHIFT) - 1;
        return static_cast<std::uint8_t>((flags & kOthers) | static_cast<unsigned>(worker)
                                                                 << XVS_FLOW_OWNER_SHIFT);
    }

    // Whether a slot from `home` to the one before `slot` is EMPTY: then what is in `slot` would
    // not be found.
    [[nodiscard]] bool has_empty(SlotIndex home,
                                 SlotIndex slot,
                                 std::uint32_t mask) const noexcept {
        for (SlotIndex at = home; at != slot; at = (at + 1) & mask) {
            if (is_empty(at)) return true;
        }
        return false;
    }

    [[nodiscard]] SlotIndex find_beside_others(const Key& key, std::uint32_t hash) const noexcept;
    void join(FlowTable& other) noexcept;
    [[nodiscard]] FlowTable& share_of(std::uint8_t worker) noexcept;
    void set_masks_of_all(std::uint32_t mask, std::uint32_t former) noexcept;

    void take_extent() noexcept;
    void set_growth_limit() noexcept;
    void review_growth() noexcept;
    // Has the table grow if its slots are still those that `mask` leaves; returns whether there are
    // more by now.
    [[nodiscard]] bool grow_from(std::uint32_t mask) noexcept;
    void start_growing() noexcept;
    void end_growing() noexcept;
    template <class Moved>
    void move_if_due(SlotIndex from, Moved& moved) noexcept;

    [[nodiscard]] Place find_place(const Key& key,
                                   std::uint32_t hash,
                                   std::uint32_t mask) const noexcept;
    static void write(Entry& entry,
                      const Key& key,
                      const NewEntry& wanted,
                      std::uint8_t worker) noexcept;
    void free_slot(SlotIndex slot) noexcept;
    void prefetch_free(SlotIndex slot) const noexcept;

    // A slot of an entry of `key` that this worker has retired, whatever its grace period, for
    // another of that key: where a key comes and goes faster than grace periods end, all its slots
    // would be DEAD.
    [[nodiscard]] Place revive(const Key& key, SlotIndex home) noexcept;

    // A claim that is of no use after all.
    void give_back(const Place& place, std::uint32_t claimed) noexcept;
    bool swap_state(std::uint32_t& word, std::uint32_t expected, std::uint32_t wanted) noexcept;

    // Of a slot that is DEAD.
    void dispose(SlotIndex slot) noexcept {
        if (grace_.is_needed()) {
            retired_.push(slot);
        } else {
            const SharingLock lock(first_->cleaning_);
            free_slot(slot);
        }
    }

    void take_back_if_claimed(SlotIndex first, SlotIndex last, SlotIndex end) noexcept;
    // The first EMPTY slot behind `slot`, if no entry between them is found by way of `slot` for
    // certain; else XVS_NONE.
    [[nodiscard]] SlotIndex end_of_unpassed(SlotIndex slot) const noexcept;
    [[nodiscard]] bool may_pass(SlotIndex at, std::uint32_t state, SlotIndex slot) const noexcept;

    // Programs that install entries look at it as well.
    [[nodiscard]] std::uint32_t& cleanings() const noexcept {
        return first_->extent_ != nullptr ? first_->extent_->cleanings : first_->cleanings_;
    }

    void note_cleaning() noexcept;

    [[nodiscard]] bool is_empty(SlotIndex slot) const noexcept {
        return slot_state(load_acquire(entries_[slot].state)) == XVS_SLOT_EMPTY;
    }

    Entry* entries_;
    std::uint32_t* owners_;
    std::uint32_t capacity_;
    std::uint32_t mask_;         // of the slots in use
    std::uint32_t former_mask_;  // of those in use before; the same unless the table is growing
    std::uint32_t live_ = 0;     // installed by this worker, less those it retired
    std::uint32_t review_at_ = kNoReview;  // at so many of them, count those of all
    std::uint32_t grow_beyond_ =
        XVS_NONE;                         // so many live entries; the first one's, as what follows
    SlotIndex looked_at_ = 0;             // while growing, and while cleaning up after it
    SlotIndex clean_until_ = 0;           // TOMBSTONEs before it may be of no use any more
    xvs_table_extent* extent_ = nullptr;  // what programs in the kernel go by
    xvs_hash_keys keys_;
    GracePeriod& grace_;
    RetireQueue retired_;
    FlowTable* first_;           // the first worker's
    FlowTable* next_ = nullptr;  // the next worker's
    std::uint8_t number_ = 0;
    std::uint8_t count_ = 1;  // of workers
    bool is_shared_ = false;
    SharingMutex cleaning_;        // held by who frees slots or starts to grow; the first one's
    std::uint32_t cleanings_ = 0;  // odd while an entry may be passed by; where there is no extent
    bool has_inserters_ = false;   // programs in the kernel install entries; the first one's
    GracePeriod::Number growth_period_ = 0;  // they have seen by then that the table grows
};

// Each store is a release: whoever reads what it wrote sees the slot CLAIMED when it looks again.
template <class Ip>
[[gnu::always_inline]] inline void FlowTable<Ip>::write(Entry& entry,
                                                        const Key& key,
                                                        const NewEntry& wanted,
                                                        std::uint8_t worker) noexcept {
    key.store(entry);
    store_release(entry.flags, with_owner(wanted.flags, worker));
    store_release(entry.punt, wanted.punt);
    store_release(entry.report, wanted.report);
    store_release(entry.translation, wanted.translation);
    store_release(entry.last_seen, wanted.last_seen);
    store_release(entry.packets, 0u);
}

}  // namespace xvs::flow

#include "flow/flow_table_growth.h"
#include "flow/flow_table_slots.h"
