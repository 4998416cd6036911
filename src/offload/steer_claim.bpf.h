// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
//
// Slots of the flow table: claimed for new entries as workers claim them, given back, and the
// entries of closed connections whose keys new ones may have (docs/flow-table.md).
#ifndef XVS_OFFLOAD_STEER_CLAIM_BPF_H
#define XVS_OFFLOAD_STEER_CLAIM_BPF_H

#include "offload/replay_flow.bpf.h"

#define SLOT_NONE (-1)

struct flow_key {
    __u32 source[4]; /* of IPv4 the first word, the rest 0 */
    __u32 destination[4];
    __u32 ports;
    __u32 protocol;
};

/* In which state a slot is left by a claim, and by one that was given back. */
INLINE __u32 claimed_state(__u32 state) {
    return ((state + (1u << XVS_GENERATION_SHIFT)) & ~XVS_STATE_MASK) | XVS_SLOT_CLAIMED;
}

INLINE bool is_free_state(__u32 state) {
    const __u32 slot_state = state & XVS_STATE_MASK;
    return slot_state == XVS_SLOT_EMPTY || slot_state == XVS_SLOT_TOMBSTONE;
}

/* Gives a slot that this CPU has claimed another state. With a full barrier. */
INLINE void leave_claim(__u32* state, __u32 slot_state) {
    (void)__sync_lock_test_and_set(state, (*state & ~XVS_STATE_MASK) | slot_state);
}

/* Nothing is inserted while the table grows, or while an entry may be passed by. */
INLINE bool is_steady(const struct xvs_table_extent* e, __u64 both, __u32 cleanings) {
    return (__u32)both == (__u32)(both >> 32) && !(cleanings & 1) &&
           *(const volatile __u64*)&e->active == both &&
           *(const volatile __u32*)&e->cleanings == cleanings;
}

/* What claiming is for either family: docs/flow-table.md. `same`: whether the entry `flow` has the
 * key. Returns the slot, or SLOT_NONE where the key is there already, but in slot `former`, or no
 * slot can be had now. The free one is kept as the slot that it is: of the step that led there, the
 * kernel's verifier would follow each through the second loop. */
#define CLAIM(map, type, extent, hash, former, same)                                     \
    ({                                                                                   \
        const struct xvs_table_extent* e = (extent);                                     \
        const __u64 both = *(const volatile __u64*)&e->active;                           \
        const __u32 cleanings = *(const volatile __u32*)&e->cleanings;                   \
        const __u32 mask = (__u32)both - 1;                                              \
        const __u32 home = (hash);                                                       \
        __u32 free_at = 0;                                                               \
        __u32 free_word = 0;                                                             \
        bool has_free = false;                                                           \
        int claimed = SLOT_NONE;                                                         \
        bool is_there = !is_steady(e, both, cleanings);                                  \
        for (__u32 step = 0; step < XVS_PROBES && !is_there; ++step) {                   \
            const __u32 at = (home + step) & mask;                                       \
            type* flow = bpf_map_lookup_elem(&(map), &at);                               \
            if (!flow) break;                                                            \
            const __u32 state = *(const volatile __u32*)&flow->state;                    \
            if (is_free_state(state)) {                                                  \
                if (!has_free) {                                                         \
                    has_free = true;                                                     \
                    free_at = at;                                                        \
                    free_word = state;                                                   \
                }                                                                        \
                if (is_empty_state(state)) break;                                        \
            } else if (is_live_state(state) && at != (former) && (same)) {               \
                is_there = true;                                                         \
            }                                                                            \
        }                                                                                \
        type* wanted = bpf_map_lookup_elem(&(map), &free_at);                            \
        const __u32 word = claimed_state(free_word);                                     \
        if (wanted && !is_there && has_free &&                                           \
            __sync_val_compare_and_swap(&wanted->state, free_word, word) == free_word) { \
            bool is_found = is_steady(e, both, cleanings);                               \
            for (__u32 step = 0; step < XVS_PROBES; ++step) {                            \
                const __u32 at = (home + step) & mask;                                   \
                if (at == free_at) break;                                                \
                const type* flow = bpf_map_lookup_elem(&(map), &at);                     \
                if (!flow || is_empty_state(*(const volatile __u32*)&flow->state)) {     \
                    is_found = false;                                                    \
                    break;                                                               \
                }                                                                        \
            }                                                                            \
            if (is_found) {                                                              \
                claimed = (int)free_at;                                                  \
            } else {                                                                     \
                leave_claim(&wanted->state, XVS_SLOT_TOMBSTONE);                         \
            }                                                                            \
        }                                                                                \
        claimed;                                                                         \
    })

/* Claims a slot for a key that is nobody's, but that of the entry in slot `former`; and writes it
 * there. */
GLOBAL int claim4(const struct flow_key* key, __u32 former) {
    if (!key) return SLOT_NONE;
    const __u32 from = key->source[0];
    const __u32 to = key->destination[0];
    const __u32 ports = key->ports;
    const __u8 protocol = (__u8)key->protocol;
    const int slot = CLAIM(flows4,
                           struct xvs_flow4,
                           &table_header()->extent4,
                           xvs_hash4(hash_keys(), from, to, ports, protocol),
                           former,
                           !((flow->source ^ from) | (flow->destination ^ to) |
                             (word_at(&flow->source_port) ^ ports) | (flow->protocol ^ protocol)));
    const __u32 at = (__u32)slot;
    struct xvs_flow4* mine = slot >= 0 ? bpf_map_lookup_elem(&flows4, &at) : 0;
    if (!mine) return SLOT_NONE;
    mine->source = from;
    mine->destination = to;
    *(__u32*)&mine->source_port = ports;
    mine->protocol = protocol;
    return slot;
}

GLOBAL int claim6(const struct flow_key* key, __u32 former) {
    if (!key) return SLOT_NONE;
    const __u32 ports = key->ports;
    const __u8 protocol = (__u8)key->protocol;
    const int slot = CLAIM(flows6,
                           struct xvs_flow6,
                           &table_header()->extent6,
                           xvs_hash6(hash_keys(), key->source, key->destination, ports, protocol),
                           former,
                           !(difference6(flow->source, key->source) |
                             difference6(flow->destination, key->destination) |
                             (word_at(&flow->source_port) ^ ports) | (flow->protocol ^ protocol)));
    const __u32 at = (__u32)slot;
    struct xvs_flow6* mine = slot >= 0 ? bpf_map_lookup_elem(&flows6, &at) : 0;
    if (!mine) return SLOT_NONE;
    copy_words(mine->source, key->source, 4);
    copy_words(mine->destination, key->destination, 4);
    *(__u32*)&mine->source_port = ports;
    mine->protocol = protocol;
    return slot;
}

INLINE int claim(const struct flow_key* key, __u64 former, __u32 family) {
    return family == 4 ? claim4(key, (__u32)former) : claim6(key, (__u32)former);
}

/* Whether an entry's connection is closed, and it is of that direction. */
INLINE bool is_closed(__u32 state, __u8 punt, __u8 flags, __u32 direction) {
    return (state & XVS_STATE_MASK) == XVS_SLOT_LIVE && (punt & XVS_PUNT_CLOSED) &&
           (flags & XVS_FLOW_OUTBOUND) == direction;
}

/* The slot and, above it, the state word of a closed connection's entry with this key, or NO_SLOT.
 * It is that of the key as long as its state word is the same. */
GLOBAL __u64 find_closed4(const struct flow_key* key, __u32 direction) {
    struct found f;
    if (!key) return NO_SLOT;
    const struct wanted4 wanted = {key->source, key->destination, key->ports, key->protocol};
    if (!find_flow4(&wanted, &f)) return NO_SLOT;
    const __u8 punt = (__u8)(f.rest >> 16);
    const __u8 flags = (__u8)(f.rest >> 8);
    return is_closed(f.state, punt, flags, direction) ? f.slot | (__u64)f.state << 32 : NO_SLOT;
}

GLOBAL __u64 find_closed6(const struct flow_key* key, __u32 direction) {
    if (!key) return NO_SLOT;
    const __u64 found =
        find_slot6((const struct addresses6*)key->source, key->ports, (__u8)key->protocol);
    const __u32 at = (__u32)found;
    const struct xvs_flow6* flow = bpf_map_lookup_elem(&flows6, &at);
    return flow && is_closed((__u32)(found >> 32), flow->punt, flow->flags, direction) ? found
                                                                                       : NO_SLOT;
}

INLINE __u64 find_closed(const struct flow_key* key, __u32 direction, __u32 family) {
    return family == 4 ? find_closed4(key, direction) : find_closed6(key, direction);
}

INLINE void give_back(int slot, __u32 family) {
    const __u32 at = (__u32)slot;
    if (slot < 0) return;
    __u32* state = family == 4 ? bpf_map_lookup_elem(&flows4, &at) : 0;
    struct xvs_flow6* flow6 = family == 4 ? 0 : bpf_map_lookup_elem(&flows6, &at);
    if (flow6) state = &flow6->state;
    if (state) leave_claim(state, XVS_SLOT_TOMBSTONE);
}

#endif
