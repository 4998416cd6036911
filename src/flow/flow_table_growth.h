// How a FlowTable grows with what it holds, and is shared by workers; the rest of it is in
// flow_table.h.
#pragma once

#include <bit>

#include "flow/flow_table.h"

namespace xvs::flow {

template <class Ip>
void FlowTable<Ip>::join(FlowTable& other) noexcept {
    FlowTable* last = this;
    while (last->next_ != nullptr)
        last = last->next_;
    last->next_ = &other;
    ++count_;
    other.number_ = static_cast<std::uint8_t>(last->number_ + 1);
    is_shared_ = true;
    cleaning_.share();
    set_growth_limit();
}

// For a moment while another worker frees a slot an entry behind it may be passed by: what was not
// found then is looked for again.
template <class Ip>
SlotIndex FlowTable<Ip>::find_beside_others(const Key& key, std::uint32_t hash) const noexcept {
    const auto probe_all = [&] {
        const SlotIndex slot = probe(key, hash, mask());
        return slot != XVS_NONE || !is_growing() ? slot : probe(key, hash, former_mask());
    };
    const std::uint32_t before = load_acquire(cleanings());
    if (before % 2 == 0) {
        const SlotIndex slot = probe_all();
        if (slot != XVS_NONE || load_acquire(cleanings()) == before) return slot;
    }
    const SharingLock lock(first_->cleaning_);
    return probe_all();
}

template <class Ip>
FlowTable<Ip>& FlowTable<Ip>::share_of(std::uint8_t worker) noexcept {
    FlowTable* share = first_;
    while (share->number_ != worker && share->next_ != nullptr)
        share = share->next_;
    return *share;
}

template <class Ip>
void FlowTable<Ip>::set_masks_of_all(std::uint32_t mask, std::uint32_t former) noexcept {
    for (FlowTable* each = first_; each != nullptr; each = each->next_) {
        store_relaxed(each->mask_, mask);
        store_relaxed(each->former_mask_, former);
    }
}

template <class Ip>
SlotIndex FlowTable<Ip>::find_reported(SlotIndex slot, std::uint32_t state) const noexcept {
    if (slot >= capacity_ || !is_live_state(state)) return XVS_NONE;
    // It may have been DRAWN then.
    const std::uint32_t present = state_word(slot);
    if (with_state(present, XVS_SLOT_DEAD) != with_state(state, XVS_SLOT_DEAD)) return XVS_NONE;
    if (is_live_state(present)) return slot;
    if (slot_state(present) != XVS_SLOT_DEAD) return XVS_NONE;
    // It may have moved more than once before a grace period ended.
    SlotIndex at = slot;
    for (int moves = 0; moves < 32; ++moves) {
        const Entry& entry = entries_[at];
        const SlotIndex next = load_acquire(entry.translation);
        if ((load_acquire(entry.flags) & XVS_FLOW_MOVED) == 0 || next >= capacity_) break;
        at = next;
        if (!(key(at) == key(slot))) break;
        if (is_live_state(state_word(at))) return at;
    }
    return XVS_NONE;
}

template <class Ip>
bool FlowTable<Ip>::is_replaced(SlotIndex slot, std::uint32_t state) const noexcept {
    return slot < capacity_ && state_word(slot) == with_state(state, XVS_SLOT_REPLACED);
}

// What is no extent of this table is taken for one that is full: then every entry is looked for
// where it may be.
template <class Ip>
void FlowTable<Ip>::take_extent() noexcept {
    const auto is_extent = [this](std::uint32_t slots) {
        return std::has_single_bit(slots) && slots >= 2 * XVS_PROBES && slots <= capacity_;
    };
    if (!is_extent(extent_->active)) extent_->active = capacity_;
    if (!is_extent(extent_->former) || extent_->former > extent_->active)
        extent_->former = extent_->active;
    set_masks_of_all(extent_->active - 1, extent_->former - 1);
    set_growth_limit();
}

template <class Ip>
void FlowTable<Ip>::set_growth_limit() noexcept {
    const bool can_grow = extent_ != nullptr && active() < capacity_ && !is_growing();
    // Whoever finds its neighbourhood full before has the table grow then. The denser the entries
    // lie, the fewer pages and cache lines they are on.
    grow_beyond_ = can_grow ? active() / 2 : XVS_NONE;
    const std::uint32_t total = live();
    const std::uint32_t room = total < grow_beyond_ ? grow_beyond_ - total : 0;
    for (FlowTable* each = this; each != nullptr; each = each->next_) {
        const std::uint32_t live = load_relaxed(each->live_);
        store_relaxed(each->review_at_, live + (can_grow ? room / count_ + 1 : kNoReview - 1));
    }
}

// Each worker has part of the room there is until the table has to grow; one that has used its part
// up looks what is left.
template <class Ip>
void FlowTable<Ip>::review_growth() noexcept {
    const SharingLock lock(first_->cleaning_);
    const std::uint32_t limit = first_->grow_beyond_;
    if (limit == XVS_NONE) {
        store_relaxed(review_at_, live_ + kNoReview - 1);
        return;
    }
    const std::uint32_t total = live();
    if (total > limit) return first_->start_growing();
    store_relaxed(review_at_, live_ + (limit - total) / first_->count_ + 1);
}

template <class Ip>
bool FlowTable<Ip>::grow_from(std::uint32_t mask) noexcept {
    const SharingLock lock(first_->cleaning_);
    if (this->mask() != mask) return true;
    if (first_->grow_beyond_ == XVS_NONE) return false;
    first_->start_growing();
    return true;
}

// Entries move only while no worker is at work: none installs one where it would be passed by.
template <class Ip>
void FlowTable<Ip>::start_growing() noexcept {
    store_relaxed(looked_at_, 0u);
    store_relaxed(clean_until_, 0u);
    set_masks_of_all(2 * mask() + 1, former_mask());
    set_growth_limit();
    store_release(extent_->active, active());
    // A program that has not seen it may install one among the former slots still.
    if (has_inserters_) growth_period_ = grace_.request();
}

template <class Ip>
void FlowTable<Ip>::share_with_programs() noexcept {
    first_->has_inserters_ = true;
    for (FlowTable* each = first_; each != nullptr; each = each->next_)
        each->is_shared_ = true;
}

template <class Ip>
bool FlowTable<Ip>::complete(SlotIndex slot, std::uint32_t connection) noexcept {
    const std::uint32_t state = state_word(slot);
    if (slot_state(state) != XVS_SLOT_DRAWN) return false;
    owners_[slot] = connection;
    if (!swap_if(entries_[slot].state, state, with_state(state, XVS_SLOT_LIVE))) return false;
    store_relaxed(live_, live_ + 1);
    if (static_cast<std::int32_t>(live_ - review_at_) >= 0) review_growth();
    return true;
}

template <class Ip>
void FlowTable<Ip>::end_growing() noexcept {
    clean_until_ = former_mask() + 1;
    looked_at_ = 0;
    set_masks_of_all(mask(), mask());
    store_release(extent_->former, active());
    set_growth_limit();
}

template <class Ip>
template <class Moved>
void FlowTable<Ip>::continue_growing(std::size_t limit, Moved&& moved) noexcept {
    if (!has_to_grow()) return;
    for (; limit > 0 && is_growing(); --limit) {
        if (looked_at_ <= former_mask()) {
            move_if_due(looked_at_++, moved);
        } else {
            end_growing();
        }
    }
    // Those that moved have left TOMBSTONEs, which only make look-ups longer.
    for (; limit > 0 && looked_at_ < clean_until_; --limit, ++looked_at_) {
        if (slot_state(state_word(looked_at_)) == XVS_SLOT_TOMBSTONE) free_slot(looked_at_);
    }
}

// An entry stays where it is if a look-up among the slots now in use meets it on the same way as
// before: from the same home on, and not past the end of the former slots.
template <class Ip>
template <class Moved>
void FlowTable<Ip>::move_if_due(SlotIndex from, Moved& moved) noexcept {
    const std::uint32_t state = state_word(from);
    if (slot_state(state) != XVS_SLOT_LIVE) return;
    const Key key = this->key(from);
    const std::uint32_t hash = this->hash(key);
    const SlotIndex home = hash & mask();
    if (home <= from && from - home < XVS_PROBES) return;
    const std::uint32_t connection = owners_[from];
    const Place place = find_place(key, hash, mask());
    Entry& old = entries_[from];
    const std::uint32_t claimed = with_state(next_generation(place.state), XVS_SLOT_CLAIMED);
    const bool has_place = place.slot != XVS_NONE && !place.is_taken &&
                           swap_if(entries_[place.slot].state, place.state, claimed);
    if (!has_place) return moved(connection, from, XVS_NONE);
    // Retired by its owner, who follows what was reported about it before the slot is free.
    FlowTable& share = share_of(owner(from));
    Entry& entry = entries_[place.slot];
    write(entry,
          key,
          {.translation = load_acquire(old.translation),
           .flags = old.flags,
           .punt = old.punt,
           .report = old.report,
           .last_seen = load_acquire(old.last_seen),
           .connection = connection},
          share.number_);
    store_release(entry.packets, load_acquire(old.packets));
    owners_[place.slot] = connection;
    store_release(entry.state, with_state(claimed, XVS_SLOT_LIVE));
    ++share.live_;
    moved(connection, from, place.slot);
    share.retire(from);
    // Whoever still replays it here reports it here.
    store_release(old.translation, place.slot);
    store_release(old.flags, static_cast<__u8>(old.flags | XVS_FLOW_MOVED));
}

}  // namespace xvs::flow
