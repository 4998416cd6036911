// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
//
// From a sighted packet to its flow entry and what the entry says: the rules of docs/flow-table.md.
#ifndef XVS_OFFLOAD_REPLAY_FLOW_BPF_H
#define XVS_OFFLOAD_REPLAY_FLOW_BPF_H

#include "flow/hash.h"
#include "offload/replay_packet.bpf.h"

/* An entry of either family, and what it said when its key was compared. */
struct found {
    void* flow;
    __u32 slot;
    __u32 state;
    __u32 translation;
    __u32 rest; /* as they lie in the entry: protocol, flags, punt, report */
};

/* `rest` of nothing but a worker. */
#define OWNED_BY(worker) ((__u32)(worker) << (8 + XVS_FLOW_OWNER_SHIFT))

INLINE __u32 owner_of(const struct found* f) {
    return f->rest >> (8 + XVS_FLOW_OWNER_SHIFT) & (XVS_MAX_WORKERS - 1);
}

/* Of some events those that a packet is punted for, and those that are reported. */
INLINE __u32 punted_of(const struct found* f, __u32 events) {
    return events & f->rest >> 16;
}

INLINE __u32 reported_of(const struct found* f, __u32 events) {
    return events & f->rest >> 24;
}

INLINE bool is_live_state(__u32 state) {
    const __u32 slot_state = state & XVS_STATE_MASK;
    return slot_state == XVS_SLOT_LIVE || slot_state == XVS_SLOT_DRAWN;
}

INLINE bool is_empty_state(__u32 state) {
    return (state & XVS_STATE_MASK) == XVS_SLOT_EMPTY;
}

/* Protocol, flags, punt and report as one word. */
#define REST_OF(entry) (*(const volatile __u32*)&(entry)->protocol)

#define NOTE_ENTRY(f, entry, at, word, others)   \
    do {                                         \
        (f)->flow = (entry);                     \
        (f)->slot = (at);                        \
        (f)->state = (word);                     \
        (f)->translation = (entry)->translation; \
        (f)->rest = (others);                    \
    } while (0)

/* A field of the entry found. */
#define FIELD_OF(f, family, name)                                   \
    ((family) == 4 ? &((volatile struct xvs_flow4*)(f)->flow)->name \
                   : &((volatile struct xvs_flow6*)(f)->flow)->name)

/* What a flow of IPv4 is found by. Addresses are read again where they lie: registers are few. */
struct wanted4 {
    const volatile __u32* source;
    const volatile __u32* destination;
    __u32 ports;
    __u32 protocol;
};

/* Among `last` + 1 slots from the one that belongs to `hash` on. */
INLINE bool probe4(__u32 hash, __u32 last, const struct wanted4* w, struct found* f) {
    __u32 slot = hash & last;
    for (__u32 step = 0; step < XVS_PROBES; ++step) {
        struct xvs_flow4* flow = bpf_map_lookup_elem(&flows4, &slot);
        if (!flow) return false;
        const __u32 state = *(const volatile __u32*)&flow->state;
        if (is_empty_state(state)) return false;
        const __u32 rest = REST_OF(flow);
        /* One branch: each more is one more way, from each step on, for the verifier to follow. */
        const __u32 difference =
            (flow->source ^ *w->source) | (flow->destination ^ *w->destination) |
            (word_at(&flow->source_port) ^ w->ports) | ((rest ^ w->protocol) & 0xff);
        if (!difference && is_live_state(state)) {
            NOTE_ENTRY(f, flow, slot, state, rest);
            return true;
        }
        slot = (slot + 1) & last;
    }
    return false;
}

/* While the table grows, some are among the former slots still. */
INLINE bool find_flow4(const struct wanted4* w, struct found* f) {
    const struct xvs_table_header* h = table_header();
    const __u32 hash = xvs_hash4(hash_keys(), *w->source, *w->destination, w->ports, w->protocol);
    const __u32 active = *(const volatile __u32*)&h->extent4.active;
    if (probe4(hash, active - 1, w, f)) return true;
    const __u32 former = *(const volatile __u32*)&h->extent4.former;
    return former != active && probe4(hash, former - 1, w, f);
}

INLINE __u32 difference6(const void* a, const void* b) {
    return (word_at(a) ^ word_at(b)) | (word_at(a + 4) ^ word_at(b + 4)) |
           (word_at(a + 8) ^ word_at(b + 8)) | (word_at(a + 12) ^ word_at(b + 12));
}

/* As they lie in a header. */
struct addresses6 {
    __u32 source[4], destination[4];
};

/* The slot and, above it, the state that it had before its key was compared. */
#define NO_SLOT (~0ull)

INLINE __u64
probe6(__u32 hash, __u32 slots, const struct addresses6* a, __u32 ports, __u32 protocol) {
    for (__u32 step = 0; step < XVS_PROBES; ++step) {
        const __u32 slot = (hash + step) & (slots - 1);
        struct xvs_flow6* flow = bpf_map_lookup_elem(&flows6, &slot);
        if (!flow) return NO_SLOT;
        const __u32 state = *(const volatile __u32*)&flow->state;
        if (is_empty_state(state)) return NO_SLOT;
        const __u32 difference =
            difference6(flow->source, a->source) | difference6(flow->destination, a->destination) |
            (word_at(&flow->source_port) ^ ports) | (flow->protocol ^ (__u8)protocol);
        if (!difference && is_live_state(state)) return slot | (__u64)state << 32;
    }
    return NO_SLOT;
}

GLOBAL __u64 find_slot6(const struct addresses6* a, __u32 ports, __u32 protocol) {
    const struct xvs_table_header* h = table_header();
    if (!a) return NO_SLOT; /* never */
    const __u32 hash = xvs_hash6(hash_keys(), a->source, a->destination, ports, protocol);
    const __u32 active = *(const volatile __u32*)&h->extent6.active;
    const __u64 found = probe6(hash, active, a, ports, protocol);
    const __u32 former = *(const volatile __u32*)&h->extent6.former;
    return found != NO_SLOT || former == active ? found : probe6(hash, former, a, ports, protocol);
}

/* What is read here is the flow's whose key was compared if its state has not changed in the end.
 */
INLINE bool find_flow6(const struct addresses6* a, __u32 ports, __u32 protocol, struct found* f) {
    const __u64 found = find_slot6(a, ports, protocol);
    if (found == NO_SLOT) return false;
    const __u32 slot = (__u32)found;
    struct xvs_flow6* flow = bpf_map_lookup_elem(&flows6, &slot);
    if (!flow) return false;
    NOTE_ENTRY(f, flow, slot, (__u32)(found >> 32), REST_OF(flow));
    return true;
}

INLINE bool find_flow(const struct sighting* s, __u8 family, struct found* f) {
    if (family == 4) {
        const struct ipv4_header* ip = s->ip;
        const struct wanted4 wanted = {(const volatile __u32*)ip->source,
                                       (const volatile __u32*)ip->destination,
                                       s->ports,
                                       s->protocol};
        return find_flow4(&wanted, f);
    }
    const struct ipv6_header* ip = s->ip;
    return find_flow6((const struct addresses6*)ip->source, s->ports, s->protocol, f);
}

INLINE bool is_known4(const void* address) {
    return is_known_hash(xvs_address_hash4(word_at(address)));
}

INLINE bool is_known6(const void* address) {
    return is_known_hash(xvs_address_hash6(
        word_at(address), word_at(address + 4), word_at(address + 8), word_at(address + 12)));
}

INLINE bool is_strange(const struct sighting* s, __u8 family) {
    if (family == 4) {
        const struct ipv4_header* ip = s->ip;
        return !is_known4(ip->destination) && !is_known4(ip->source);
    }
    const struct ipv6_header* ip = s->ip;
    return !is_known6(ip->destination) && !is_known6(ip->source);
}

/* What is to be done with a packet of a live flow, and what its next hop said at one moment: from
 * `interface` on, of a packet that LEAVES alone. */
struct plan {
    const struct xvs_translation* translation;
    __u32 rewrite; /* the translation's */
    __u32 interface;
    __u32 lower;
    __u32 macs[3]; /* of the frame: destination, source */
    __u32 vlan;
    __u32 hop_flags;
};

/* A packet that the host sends itself as a real server needs no next hop. */
enum direction { ARRIVING, LEAVING };

/* What make_plan() finds. Of what stays the host's own stack is the target, or the host itself
 * sends it, and it has its way. */
enum way { NO_WAY, STAYS, LEAVES };

/* Copies the next hop; false when that is not a way for `length` bytes, or was changed meanwhile.
 * Index and generation are read as one word, as they are written; the record was the one they name
 * all the while if it is so in the end, and its addresses were whole if its flags, which count
 * their changes, are as they were. */
INLINE bool copy_next_hop(const struct xvs_translation* t, __u32 length, struct plan* plan) {
    const __u64 both = *(const volatile __u64*)&t->next_hop;
    const __u32 index = (__u32)both;
    const __u32 generation = (__u32)(both >> 32);
    const struct xvs_next_hop* hop;
    if (!find_next_hop(index, &hop)) return false;
    const __u32 flags = *(const volatile __u8*)&hop->flags;
    if (!(flags & XVS_HOP_RESOLVED) || length > hop->mtu) return false;
    asm volatile("" ::: "memory");
    plan->interface = hop->interface;
    plan->lower = hop->lower;
    plan->vlan = hop->vlan;
    plan->hop_flags = flags;
    copy_words(plan->macs, hop->mac_destination, 3);
    asm volatile("" ::: "memory");
    return *(const volatile __u8*)&hop->flags == flags &&
           *(const volatile __u32*)&hop->generation == generation;
}

/* NO_WAY: the packet is for the engine. `segment`: bytes of the longest piece that will be on the
 * wire, from the IP header on. */
INLINE enum way make_plan(const struct found* f,
                          const struct sighting* s,
                          __u32 segment,
                          enum direction direction,
                          struct plan* plan) {
    const struct xvs_translation* t;
    if (punted_of(f, s->events) || !find_translation(f->translation, &t)) return NO_WAY;
    const __u32 rewrite = *(const volatile __u8*)&t->rewrite;
    if (rewrite & XVS_SUSPENDED) return NO_WAY;
    plan->translation = t;
    plan->rewrite = rewrite;
    if (rewrite & XVS_TO_HOST) return direction == ARRIVING ? STAYS : NO_WAY;
    if (t->next_hop == XVS_NONE) return direction == LEAVING ? STAYS : NO_WAY;
    if (direction == LEAVING || hops_left(s) <= 1 || s->length + t->overhead > 0xffff)
        return NO_WAY;
    return copy_next_hop(t, segment + t->overhead, plan) ? LEAVES : NO_WAY;
}

/* The clock is asked once a jiffy; in between, its last answer stands. */
INLINE __u32 now_tick(void) {
    const __u64 jiffy = bpf_jiffies64() << 32;
    const __u64 last = *(volatile __u64*)&last_tick;
    __u32 tick = (__u32)last;
    if ((last & ~0xffffffffull) != jiffy) {
        tick = (__u32)(bpf_ktime_get_coarse_ns() >> XVS_TICK_SHIFT);
        *(volatile __u64*)&last_tick = jiffy | tick;
    }
    if (!constants.is_tested) return tick;
    const struct xvs_steer_control* c = steer_control();
    return c ? tick + c->tick_offset : tick;
}

/* Of this CPU's reports to a worker. */
INLINE __u32 ring_of(__u32 worker) {
    return worker * constants.cpus + bpf_get_smp_processor_id();
}

/* How far this CPU's reports to a worker have come. */
INLINE __u32 report_position(__u32 worker) {
    const __u32 number = ring_of(worker);
    const struct xvs_report_ring* ring = bpf_map_lookup_elem(&report_rings, &number);
    return ring ? ring->head : 0;
}

/* False when the ring is full. */
INLINE bool report_packet(const struct found* f, __u8 family, __u8 events, __u32 tick) {
    const __u32 number = ring_of(owner_of(f));
    struct xvs_report_ring* ring = bpf_map_lookup_elem(&report_rings, &number);
    if (!ring) return false;
    const __u32 head = ring->head;
    if (head - *(const volatile __u32*)&ring->tail >= XVS_REPORTS) return false;
    const __u32 at = number * XVS_REPORTS + head % XVS_REPORTS;
    struct xvs_report* report = bpf_map_lookup_elem(&reports, &at);
    if (!report) return false;
    report->state = f->state;
    report->slot = f->slot;
    report->tick = tick;
    report->events = events;
    report->family = family;
    /* x86 stores in order; elsewhere the exchange is the barrier that a store release would be. */
    (void)__sync_lock_test_and_set(&ring->head, head + 1);
    return true;
}

INLINE void count_packet(const struct xvs_translation* t, __u32 bytes, bool outbound) {
    const __u32 row = constants.workers + bpf_get_smp_processor_id();
    const __u32 at = row * constants.destinations + t->destination;
    struct xvs_counters* c = bpf_map_lookup_elem(&counters, &at);
    if (!c) return;
    __u64* counts = &c->packets_in;
    if (outbound) counts = &c->packets_out;
    counts[0] += 1;
    counts[1] += bytes;
}

/* A test has something happen here to the entry whose state word this is. */
#ifndef BETWEEN_READINGS
#define BETWEEN_READINGS(state_word)
#endif

/* Everything but the packet itself; false: it is for the engine after all. The copy is one flow's
 * if the state word has not changed. */
INLINE bool note_replay(const struct found* f,
                        const struct sighting* s,
                        const struct plan* plan,
                        __u8 family) {
    BETWEEN_READINGS(FIELD_OF(f, family, state));
    if (*FIELD_OF(f, family, state) != f->state) return false;
    const __u32 tick = now_tick();
    if (reported_of(f, s->events) && !report_packet(f, family, (__u8)s->events, tick)) return false;
    volatile __u32* last_seen = FIELD_OF(f, family, last_seen);
    if (*last_seen != tick) *last_seen = tick;
    *FIELD_OF(f, family, packets) += 1;
    count_packet(plan->translation, s->length, (plan->rewrite & XVS_REWRITE_SOURCE) != 0);
    return true;
}

#endif
