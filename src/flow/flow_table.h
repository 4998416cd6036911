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
    std::uint8_t flags = 0;   // XVS_FLOW_*
    std::uint8_t punt = 0;    // XVS_EVENT_*
    std::uint8_t report = 0;  // XVS_EVENT_*
    std::uint32_t last_seen = 0;
    std::uint32_t connection = XVS_NONE;  // the owner
};

// Thread: the worker, but for read(), which any thread may call. Programs in the kernel look
// entries up meanwhile.
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
          seed_{seed[0], seed[1]},
          grace_(grace),
          retired_(owners, grace) {}

    FlowTable(const FlowTable&) = delete;
    FlowTable& operator=(const FlowTable&) = delete;
    ~FlowTable() = default;

    [[nodiscard]] std::uint32_t hash(const Key& key) const noexcept { return key.hash(seed_); }

    // Worth its 6-8 ns only where the table has outgrown the L2 cache.
    [[gnu::always_inline]] void prefetch(std::uint32_t hash) const noexcept {
        __builtin_prefetch(&entries_[hash & mask_]);
    }

    // For a key that is likely to be inserted: a miss left over stalls at the next
    // compare-and-swap.
    [[gnu::always_inline]] void prefetch_insert(std::uint32_t hash) const noexcept {
        prefetch_slot(hash & mask_);
    }

    // For writing, with its owner and what lies behind it: of an entry that is about to be retired,
    // whose slot is known. Always inline: g++ 12 takes a function that only prefetches for one
    // without any effect, and leaves its calls out.
    [[gnu::always_inline]] void prefetch_slot(SlotIndex slot) const noexcept {
        constexpr SlotIndex kNextLine = 64 / sizeof(Entry);
        __builtin_prefetch(&entries_[slot], 1);
        __builtin_prefetch(&entries_[(slot + kNextLine) & mask_], 1);
        __builtin_prefetch(&owners_[slot], 1);
    }

    // Returns the live entry for `key`, or XVS_NONE. Cost: 1 cache miss expected.
    [[nodiscard]] SlotIndex find(const Key& key, std::uint32_t hash) const noexcept {
        const SlotIndex slot = probe(key, hash, mask_);
        if (slot != XVS_NONE || !is_growing()) [[likely]]
            return slot;
        return probe(key, hash, former_mask_);
    }

    // Installs an entry unless its key is live already. Cost: as find(), and 2 more stores.
    [[nodiscard]] InsertResult insert(const Key& key,
                                      std::uint32_t hash,
                                      const NewEntry& wanted) noexcept {
        if (is_growing()) {
            const SlotIndex present = probe(key, hash, former_mask_);
            if (present != XVS_NONE) return {present, InsertOutcome::Exists};
        }
        while (true) {
            const Place place = find_place(key, hash);
            if (place.is_taken) return {place.slot, InsertOutcome::Exists};
            if (place.slot == XVS_NONE) {
                if (grow_beyond_ == XVS_NONE) return {XVS_NONE, InsertOutcome::Full};
                start_growing();
                continue;
            }
            Entry& entry = entries_[place.slot];
            const std::uint32_t claimed =
                with_state(next_generation(place.state), XVS_SLOT_CLAIMED);
            if (!swap_if(entry.state, place.state, claimed)) continue;  // a program was faster
            write(entry, key, wanted);
            owners_[place.slot] = wanted.connection;
            ++live_;
            store_release(entry.state, with_state(claimed, XVS_SLOT_LIVE));
            if (live_ > grow_beyond_) start_growing();
            return {place.slot, InsertOutcome::Inserted};
        }
    }

    // Returns the slot of the entry that was in `slot` with this state word, if it is live: there,
    // or where it was moved to; else XVS_NONE. Any slot and word may be asked for.
    [[nodiscard]] SlotIndex find_reported(SlotIndex slot, std::uint32_t state) const noexcept;

    // Goes on growing, if the table is: looks at `limit` slots and calls `moved(connection, from,
    // to)` for each entry that has a new slot; where there is none, `to` is XVS_NONE, and the
    // connection must be ended. To be called once a burst, after reports were followed.
    template <class Moved>
    void continue_growing(std::size_t limit, Moved&& moved) noexcept;

    // Whether some entries are still where they were when fewer slots were in use.
    [[nodiscard]] bool is_growing() const noexcept { return former_mask_ != mask_; }

    // Returns how many slots are in use; the others are EMPTY.
    [[nodiscard]] std::uint32_t active() const noexcept { return mask_ + 1; }

    // The fields that others touch at the same time (state, last_seen, packets, punt, report) are
    // best reached by the functions below.
    [[nodiscard]] Entry& entry(SlotIndex slot) noexcept { return entries_[slot]; }

    [[nodiscard]] const Entry& entry(SlotIndex slot) const noexcept { return entries_[slot]; }

    // Returns the owner, or XVS_NONE if the entry is not live: whoever retired it has done so.
    [[nodiscard]] std::uint32_t connection(SlotIndex slot) const noexcept {
        return is_live_state(state_word(slot)) ? owners_[slot] : XVS_NONE;
    }

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
    // is reused after a grace period, at once where no program in the kernel reads the table.
    void retire(SlotIndex slot) noexcept { (void)retire_if(slot, state_word(slot)); }

    bool retire_if(SlotIndex slot, std::uint32_t state_word) noexcept {
        if (!is_live_state(state_word)) return false;
        if (!swap_if(entries_[slot].state, state_word, with_state(state_word, XVS_SLOT_DEAD))) {
            return false;
        }
        --live_;
        dispose(slot);
        return true;
    }

    // Frees at most `limit` retired slots whose grace period has ended; to be called once a burst.
    void reclaim(std::size_t limit) noexcept {
        if (retired_.size() == 0) return;
        retired_.drain(
            limit,
            [this](SlotIndex slot) { prefetch_slot(slot); },
            [this](SlotIndex slot) { free_slot(slot); });
    }

    // Takes over what the entries hold: what a dead writer had claimed or retired is free after a
    // grace period. Entries without an owner are the caller's to retire.
    void adopt() noexcept;

    [[nodiscard]] std::uint32_t live() const noexcept { return live_; }

    // Returns how many slots wait for their grace period.
    [[nodiscard]] std::size_t retired() const noexcept { return retired_.size(); }

    [[nodiscard]] std::uint32_t capacity() const noexcept { return capacity_; }

private:
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

    void take_extent() noexcept;
    void set_growth_limit() noexcept;
    void start_growing() noexcept;
    void end_growing() noexcept;
    template <class Moved>
    void move_if_due(SlotIndex from, Moved& moved) noexcept;

    [[nodiscard]] Place find_place(const Key& key, std::uint32_t hash) const noexcept;
    static void write(Entry& entry, const Key& key, const NewEntry& wanted) noexcept;
    void free_slot(SlotIndex slot) noexcept;

    // Of a slot that is DEAD.
    void dispose(SlotIndex slot) noexcept {
        if (grace_.is_needed()) {
            retired_.push(slot);
        } else {
            free_slot(slot);
        }
    }

    void take_back_if_claimed(SlotIndex first, SlotIndex last) noexcept;

    [[nodiscard]] bool is_empty(SlotIndex slot) const noexcept {
        return slot_state(load_acquire(entries_[slot].state)) == XVS_SLOT_EMPTY;
    }

    Entry* entries_;
    std::uint32_t* owners_;
    std::uint32_t capacity_;
    std::uint32_t mask_;         // of the slots in use
    std::uint32_t former_mask_;  // of those in use before; the same unless the table is growing
    std::uint32_t live_ = 0;
    std::uint32_t grow_beyond_ = XVS_NONE;  // so many live entries
    SlotIndex looked_at_ = 0;               // while growing, and while cleaning up after it
    SlotIndex clean_until_ = 0;             // TOMBSTONEs before it may be of no use any more
    xvs_table_extent* extent_ = nullptr;    // what programs in the kernel go by
    std::uint32_t seed_[2];
    GracePeriod& grace_;
    RetireQueue retired_;
};

// The key's own entry if it is live; else the first slot that may be claimed for it.
template <class Ip>
typename FlowTable<Ip>::Place FlowTable<Ip>::find_place(const Key& key,
                                                        std::uint32_t hash) const noexcept {
    Place free;
    SlotIndex slot = hash & mask_;
    for (unsigned probe = 0; probe < XVS_PROBES; ++probe, slot = (slot + 1) & mask_) {
        const Entry& entry = entries_[slot];
        const std::uint32_t state = load_acquire(entry.state);
        if (is_live_state(state)) {
            if (key.is_key_of(entry)) return {slot, state, true};
        } else if (slot_state(state) == XVS_SLOT_EMPTY) {
            return free.slot == XVS_NONE ? Place{slot, state, false} : free;
        } else if (slot_state(state) == XVS_SLOT_TOMBSTONE && free.slot == XVS_NONE) {
            free = {slot, state, false};
        }
    }
    return free;
}

// Each store is a release: whoever reads what it wrote sees the slot CLAIMED when it looks again.
template <class Ip>
void FlowTable<Ip>::write(Entry& entry, const Key& key, const NewEntry& wanted) noexcept {
    key.store(entry);
    store_release(entry.flags, wanted.flags);
    store_release(entry.punt, wanted.punt);
    store_release(entry.report, wanted.report);
    store_release(entry.translation, wanted.translation);
    store_release(entry.last_seen, wanted.last_seen);
    store_release(entry.packets, 0u);
}

template <class Ip>
bool FlowTable<Ip>::read(SlotIndex slot, Entry& copy) const noexcept {
    const Entry& from = entries_[slot];
    const std::uint32_t state = load_acquire(from.state);
    if (!is_live_state(state)) return false;
    Key::load(from).store(copy);
    copy.state = state;
    copy.flags = load_acquire(from.flags);
    copy.punt = load_acquire(from.punt);
    copy.report = load_acquire(from.report);
    copy.translation = load_acquire(from.translation);
    copy.last_seen = load_acquire(from.last_seen);
    copy.packets = load_acquire(from.packets);
    return load_relaxed(from.state) == state;
}

template <class Ip>
void FlowTable<Ip>::adopt() noexcept {
    for (SlotIndex slot = 0; slot < capacity(); ++slot) {
        const std::uint32_t state = state_word(slot);
        const bool is_free =
            slot_state(state) == XVS_SLOT_EMPTY || slot_state(state) == XVS_SLOT_TOMBSTONE;
        if (is_live_state(state)) {
            ++live_;
        } else if (!is_free) {
            store_release(entries_[slot].state, with_state(state, XVS_SLOT_DEAD));
        }
    }
    for (SlotIndex slot = 0; slot < capacity(); ++slot) {
        if (slot_state(state_word(slot)) == XVS_SLOT_DEAD) dispose(slot);
    }
}

// A look-up stops at an EMPTY slot, so a slot that one passes by must be a TOMBSTONE. Where an
// EMPTY one follows, none does, nor by the TOMBSTONEs before it.
template <class Ip>
void FlowTable<Ip>::free_slot(SlotIndex slot) noexcept {
    std::uint32_t& word = entries_[slot].state;
    store_release(word, with_state(load_acquire(word), XVS_SLOT_TOMBSTONE));
    // Entries that have not moved yet are looked for in another order.
    if (is_growing()) return;
    if (!is_empty((slot + 1) & mask_)) return;
    SlotIndex first = slot;
    for (SlotIndex at = slot;; at = (at - 1) & mask_) {
        const std::uint32_t state = load_acquire(entries_[at].state);
        if (slot_state(state) != XVS_SLOT_TOMBSTONE) break;
        if (!swap_if(entries_[at].state, state, with_state(state, XVS_SLOT_EMPTY))) break;
        first = at;
    }
    take_back_if_claimed(first, slot);
}

// A program that claimed a slot from `first` to the one after `last` meanwhile may have passed by
// those before it, which are EMPTY now: they are TOMBSTONEs again.
template <class Ip>
void FlowTable<Ip>::take_back_if_claimed(SlotIndex first, SlotIndex last) noexcept {
    const SlotIndex end = (last + 2) & mask_;
    SlotIndex at = first;
    while (at != end && is_empty(at))
        at = (at + 1) & mask_;
    if (at == end) return;
    for (at = first; at != ((last + 1) & mask_); at = (at + 1) & mask_) {
        const std::uint32_t state = load_acquire(entries_[at].state);
        if (slot_state(state) != XVS_SLOT_EMPTY) continue;
        (void)swap_if(entries_[at].state, state, with_state(state, XVS_SLOT_TOMBSTONE));
    }
}

}  // namespace xvs::flow

#include "flow/flow_table_growth.h"
