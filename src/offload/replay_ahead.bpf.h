// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
//
// Where the flow table has outgrown a core's L2 cache, most of a packet's time is spent waiting for
// its entry. Packets come in lists, of eight where NAPI hands them over: with the first one of a
// list, the entries of all are read, which then wait together. That is only a hint. Nothing depends
// on what was read, nor on what the list has become meanwhile: reads of the kernel's memory that
// fail give 0.
#ifndef XVS_OFFLOAD_REPLAY_AHEAD_BPF_H
#define XVS_OFFLOAD_REPLAY_AHEAD_BPF_H

#include <bpf/bpf_core_read.h>

#include "offload/replay_flow.bpf.h"

/* What the kernel gathers before it hands packets over (net.core.gro_normal_batch). */
#define READ_AT_ONCE 8

#define AHEAD_CPUS 256 /* a power of two; further ones share their places */

struct sk_buff___xvs {
    struct sk_buff___xvs* next;
    struct sk_buff___xvs* prev;
    unsigned char* head;
    __u16 network_header;
    __u8 ip_summed : 2;
} __attribute__((preserve_access_index));

/* Any two words of a packet: a type of the kernel's that is laid out so. */
struct timespec64___xvs {
    __s64 tv_sec;
    long tv_nsec;
} __attribute__((preserve_access_index));

/* Both since Linux 6.2. */
extern void* bpf_cast_to_kern_ctx(void* ctx) __ksym __weak;
extern void* bpf_rdonly_cast(const void* object, __u32 type) __ksym __weak;

/* Of packets whose first entries were read, so many are still to come: on each CPU. */
struct {
    __u64 count;
    __u64 line[7];
} packets_ahead[AHEAD_CPUS] = {};

/* The home of the flow that a packet may have, as if it were of IPv4. */
INLINE __u32 home_of(const struct sk_buff___xvs* packet, __u32 addresses) {
    const __u32 type = bpf_core_type_id_kernel(struct timespec64___xvs);
    const struct timespec64___xvs* words = bpf_rdonly_cast(packet->head + addresses, type);
    const __u64 first = (__u64)words->tv_sec;   /* TTL, protocol, checksum, source */
    const __u64 second = (__u64)words->tv_nsec; /* destination, ports */
    return xvs_hash4(hash_keys(),
                     (__u32)(first >> 32),
                     (__u32)second,
                     (__u32)(second >> 32),
                     (__u8)(first >> 8));
}

/* Reads the entries of this packet and of those behind it in the list that the kernel is going
 * through. Returns how many are behind it. The kernel has taken this one out of the list, to whose
 * head its `prev` still points. */
GLOBAL int read_entries_ahead(struct __sk_buff* skb) {
    if (!constants.can_cast) return 0;
    const struct xvs_table_header* h = table_header();
    const __u32 last = *(const volatile __u32*)&h->extent4.active - 1;
    const struct sk_buff___xvs* packet = bpf_cast_to_kern_ctx(skb);
    const struct sk_buff___xvs* list = packet->prev;
    const struct sk_buff___xvs* next = list->next;
    const __u32 addresses = packet->network_header + 8u;
    __u32 homes[READ_AT_ONCE];
    int count = 0;
    while (true) {
        homes[count & (READ_AT_ONCE - 1)] = home_of(packet, addresses) & last;
        if (++count == READ_AT_ONCE || !next || next == list) break;
        packet = next;
        next = next->next;
    }
    for (int i = 0; i < READ_AT_ONCE; ++i) {
        if (i == count) break;
        const struct xvs_flow4* flow = bpf_map_lookup_elem(&flows4, &homes[i]);
        if (flow) (void)*(const volatile __u32*)&flow->state;
    }
    return count - 1;
}

/* To be called with each packet that may have a flow of IPv4, before that is looked up. */
INLINE void read_ahead(struct __sk_buff* skb) {
    const struct xvs_table_header* h = table_header();
    if (*(const volatile __u32*)&h->extent4.active < constants.reads_ahead_from) return;
    const __u32 cpu = bpf_get_smp_processor_id() & (AHEAD_CPUS - 1);
    volatile __u64* ahead = &packets_ahead[cpu].count;
    const __u64 left = *ahead - 1;
    *ahead = left < READ_AT_ONCE ? left : (__u64)read_entries_ahead(skb);
}

#endif
