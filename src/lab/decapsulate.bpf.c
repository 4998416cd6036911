/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Takes the outer header off packets that a director tunnelled to this real server (IPv4 in IPv4,
 * IPv6 in IPv6), at tc ingress of the interface they arrive on: what tunl0 and ip6tnl0 do where the
 * kernel has them. Super-packets stay whole. Only packets for a VIP of ours are touched; all
 * others go on as they came.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define MAX_VIPS 16
#define PACKET_FOR_US 0 /* PACKET_HOST */
#define GO_ON -1        /* to the next filter, or to the stack */

#define ECN_MASK 3
#define ECN_NOT_CAPABLE 0
#define ECN_CONGESTION 3

/* Set before loading. */
const volatile __u32 vip4_count = 0;
const volatile __be32 vips4[MAX_VIPS] = {};
const volatile __u32 vip6_count = 0;
const volatile __be32 vips6[MAX_VIPS][4] = {};

static __always_inline int take_off(struct __sk_buff* skb, __u32 size) {
    /* Segments keep their size: the director added room outside of them. */
    long error = bpf_skb_adjust_room(skb, -(__s32)size, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO);

    return error ? TC_ACT_SHOT : GO_ON;
}

static __always_inline int is_vip4(__be32 address) {
    for (__u32 i = 0; i < MAX_VIPS; ++i) {
        if (i < vip4_count && vips4[i] == address) return 1;
    }
    return 0;
}

static __always_inline int is_vip6(const struct in6_addr* address) {
    for (__u32 i = 0; i < MAX_VIPS; ++i) {
        if (i < vip6_count && vips6[i][0] == address->in6_u.u6_addr32[0] &&
            vips6[i][1] == address->in6_u.u6_addr32[1] &&
            vips6[i][2] == address->in6_u.u6_addr32[2] &&
            vips6[i][3] == address->in6_u.u6_addr32[3])
            return 1;
    }
    return 0;
}

static __always_inline int decapsulate4(struct __sk_buff* skb) {
    const __u32 inner_at = ETH_HLEN + sizeof(struct iphdr);
    struct iphdr outer, inner;

    if (bpf_skb_load_bytes(skb, ETH_HLEN, &outer, sizeof(outer)) ||
        outer.protocol != IPPROTO_IPIP || outer.ihl != 5 || (outer.frag_off & bpf_htons(0x3fff)))
        return GO_ON;
    if (bpf_skb_load_bytes(skb, inner_at, &inner, sizeof(inner)) || inner.version != 4 ||
        !is_vip4(inner.daddr))
        return GO_ON;

    /* RFC 6040: congestion met on the way through the tunnel is the inner packet's. */
    if ((outer.tos & ECN_MASK) == ECN_CONGESTION && (inner.tos & ECN_MASK) != ECN_CONGESTION) {
        __u8 marked = inner.tos | ECN_CONGESTION;
        __u32 check_at = inner_at + __builtin_offsetof(struct iphdr, check);

        if ((inner.tos & ECN_MASK) == ECN_NOT_CAPABLE) return TC_ACT_SHOT;
        if (bpf_l3_csum_replace(skb, check_at, bpf_htons(inner.tos), bpf_htons(marked), 2) ||
            bpf_skb_store_bytes(skb,
                                inner_at + __builtin_offsetof(struct iphdr, tos),
                                &marked,
                                sizeof(marked),
                                BPF_F_RECOMPUTE_CSUM))
            return TC_ACT_SHOT;
    }
    return take_off(skb, sizeof(outer));
}

static __always_inline int decapsulate6(struct __sk_buff* skb) {
    const __u32 inner_at = ETH_HLEN + sizeof(struct ipv6hdr);
    struct ipv6hdr outer, inner;

    if (bpf_skb_load_bytes(skb, ETH_HLEN, &outer, sizeof(outer)) || outer.nexthdr != IPPROTO_IPV6)
        return GO_ON;
    if (bpf_skb_load_bytes(skb, inner_at, &inner, sizeof(inner)) || inner.version != 6 ||
        !is_vip6(&inner.daddr))
        return GO_ON;

    /* The traffic class lies across the first two bytes; ECN is bits 5 and 4 of the second. */
    __u8 outer_ecn = (outer.flow_lbl[0] >> 4) & ECN_MASK;
    __u8 inner_ecn = (inner.flow_lbl[0] >> 4) & ECN_MASK;

    if (outer_ecn == ECN_CONGESTION && inner_ecn != ECN_CONGESTION) {
        __u8 marked = inner.flow_lbl[0] | (ECN_CONGESTION << 4);

        if (inner_ecn == ECN_NOT_CAPABLE ||
            bpf_skb_store_bytes(skb, inner_at + 1, &marked, sizeof(marked), BPF_F_RECOMPUTE_CSUM))
            return TC_ACT_SHOT;
    }
    return take_off(skb, sizeof(outer));
}

SEC("tc")

int decapsulate(struct __sk_buff* skb) {
    if (skb->pkt_type != PACKET_FOR_US) return GO_ON;
    if (skb->protocol == bpf_htons(ETH_P_IP)) return decapsulate4(skb);
    if (skb->protocol == bpf_htons(ETH_P_IPV6)) return decapsulate6(skb);
    return GO_ON;
}

char license_text[] SEC("license") = "Dual BSD/GPL";
