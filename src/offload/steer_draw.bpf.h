// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
//
// A new connection by the next decision of its service's stock: slots are claimed as workers claim
// them, the entries become live, and the worker whose they are is told (ADR 0018). Whatever does
// not go smoothly is given back, and the packet goes to the engine. What is known meanwhile lies in
// a record of the CPU's, since the stack is small.
#ifndef XVS_OFFLOAD_STEER_DRAW_BPF_H
#define XVS_OFFLOAD_STEER_DRAW_BPF_H

#include "offload/steer_lookup.bpf.h"

#define DRAW_TRIES 8
#define SLOT_NONE (-1)

/* Where a packet is met. */
#define DRAWN_AT_TC 0u
#define DRAWN_AT_XDP 1u

struct flow_key {
    __u32 source[4]; /* of IPv4 the first word, the rest 0 */
    __u32 destination[4];
    __u32 ports;
    __u32 protocol;
};

/* A connection that begins. */
struct beginning {
    struct flow_key request;
    struct flow_key reply;
    struct xvs_decision decision;
    struct found awaited;
    struct xvs_endpoint_key service;
    struct xvs_endpoint_key client;
    __u64 drawn; /* the stock's word before the draw */
    __u32 stock;
    __u32 place; /* where it is met: DRAWN_AT_* */
    __u32 stripe;
    __u32 worker;
    int request_slot;
    int reply_slot;
};

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct beginning);
} beginnings SEC(".maps");

INLINE struct beginning* beginning_of_cpu(void) {
    const __u32 zero = 0;
    return bpf_map_lookup_elem(&beginnings, &zero);
}

/* Sources that no packet may come from: the engine gives them to the host. */
INLINE bool is_martian4(__u32 source) {
    const __u8 network = source & 0xff; /* the first byte in wire order */
    return network == 0 || network == 127 || network >= 224;
}

INLINE bool is_martian6(const __u32* source) {
    const bool is_low = (source[0] | source[1] | source[2]) == 0;
    return (source[0] & 0xff) == 0xff || (is_low && (source[3] == 0 || source[3] == bpf_htonl(1)));
}

INLINE void note_endpoint(
    struct xvs_endpoint_key* key, const __u32* address, __u16 port, __u8 protocol, __u8 family) {
    copy_words(key->address, address, 4);
    key->port = port;
    key->protocol = protocol;
    key->family = family;
}

/* Returns null for a packet that begins no connection, or one that the engine has to look at. */
INLINE struct beginning* note_request(const struct sighting* s, __u8 family) {
    const __u16 source_port = (__u16)s->ports;
    const __u8 wanted = s->protocol == IPPROTO_TCP ? XVS_EVENT_SYN : XVS_EVENT_NONE;
    if (s->events != wanted || source_port == bpf_htons(XVS_FTP_DATA_PORT)) return 0;
    struct beginning* b = beginning_of_cpu();
    if (!b) return 0;
    if (family == 4) {
        const struct ipv4_header* ip = s->ip;
        b->request = (struct flow_key){.source = {word_at(ip->source)},
                                       .destination = {word_at(ip->destination)}};
        if (is_martian4(b->request.source[0])) return 0;
    } else {
        const struct ipv6_header* ip = s->ip;
        copy_words(b->request.source, ip->source, 4);
        copy_words(b->request.destination, ip->destination, 4);
        if (is_martian6(b->request.source)) return 0;
    }
    b->request.ports = s->ports;
    b->request.protocol = s->protocol;
    note_endpoint(&b->client, b->request.source, source_port, s->protocol, family);
    note_endpoint(
        &b->service, b->request.destination, (__u16)(s->ports >> 16), s->protocol, family);
    return b;
}

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
 * key. Returns the slot, or SLOT_NONE where the key is there already, or no slot can be had now. */
#define CLAIM(map, type, extent, hash, same)                                             \
    ({                                                                                   \
        const struct xvs_table_extent* e = (extent);                                     \
        const __u64 both = *(const volatile __u64*)&e->active;                           \
        const __u32 cleanings = *(const volatile __u32*)&e->cleanings;                   \
        const __u32 mask = (__u32)both - 1;                                              \
        const __u32 home = (hash);                                                       \
        __u32 free_step = XVS_PROBES;                                                    \
        __u32 free_word = 0;                                                             \
        int claimed = SLOT_NONE;                                                         \
        bool is_there = !is_steady(e, both, cleanings);                                  \
        for (__u32 step = 0; step < XVS_PROBES && !is_there; ++step) {                   \
            const __u32 at = (home + step) & mask;                                       \
            type* flow = bpf_map_lookup_elem(&(map), &at);                               \
            if (!flow) break;                                                            \
            const __u32 state = *(const volatile __u32*)&flow->state;                    \
            if (is_free_state(state)) {                                                  \
                if (free_step == XVS_PROBES) {                                           \
                    free_step = step;                                                    \
                    free_word = state;                                                   \
                }                                                                        \
                if (is_empty_state(state)) break;                                        \
            } else if (is_live_state(state) && (same)) {                                 \
                is_there = true;                                                         \
            }                                                                            \
        }                                                                                \
        const __u32 slot = (home + free_step) & mask;                                    \
        type* wanted = bpf_map_lookup_elem(&(map), &slot);                               \
        const __u32 word = claimed_state(free_word);                                     \
        if (wanted && !is_there && free_step < XVS_PROBES &&                             \
            __sync_val_compare_and_swap(&wanted->state, free_word, word) == free_word) { \
            bool is_found = is_steady(e, both, cleanings);                               \
            for (__u32 step = 0; step < XVS_PROBES && step < free_step; ++step) {        \
                const __u32 at = (home + step) & mask;                                   \
                const type* flow = bpf_map_lookup_elem(&(map), &at);                     \
                if (!flow || is_empty_state(*(const volatile __u32*)&flow->state)) {     \
                    is_found = false;                                                    \
                    break;                                                               \
                }                                                                        \
            }                                                                            \
            if (is_found) {                                                              \
                claimed = (int)slot;                                                     \
            } else {                                                                     \
                leave_claim(&wanted->state, XVS_SLOT_TOMBSTONE);                         \
            }                                                                            \
        }                                                                                \
        claimed;                                                                         \
    })

/* Claims a slot for a key, and writes it there. */
GLOBAL int claim4(const struct flow_key* key) {
    if (!key) return SLOT_NONE;
    const __u32 from = key->source[0];
    const __u32 to = key->destination[0];
    const __u32 ports = key->ports;
    const __u8 protocol = (__u8)key->protocol;
    const int slot = CLAIM(flows4,
                           struct xvs_flow4,
                           &table_header()->extent4,
                           xvs_hash4(hash_keys(), from, to, ports, protocol),
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

GLOBAL int claim6(const struct flow_key* key) {
    if (!key) return SLOT_NONE;
    const __u32 ports = key->ports;
    const __u8 protocol = (__u8)key->protocol;
    const int slot = CLAIM(flows6,
                           struct xvs_flow6,
                           &table_header()->extent6,
                           xvs_hash6(hash_keys(), key->source, key->destination, ports, protocol),
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

INLINE int claim(const struct flow_key* key, __u32 family) {
    return family == 4 ? claim4(key) : claim6(key);
}

INLINE void give_back(int slot, __u32 family) {
    const __u32 at = (__u32)slot;
    if (slot < 0) return;
    __u32* state = family == 4 ? bpf_map_lookup_elem(&flows4, &at) : 0;
    struct xvs_flow6* flow6 = family == 4 ? 0 : bpf_map_lookup_elem(&flows6, &at);
    if (flow6) state = &flow6->state;
    if (state) leave_claim(state, XVS_SLOT_TOMBSTONE);
}

INLINE bool take_stripe(struct beginning* b, __u32 family) {
    const __u32* address = (const __u32*)b->client.address;
    const __u32 hash = family == 4 ? xvs_client_hash4(hash_keys(), address[0], b->client.port)
                                   : xvs_client_hash6(hash_keys(), address, b->client.port);
    b->stripe = hash & (XVS_STRIPES - 1);
    struct xvs_stripe* stripe = bpf_map_lookup_elem(&stripes, &b->stripe);
    return stripe && __sync_val_compare_and_swap(&stripe->holder, 0, 1) == 0;
}

INLINE void leave_stripe(const struct beginning* b) {
    struct xvs_stripe* stripe = bpf_map_lookup_elem(&stripes, &b->stripe);
    if (stripe) (void)__sync_lock_test_and_set(&stripe->holder, 0);
}

/* Whether another connection has announced this one, from whatever port: then the engine knows
 * where it goes. */
GLOBAL int is_awaited(__u32 family) {
    struct beginning* b = beginning_of_cpu();
    if (!b || !kinds.awaits_clients || b->request.protocol != IPPROTO_TCP) return 0;
    const struct flow_key* key = &b->request;
    const __u32 ports = key->ports & bpf_htonl(0xffff);
    if (family == 6)
        return find_slot6((const struct addresses6*)key->source, ports, IPPROTO_TCP) != NO_SLOT6;
    return find_flow4(key->source[0], key->destination[0], ports, IPPROTO_TCP, &b->awaited);
}

/* Finds the stock of the packet's service, and whether all that a connection needs is there. */
GLOBAL int find_stock(void) {
    struct beginning* b = beginning_of_cpu();
    const struct xvs_steer_control* c = steer_control();
    if (!b || !c || !table_header()->stocks_are_open || kinds.mark_rules) return 0;
    if (kinds.access & XVS_HAS_ACCESS_OF_ALL) return 0;
    const __u32* number = bpf_map_lookup_elem(&services, &b->service);
    if (!number || !*number || !is_local(&b->service) || is_local(&b->client)) return 0;
    const __s32 silence = (__s32)(now_tick() - c->heartbeat);
    if (silence > (__s32)XVS_STOCK_TICKS) return 0;
    b->stock = *number - 1;
    b->worker = worker_of(&b->client);
    /* A worker that has much to read is woken by a packet. */
    const __u32 at = ring_of(b->worker);
    const struct xvs_report_ring* ring = bpf_map_lookup_elem(&report_rings, &at);
    return ring && ring->head - *(const volatile __u32*)&ring->tail < XVS_REPORTS / 2;
}

/* Whether it can be carried out where the packet is: what must leave by tc is for tc to draw. */
INLINE bool is_for_here(const struct beginning* b) {
    if (b->place == DRAWN_AT_TC) return true;
    const struct xvs_translation* t = translation_at(b->decision.inbound);
    const struct xvs_next_hop* hop = t ? next_hop_at(t->next_hop) : 0;
    return hop && (hop->flags & XVS_HOP_XDP);
}

/* Takes the next decision; false where there is none, or the packet is to wake the engine. */
GLOBAL int take_decision(void) {
    struct beginning* b = beginning_of_cpu();
    if (!b) return 0;
    const __u32 at = b->stock;
    struct xvs_stock* stock = bpf_map_lookup_elem(&stocks, &at);
    if (!stock) return 0;
    for (__u32 tries = 0; tries < DRAW_TRIES; ++tries) {
        const __u64 drawn = *(const volatile __u64*)&stock->drawn;
        const __u64 stocked = *(const volatile __u64*)&stock->stocked;
        const __u32 left = (__u32)stocked - (__u32)drawn;
        if (stocked >> 32 != drawn >> 32 || left == 0 || left == stock->low) return 0;
        const __u32 place = at * XVS_STOCK_SIZE + (__u32)drawn % XVS_STOCK_SIZE;
        const struct xvs_decision* decision = bpf_map_lookup_elem(&decisions, &place);
        if (!decision || decision->inbound == XVS_NONE) return 0;
        b->decision = *decision;
        if (!is_for_here(b)) return 0;
        if (__sync_val_compare_and_swap(&stock->drawn, drawn, drawn + 1) == drawn) {
            b->drawn = drawn;
            return 1;
        }
    }
    return 0;
}

/* Puts the decision back. Where another CPU has drawn since, or its epoch has ended, the engine is
 * told to give up its references. */
INLINE void put_back(const struct beginning* b, __u32 family) {
    struct xvs_stock* stock = bpf_map_lookup_elem(&stocks, &b->stock);
    if (!stock ||
        __sync_val_compare_and_swap(&stock->drawn, b->drawn + 1, b->drawn) == b->drawn + 1)
        return;
    const struct found lost = {
        .state = b->decision.inbound, .slot = b->decision.outbound, .owner = (__u8)b->worker};
    (void)report_packet(&lost, (__u8)family, XVS_REPORT_LOST, 0);
}

/* Draws for the packet noted; true: the decision is there, and a slot for its requests. */
INLINE bool draw_decision(struct beginning* b, __u32 family, __u32 place) {
    b->place = place;
    if (is_awaited(family) || !find_stock() || !take_stripe(b, family)) return false;
    b->reply_slot = SLOT_NONE;
    b->request_slot = claim(&b->request, family);
    if (b->request_slot >= 0 && take_decision()) return true;
    give_back(b->request_slot, family);
    leave_stripe(b);
    return false;
}

/* The key of replies: from the real server to the client. */
GLOBAL int note_reply(void) {
    struct beginning* b = beginning_of_cpu();
    if (!b) return 0;
    const struct xvs_translation* t = translation_at(b->decision.inbound);
    if (!t) return 0;
    const __u16 port = t->rewrite & XVS_KEEP_PORT ? (__u16)(b->request.ports >> 16) : t->port;
    b->reply =
        (struct flow_key){.ports = port | b->request.ports << 16, .protocol = b->request.protocol};
    const __u32* address = (const __u32*)t->address;
    copy_words(b->reply.source, address, 4);
    copy_words(b->reply.destination, b->request.source, 4);
    return 1;
}

/* Whether replies to the client are known to go where those of the decision go. */
INLINE bool is_usual_way(const struct beginning* b, __u32 family) {
    const __u32* client = (const __u32*)b->client.address;
    const __u32 hash = family == 4 ? xvs_client_hash4(hash_keys(), client[0], 0)
                                   : xvs_client_hash6(hash_keys(), client, 0);
    const __u32 at = hash & (XVS_CLIENT_WAYS - 1);
    const struct xvs_client_way* way = bpf_map_lookup_elem(&client_ways, &at);
    const struct xvs_translation* t = translation_at(b->decision.outbound);
    if (!way || !t) return false;
    const __u32 version = *(const volatile __u32*)&way->version;
    asm volatile("" ::: "memory");
    const __u64 both = *(const volatile __u64*)&t->next_hop;
    const bool is_same = way->family == family && !difference6(way->client, client) &&
                         way->next_hop == (__u32)both && way->generation == (__u32)(both >> 32);
    asm volatile("" ::: "memory");
    return is_same && !(version & 1) && *(const volatile __u32*)&way->version == version;
}

#define WRITE_ENTRY(entry, index, the_flags, the_punt, the_report, tick, count) \
    do {                                                                        \
        (entry)->flags = (__u8)(the_flags);                                     \
        (entry)->punt = (the_punt);                                             \
        (entry)->report = (the_report);                                         \
        (entry)->translation = (index);                                         \
        (entry)->last_seen = (tick);                                            \
        (entry)->packets = (count);                                             \
    } while (0)

/* Fills in what a claimed slot lacks but its state. */
INLINE void write_entry(
    int slot, __u32 family, __u32 translation, __u32 flags, __u16 masks, __u32 tick) {
    const __u32 at = (__u32)slot;
    const __u32 count = flags & XVS_FLOW_OUTBOUND ? 0 : 1;
    if (family == 4) {
        struct xvs_flow4* flow = bpf_map_lookup_elem(&flows4, &at);
        if (flow)
            WRITE_ENTRY(flow, translation, flags, (__u8)masks, (__u8)(masks >> 8), tick, count);
    } else {
        struct xvs_flow6* flow = bpf_map_lookup_elem(&flows6, &at);
        if (flow)
            WRITE_ENTRY(flow, translation, flags, (__u8)masks, (__u8)(masks >> 8), tick, count);
    }
}

/* Makes the entry in a claimed slot DRAWN; returns its state word. */
INLINE __u32 publish(int slot, __u32 family) {
    const __u32 at = (__u32)slot;
    __u32* state = family == 4 ? bpf_map_lookup_elem(&flows4, &at) : 0;
    struct xvs_flow6* flow6 = family == 4 ? 0 : bpf_map_lookup_elem(&flows6, &at);
    if (flow6) state = &flow6->state;
    if (!state) return 0;
    const __u32 word = (*state & ~XVS_STATE_MASK) | XVS_SLOT_DRAWN;
    (void)__sync_lock_test_and_set(state, word);
    return word;
}

/* False when the decision's epoch has ended: nothing of it may be seen. */
GLOBAL int publish_drawn(__u32 family) {
    struct beginning* b = beginning_of_cpu();
    if (!b) return 0;
    const __u32 tick = now_tick();
    const __u32 owner = b->worker << XVS_FLOW_OWNER_SHIFT;
    const struct xvs_decision* d = &b->decision;
    if (b->reply_slot >= 0) {
        const __u8 punt = is_usual_way(b, family) ? d->outbound_punt : XVS_EVENT_ANY;
        write_entry(b->reply_slot,
                    family,
                    d->outbound,
                    owner | XVS_FLOW_OUTBOUND,
                    (__u16)(punt | d->outbound_report << 8),
                    tick);
    }
    write_entry(b->request_slot,
                family,
                d->inbound,
                owner,
                (__u16)(d->inbound_punt | d->inbound_report << 8),
                tick);
    const struct xvs_stock* stock = bpf_map_lookup_elem(&stocks, &b->stock);
    if (!stock || *(const volatile __u64*)&stock->drawn >> 32 != b->drawn >> 32) return 0;
    if (b->reply_slot >= 0) (void)publish(b->reply_slot, family);
    const struct found drawn = {.state = publish(b->request_slot, family),
                                .slot = (__u32)b->request_slot,
                                .owner = (__u8)b->worker};
    (void)report_packet(&drawn, (__u8)family, XVS_REPORT_DRAWN, tick);
    return 1;
}

/* Gives up what draw_decision() has begun: everything is as before. */
GLOBAL int abandon_drawn(__u32 family) {
    struct beginning* b = beginning_of_cpu();
    if (!b) return 0;
    give_back(b->request_slot, family);
    give_back(b->reply_slot, family);
    put_back(b, family);
    leave_stripe(b);
    return 0;
}

/* Makes its entries live; false: it had to be given up. */
INLINE bool install_drawn(struct beginning* b, __u32 family) {
    bool is_ready = true;
    if (b->decision.has_outbound) {
        if (note_reply()) b->reply_slot = claim(&b->reply, family);
        is_ready = b->reply_slot >= 0;
    }
    if (!is_ready || !publish_drawn(family)) {
        (void)abandon_drawn(family);
        return false;
    }
    leave_stripe(b);
    return true;
}

#endif
