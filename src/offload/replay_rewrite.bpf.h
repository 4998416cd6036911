// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
//
// What a translation writes into a packet, in place: the same at tc and at XDP. As the engine's
// forward/replay.cc; differences of checksums stand in wire order and are added as they are.
#ifndef XVS_OFFLOAD_REPLAY_REWRITE_BPF_H
#define XVS_OFFLOAD_REPLAY_REWRITE_BPF_H

#include "offload/replay_flow.bpf.h"

/* One hop less, as a difference of the 16-bit word that TTL and protocol share, on little-endian
 * machines. */
#define ONE_HOP_LESS 0xfffeu

#define ECN_MASK 0x03
#define ECN_CONGESTION_EXPERIENCED 0x03
#define ECN_CAPABLE 0x02

INLINE __u16 fold_sum(__u32 sum) {
    sum = (sum & 0xffff) + (sum >> 16);
    return (__u16)((sum & 0xffff) + (sum >> 16));
}

/* RFC 1624, equation 3. */
INLINE __u16 add_difference(__u16 checksum, __u32 difference) {
    return (__u16)~fold_sum((__u16)~checksum + difference);
}

INLINE bool is_nat(const struct plan* plan) {
    return plan->rewrite & (XVS_REWRITE_SOURCE | XVS_REWRITE_DESTINATION);
}

/* Between the two places there is a branch, not a sum: the kernel's verifier follows the former. */
INLINE void write_address(void* source, void* destination, const struct plan* plan, __u32 words) {
    const __u8* address = plan->translation->address;
    if (plan->rewrite & XVS_REWRITE_SOURCE) {
        copy_words(source, address, words);
        asm volatile("");
    } else {
        copy_words(destination, address, words);
    }
}

/* The IP header: address and hops. */
INLINE void rewrite_ip4(struct ipv4_header* ip, const struct plan* plan, __u32 hops) {
    __u32 difference = hops ? ONE_HOP_LESS : 0;
    if (is_nat(plan)) {
        write_address(ip->source, ip->destination, plan, 1);
        difference += plan->translation->network_difference;
    }
    ip->ttl -= hops;
    ip->checksum = add_difference(ip->checksum, difference);
}

INLINE void rewrite_ip6(struct ipv6_header* ip, const struct plan* plan, __u32 hops) {
    if (is_nat(plan)) write_address(ip->source, ip->destination, plan, 4);
    ip->hop_limit -= hops;
}

INLINE void rewrite_port(void* transport, const struct plan* plan) {
    if (plan->rewrite & XVS_KEEP_PORT) return;
    __u16* ports = transport;
    const __u16 port = plan->translation->port;
    if (plan->rewrite & XVS_REWRITE_SOURCE) {
        ports[0] = port;
        asm volatile("");
    } else {
        ports[1] = port;
    }
}

/* A partial checksum is the pseudo-header's plain sum. */
INLINE __u16 new_checksum(__u16 before, const struct xvs_translation* t, bool is_partial) {
    return is_partial ? fold_sum((__u32)before + t->address_difference)
                      : add_difference(before, t->full_difference);
}

INLINE void rewrite_checksum(const struct sighting* s,
                             const struct xvs_translation* t,
                             bool is_partial) {
    if (s->protocol == IPPROTO_TCP) {
        /* Known since it was sighted, but not to the verifier any more. */
        if (!lies_before(s, s->transport + TCP_HEADER_SIZE)) return;
        __u16* field = s->transport + TCP_CHECKSUM_AT;
        *field = new_checksum(*field, t, is_partial);
        asm volatile("");
        return;
    }
    if (s->protocol == IPPROTO_SCTP) return; /* only ports concern it, which stay as they are */
    __u16* field = s->transport + UDP_CHECKSUM_AT;
    if (!is_partial && *field == 0) return; /* there is none */
    const __u16 after = new_checksum(*field, t, is_partial);
    *field = !is_partial && after == 0 ? 0xffff : after;
}

/* What an outer header takes over from the packet behind it, in one word. */
#define INNER_DONT_FRAGMENT (1ull << 32)

INLINE __u32 traffic_class(const struct ipv6_header* ip) {
    return (__u8)(ip->version_class[0] << 4 | ip->version_class[1] >> 4);
}

/* Before it is rewritten. */
INLINE __u64 inner_of(const struct sighting* s) {
    if (s->family == 6)
        return s->length | hops_left(s) << 16 | traffic_class(s->ip) << 24 | INNER_DONT_FRAGMENT;
    const struct ipv4_header* ip = s->ip;
    return s->length | hops_left(s) << 16 | (__u32)ip->tos << 24 |
           (ip->fragment & bpf_htons(IP_DONT_FRAGMENT) ? INNER_DONT_FRAGMENT : 0);
}

INLINE __u16 inner_length(__u64 inner) {
    return (__u16)inner;
}

INLINE __u8 inner_ttl(__u64 inner) {
    return (__u8)(inner >> 16);
}

INLINE __u8 inner_tos(__u64 inner) {
    return (__u8)(inner >> 24);
}

INLINE __u8 outer_tos(__u8 tos) {
    return (tos & ECN_MASK) == ECN_CONGESTION_EXPERIENCED ? (tos & ~ECN_MASK) | ECN_CAPABLE : tos;
}

INLINE void write_outer4(struct ipv4_header* ip, const struct xvs_translation* t, __u64 inner) {
    const bool dont_fragment = t->family == 4 && (inner & INNER_DONT_FRAGMENT);
    const __u16 id = dont_fragment ? 0 : (__u16)bpf_get_prandom_u32();
    __builtin_memset(ip, 0, sizeof(*ip));
    ip->version_length = 0x45;
    ip->tos = outer_tos(inner_tos(inner));
    ip->total_length = bpf_htons(inner_length(inner) + sizeof(*ip));
    ip->id = id;
    ip->fragment = dont_fragment ? bpf_htons(IP_DONT_FRAGMENT) : 0;
    ip->ttl = inner_ttl(inner) - 1;
    ip->protocol = t->family == 4 ? IPPROTO_IPIP : IPPROTO_IPV6;
    __builtin_memcpy(ip->source, t->outer_source, sizeof(ip->source));
    __builtin_memcpy(ip->destination, t->outer_destination, sizeof(ip->destination));
    __u32 sum = 0;
#pragma unroll
    for (int i = 0; i < 10; ++i) {
        __u16 word;
        __builtin_memcpy(&word, (const __u8*)ip + 2 * i, sizeof(word));
        sum += word;
    }
    ip->checksum = (__u16)~fold_sum(sum);
}

INLINE void write_outer6(struct ipv6_header* ip, const struct xvs_translation* t, __u64 inner) {
    const __u8 class = outer_tos(inner_tos(inner));
    __builtin_memset(ip, 0, sizeof(*ip));
    ip->version_class[0] = 0x60 | class >> 4;
    ip->version_class[1] = (__u8)(class << 4);
    ip->payload_length = bpf_htons(inner_length(inner));
    ip->next_header = t->family == 4 ? IPPROTO_IPIP : IPPROTO_IPV6;
    ip->hop_limit = inner_ttl(inner) - 1;
    __builtin_memcpy(ip->source, t->outer_source, sizeof(ip->source));
    __builtin_memcpy(ip->destination, t->outer_destination, sizeof(ip->destination));
}

#endif
