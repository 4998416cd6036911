// Which slots of a FlowTable are to be had, and how they become free again; the rest of it is in
// flow_table.h.
#pragma once

#include "flow/flow_table.h"

namespace xvs::flow {

// The key's own entry if it is live; else the first slot that may be claimed for it. Always inline:
// a Place that is returned in memory is read wider than it was written, for which processors wait.
template <class Ip>
[[gnu::always_inline]] inline typename FlowTable<Ip>::Place FlowTable<Ip>::find_place(
    const Key& key, std::uint32_t hash, std::uint32_t mask) const noexcept {
    Place free;
    SlotIndex slot = hash & mask;
    for (unsigned probe = 0; probe < XVS_PROBES; ++probe, slot = (slot + 1) & mask) {
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

// swap_if(), or two steps where neither other workers nor programs change state words.
template <class Ip>
[[gnu::always_inline]] inline bool FlowTable<Ip>::swap_state(std::uint32_t& word,
                                                             std::uint32_t expected,
                                                             std::uint32_t wanted) noexcept {
    if (is_shared_) return swap_if(word, expected, wanted);
    if (load_relaxed(word) != expected) return false;
    store_release(word, wanted);
    return true;
}

template <class Ip>
void FlowTable<Ip>::give_back(const Place& place, std::uint32_t claimed) noexcept {
    const bool was_dead = slot_state(place.state) == XVS_SLOT_DEAD;
    store_release(entries_[place.slot].state,
                  with_state(claimed, was_dead ? XVS_SLOT_DEAD : XVS_SLOT_TOMBSTONE));
    if (was_dead) dispose(place.slot);
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
bool FlowTable<Ip>::retire_if(SlotIndex slot, std::uint32_t state_word) noexcept {
    if (!is_live_state(state_word) && !is_owned_state(state_word)) return false;
    const std::uint32_t dead = with_state(state_word, XVS_SLOT_DEAD);
    if (!swap_state(entries_[slot].state, state_word, dead)) return false;
    // A DRAWN one was not counted yet.
    if (is_owned_state(state_word)) store_relaxed(live_, live_ - 1);
    dispose(slot);
    return true;
}

template <class Ip>
void FlowTable<Ip>::adopt() noexcept {
    if (extent_ != nullptr) extent_->cleanings = 0;
    for (SlotIndex slot = 0; slot < capacity(); ++slot) {
        const std::uint32_t state = state_word(slot);
        const bool is_free =
            slot_state(state) == XVS_SLOT_EMPTY || slot_state(state) == XVS_SLOT_TOMBSTONE;
        if (slot_state(state) == XVS_SLOT_LIVE) {
            ++live_;
        } else if (!is_free && slot_state(state) != XVS_SLOT_DRAWN) {
            store_release(entries_[slot].state, with_state(state, XVS_SLOT_DEAD));
        }
    }
    for (SlotIndex slot = 0; slot < capacity(); ++slot) {
        if (slot_state(state_word(slot)) == XVS_SLOT_DEAD) dispose(slot);
    }
    set_growth_limit();
}

// With a full barrier: what it is about is done by whoever sees it, and not before it is seen.
template <class Ip>
void FlowTable<Ip>::note_cleaning() noexcept {
    std::uint32_t& word = cleanings();
    (void)swap_if(word, word, word + 1);
}

// What free_slot() looks at: nearly always no more than the lines of its neighbours.
template <class Ip>
[[gnu::always_inline]] inline void FlowTable<Ip>::prefetch_free(SlotIndex slot) const noexcept {
    __builtin_prefetch(&entries_[slot], 1);
    __builtin_prefetch(&entries_[(slot + kSlotsOfLine) & mask()]);
    __builtin_prefetch(&entries_[(slot - 1) & mask()], 1);
}

// A look-up stops at an EMPTY slot, so a slot that one passes by must be a TOMBSTONE. Where none
// does, none passes by the TOMBSTONEs right before it either.
template <class Ip>
void FlowTable<Ip>::free_slot(SlotIndex slot) noexcept {
    std::uint32_t& word = entries_[slot].state;
    store_release(word, with_state(load_acquire(word), XVS_SLOT_TOMBSTONE));
    // Entries that have not moved yet are looked for in another order.
    if (is_growing()) return;
    const std::uint32_t mask = this->mask();
    const SlotIndex end = end_of_unpassed(slot);
    if (end == XVS_NONE) return;
    if (is_shared_) note_cleaning();
    SlotIndex first = slot;
    for (SlotIndex at = slot;; at = (at - 1) & mask) {
        const std::uint32_t state = load_acquire(entries_[at].state);
        if (slot_state(state) != XVS_SLOT_TOMBSTONE) break;
        if (!swap_state(entries_[at].state, state, with_state(state, XVS_SLOT_EMPTY))) break;
        first = at;
    }
    if (!is_shared_) return;
    take_back_if_claimed(first, slot, end);
    note_cleaning();
}

template <class Ip>
SlotIndex FlowTable<Ip>::end_of_unpassed(SlotIndex slot) const noexcept {
    const std::uint32_t mask = this->mask();
    SlotIndex at = slot;
    for (unsigned step = 1; step < XVS_PROBES; ++step) {
        at = (at + 1) & mask;
        const std::uint32_t state = load_acquire(entries_[at].state);
        if (slot_state(state) == XVS_SLOT_EMPTY) return at;
        if (slot_state(state) != XVS_SLOT_TOMBSTONE && may_pass(at, state, slot)) return XVS_NONE;
    }
    return XVS_NONE;
}

// Whether the way from its home to the entry in slot `at`, which is of that state, leads by `slot`.
// Of one that is being written nobody knows.
template <class Ip>
bool FlowTable<Ip>::may_pass(SlotIndex at, std::uint32_t state, SlotIndex slot) const noexcept {
    if (slot_state(state) == XVS_SLOT_CLAIMED) return true;
    const SlotIndex home = hash(key(at));
    const bool is_same = load_relaxed(entries_[at].state) == state;
    return !is_same || ((at - home) & mask()) >= ((at - slot) & mask());
}

// A program that is in such an entry still finds, before it acts by what it has read, that the
// generation is another; past that, it writes the time and the count of packets alone, of a packet
// that has the very key. So nobody ever touches the entry of another key. Reports about an entry
// that has moved are followed as long as its former slot is DEAD: that stays.
template <class Ip>
typename FlowTable<Ip>::Place FlowTable<Ip>::revive(const Key& key, SlotIndex home) noexcept {
    const std::uint32_t mask = this->mask();
    const auto is_wanted = [this, &key, home, mask](SlotIndex slot) {
        const std::uint8_t flags = load_acquire(entries_[slot].flags);
        return ((slot - home) & mask) < XVS_PROBES && (flags & XVS_FLOW_MOVED) == 0 &&
               owner_of_flags(flags) == number_ && slot_state(state_word(slot)) == XVS_SLOT_DEAD &&
               this->key(slot) == key;
    };
    bool has_any = false;
    for (SlotIndex step = 0; step < XVS_PROBES; ++step)
        has_any = has_any || is_wanted((home + step) & mask);
    if (!has_any) return {};
    const SlotIndex slot = retired_.take(kMostToSearch, is_wanted);
    return slot == XVS_NONE ? Place{} : Place{slot, state_word(slot), false};
}

// Whoever claimed a slot from `first` to `end` meanwhile may have passed by those from `first` to
// `last`, which are EMPTY now: they are TOMBSTONEs again. Who claims one behind `end` finds on its
// way back that `end` is EMPTY.
template <class Ip>
void FlowTable<Ip>::take_back_if_claimed(SlotIndex first, SlotIndex last, SlotIndex end) noexcept {
    const std::uint32_t mask = this->mask();
    SlotIndex at = first;
    while (at != last && is_empty(at))
        at = (at + 1) & mask;
    if (is_empty(at) && end_of_unpassed(last) == end) return;
    for (at = first; at != ((last + 1) & mask); at = (at + 1) & mask) {
        const std::uint32_t state = load_acquire(entries_[at].state);
        if (slot_state(state) != XVS_SLOT_EMPTY) continue;
        (void)swap_if(entries_[at].state, state, with_state(state, XVS_SLOT_TOMBSTONE));
    }
}

}  // namespace xvs::flow
