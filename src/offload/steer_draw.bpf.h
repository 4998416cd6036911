// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
//
// A new connection by the next decision of its service's stock: slots are claimed as workers claim
// them, the entries become live, and the worker whose they are is told (ADR 0018). Whatever does
// not go smoothly is given back, and the packet goes to the engine. What is known meanwhile lies in
// a record of the CPU's, since the stack is small.
#ifndef XVS_OFFLOAD_STEER_DRAW_BPF_H
#define XVS_OFFLOAD_STEER_DRAW_BPF_H

#include "offload/steer_claim.bpf.h"
#include "offload/steer_lookup.bpf.h"
#include "offload/steer_share.bpf.h"

#define DRAW_TRIES 8

/* Where a packet is met. */
#define DRAWN_AT_TC 0u
#define DRAWN_AT_XDP 1u

/* A connection that begins. */
struct beginning {
    struct flow_key request;
    struct flow_key reply;
    struct xvs_decision decision;
    struct found awaited;
    struct xvs_endpoint_key service;
    struct xvs_endpoint_key client;
    __u64 drawn; /* the stock's word before the draw */
    __u32 service_stock;
    __u32 service_epoch;
    __u32 stock; /* the same, or a share of it */
    __u32 place; /* where it is met: DRAWN_AT_* */
    __u32 stripe;
    __u32 worker;
    int request_slot;
    int reply_slot;
    /* Closed connections' entries with the same keys, whose places the new ones take; those that
     * have a slot and a state, or NO_SLOT. */
    __u64 request_former;
    __u64 reply_former;
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
        return find_slot6((const struct addresses6*)key->source, ports, IPPROTO_TCP) != NO_SLOT;
    const struct wanted4 wanted = {key->source, key->destination, ports, IPPROTO_TCP};
    return find_flow4(&wanted, &b->awaited);
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
    b->service_stock = *number - 1;
    b->worker = worker_of(&b->client);
    /* A worker that has much to read is woken by a packet. */
    const __u32 at = ring_of(b->worker);
    const struct xvs_report_ring* ring = bpf_map_lookup_elem(&report_rings, &at);
    return ring && ring->head - *(const volatile __u32*)&ring->tail < XVS_REPORTS / 2;
}

/* Whether it can be carried out where the packet is: what must leave by tc is for tc to draw. */
INLINE bool is_for_here(const struct beginning* b) {
    if (b->place == DRAWN_AT_TC) return true;
    const struct xvs_translation* t;
    const struct xvs_next_hop* hop;
    return find_translation(b->decision.inbound, &t) && find_next_hop(t->next_hop, &hop) &&
           (hop->flags & XVS_HOP_XDP);
}

/* Finds what the packet may draw from: false where that is nothing. */
GLOBAL int find_ring(void) {
    struct beginning* b = beginning_of_cpu();
    if (!b) return 0;
    const __u32 at = b->service_stock;
    const struct xvs_stock* stock = bpf_map_lookup_elem(&stocks, &at);
    if (!stock) return 0;
    const __u64 drawn = *(const volatile __u64*)&stock->drawn;
    const __u64 stocked = *(const volatile __u64*)&stock->stocked;
    if (stocked >> 32 != drawn >> 32 || !(__u32)stocked) return 0;
    asm volatile("" ::: "memory");
    const __u32 kind = *(const volatile __u32*)&stock->kind;
    b->service_epoch = (__u32)(drawn >> 32);
    b->stock = at;
    if (kind == XVS_STOCK_IN_TURN) return 1;
    const int share = share_of_client(&b->client, at, kind);
    if (share < 0) return 0;
    b->stock = XVS_STOCKS + at * XVS_SHARES + (__u32)share;
    return 1;
}

/* Whether the epoch is that in which the ring was found. After the ring's own words were read: they
 * change only when it has ended. */
INLINE bool is_same_epoch(const struct beginning* b) {
    const __u32 at = b->service_stock;
    const struct xvs_stock* stock = bpf_map_lookup_elem(&stocks, &at);
    return stock && (__u32)(*(const volatile __u64*)&stock->drawn >> 32) == b->service_epoch;
}

/* Of those who find the stock low, the first is to wake the engine, which makes `low` what it was
 * when it has stocked anew. What XDP leaves alone may have to be met at tc still, to go up there.
 */
INLINE bool is_to_wake(const struct beginning* b, struct xvs_stock* stock, __u32 left) {
    const __u32 low = *(const volatile __u32*)&stock->low;
    if (left > low) return false;
    return b->place == DRAWN_AT_XDP || __sync_val_compare_and_swap(&stock->low, low, 0) == low;
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
        if (stocked >> 32 != drawn >> 32 || left == 0 || is_to_wake(b, stock, left)) return 0;
        const __u32 place = *(const volatile __u32*)&stock->first +
                            ((__u32)drawn & (*(const volatile __u32*)&stock->size - 1));
        const struct xvs_decision* decision = bpf_map_lookup_elem(&decisions, &place);
        if (!decision || decision->inbound == XVS_NONE) return 0;
        b->decision = *decision;
        if (!is_for_here(b) || !is_same_epoch(b)) return 0;
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
        .state = b->decision.inbound, .slot = b->decision.outbound, .rest = OWNED_BY(b->worker)};
    (void)report_packet(&lost, (__u8)family, XVS_REPORT_LOST, 0);
}

/* Draws for the packet noted; true: the decision is there, and a slot for its requests. `is_live`:
 * its key is that of a connection, which must be closed. */
INLINE bool draw_decision(struct beginning* b, __u32 family, __u32 place, bool is_live) {
    b->place = place;
    if (is_live && !table_header()->reuses_closed) return false;
    if (is_awaited(family) || !find_stock() || !take_stripe(b, family)) return false;
    b->reply_slot = SLOT_NONE;
    b->reply_former = NO_SLOT;
    b->request_former = is_live ? find_closed(&b->request, 0, family) : NO_SLOT;
    b->request_slot = is_live && b->request_former == NO_SLOT
                          ? SLOT_NONE
                          : claim(&b->request, b->request_former, family);
    if (b->request_slot >= 0 && find_ring() && take_decision()) return true;
    give_back(b->request_slot, family);
    leave_stripe(b);
    return false;
}

/* The key of replies: from the real server to the client. */
GLOBAL int note_reply(void) {
    struct beginning* b = beginning_of_cpu();
    if (!b) return 0;
    const struct xvs_translation* t;
    if (!find_translation(b->decision.inbound, &t)) return 0;
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
    const struct xvs_translation* t;
    if (!way || !find_translation(b->decision.outbound, &t)) return false;
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

/* Its key is found in another slot by now. What the engine has ended meanwhile is no more. */
INLINE void replace(const struct beginning* b, __u64 former, __u32 family) {
    const __u32 at = (__u32)former;
    const __u32 word = (__u32)(former >> 32);
    if (former == NO_SLOT) return;
    __u32* state = family == 4 ? bpf_map_lookup_elem(&flows4, &at) : 0;
    struct xvs_flow6* flow6 = family == 4 ? 0 : bpf_map_lookup_elem(&flows6, &at);
    if (flow6) state = &flow6->state;
    const __u32 replaced = (word & ~XVS_STATE_MASK) | XVS_SLOT_REPLACED;
    if (!state || __sync_val_compare_and_swap(state, word, replaced) != word) return;
    const struct found f = {.state = word, .slot = at, .rest = OWNED_BY(b->worker)};
    (void)report_packet(&f, (__u8)family, XVS_REPORT_REPLACED, 0);
}

/* After the report of the new one. */
GLOBAL int replace_former(__u32 family) {
    struct beginning* b = beginning_of_cpu();
    if (!b) return 0;
    replace(b, b->request_former, family);
    replace(b, b->reply_former, family);
    return 0;
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
                                .rest = OWNED_BY(b->worker)};
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

/* Most often it is the same real server's that the former connection had. */
INLINE void claim_reply(struct beginning* b, __u32 family) {
    if (b->request_former != NO_SLOT)
        b->reply_former = find_closed(&b->reply, XVS_FLOW_OUTBOUND, family);
    b->reply_slot = claim(&b->reply, b->reply_former, family);
}

/* Makes its entries live; false: it had to be given up. */
INLINE bool install_drawn(struct beginning* b, __u32 family) {
    bool is_ready = true;
    if (b->decision.has_outbound) {
        if (note_reply()) claim_reply(b, family);
        is_ready = b->reply_slot >= 0;
    }
    if (!is_ready || !publish_drawn(family)) {
        (void)abandon_drawn(family);
        return false;
    }
    if (b->request_former != NO_SLOT) (void)replace_former(family);
    leave_stripe(b);
    return true;
}

#endif
