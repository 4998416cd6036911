// How a FlowTable grows with what it holds; the rest of it is in flow_table.h.
#pragma once

#include <bit>

#include "flow/flow_table.h"

namespace xvs::flow {

template <class Ip>
SlotIndex FlowTable<Ip>::find_reported(SlotIndex slot, std::uint32_t state) const noexcept {
    if (slot >= capacity_ || !is_live_state(state)) return XVS_NONE;
    if (state_word(slot) == state) return slot;
    if (state_word(slot) != with_state(state, XVS_SLOT_DEAD)) return XVS_NONE;
    // It may have moved more than once before a grace period ended.
    SlotIndex at = slot;
    for (int moves = 0; moves < 32; ++moves) {
        const Entry& entry = entries_[at];
        if ((entry.flags & XVS_FLOW_MOVED) == 0 || entry.translation >= capacity_) break;
        at = entry.translation;
        if (!(key(at) == key(slot))) break;
        if (is_live_state(state_word(at))) return at;
    }
    return XVS_NONE;
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
    mask_ = extent_->active - 1;
    former_mask_ = extent_->former - 1;
    set_growth_limit();
}

template <class Ip>
void FlowTable<Ip>::set_growth_limit() noexcept {
    const bool can_grow = extent_ != nullptr && active() < capacity_ && !is_growing();
    // One of a hundred thousand finds its neighbourhood full by then, and has the table grow.
    grow_beyond_ = can_grow ? active() / 8 * 3 : XVS_NONE;
}

template <class Ip>
void FlowTable<Ip>::start_growing() noexcept {
    mask_ = 2 * mask_ + 1;
    looked_at_ = 0;
    clean_until_ = 0;
    set_growth_limit();
    store_release(extent_->active, active());
}

template <class Ip>
void FlowTable<Ip>::end_growing() noexcept {
    clean_until_ = former_mask_ + 1;
    looked_at_ = 0;
    former_mask_ = mask_;
    store_release(extent_->former, active());
    set_growth_limit();
}

template <class Ip>
template <class Moved>
void FlowTable<Ip>::continue_growing(std::size_t limit, Moved&& moved) noexcept {
    for (; limit > 0 && is_growing(); --limit) {
        if (looked_at_ <= former_mask_) {
            move_if_due(looked_at_++, moved);
        } else {
            end_growing();
        }
    }
    // Those that moved have left TOMBSTONEs, which only make look-ups longer.
    for (; limit > 0 && looked_at_ < clean_until_; --limit, ++looked_at_) {
        const bool is_tombstone = slot_state(state_word(looked_at_)) == XVS_SLOT_TOMBSTONE;
        if (is_tombstone && is_empty((looked_at_ + 1) & mask_)) free_slot(looked_at_);
    }
}

// An entry stays where it is if a look-up among the slots now in use meets it on the same way as
// before: from the same home on, and not past the end of the former slots.
template <class Ip>
template <class Moved>
void FlowTable<Ip>::move_if_due(SlotIndex from, Moved& moved) noexcept {
    const std::uint32_t state = state_word(from);
    if (!is_live_state(state)) return;
    const Key key = this->key(from);
    const std::uint32_t hash = this->hash(key);
    const SlotIndex home = hash & mask_;
    if (home <= from && from - home < XVS_PROBES) return;
    const std::uint32_t connection = owners_[from];
    const Place place = find_place(key, hash);
    Entry& old = entries_[from];
    const std::uint32_t claimed = with_state(next_generation(place.state), XVS_SLOT_CLAIMED);
    const bool has_place = place.slot != XVS_NONE && !place.is_taken &&
                           swap_if(entries_[place.slot].state, place.state, claimed);
    if (!has_place) return moved(connection, from, XVS_NONE);
    Entry& entry = entries_[place.slot];
    write(entry,
          key,
          {.translation = load_acquire(old.translation),
           .flags = old.flags,
           .punt = old.punt,
           .report = old.report,
           .last_seen = load_acquire(old.last_seen),
           .connection = connection});
    store_release(entry.packets, load_acquire(old.packets));
    owners_[place.slot] = connection;
    store_release(entry.state, with_state(claimed, XVS_SLOT_LIVE));
    ++live_;
    moved(connection, from, place.slot);
    retire(from);
    // Whoever still replays it here reports it here.
    store_release(old.translation, place.slot);
    store_release(old.flags, static_cast<__u8>(old.flags | XVS_FLOW_MOVED));
}

}  // namespace xvs::flow
