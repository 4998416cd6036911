// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
//
// Replaying at tc: packets of live flows that came in, and those that the host sends as a real
// server.
#ifndef XVS_OFFLOAD_REPLAY_TC_BPF_H
#define XVS_OFFLOAD_REPLAY_TC_BPF_H

#include <linux/if_ether.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_core_read.h>

#include "offload/replay_ahead.bpf.h"
#include "offload/replay_flow.bpf.h"
#include "offload/replay_rewrite.bpf.h"
#include "offload/steer_access.bpf.h"

/* What became of a packet, beside the actions of tc, which are not negative but for UNSPEC. */
#define REPLAY_UNSIGHTED (-10) /* out of the ordinary: judge it as if there were no replay */
#define REPLAY_MISSED (-11)    /* no live flow's */
#define REPLAY_STRANGE (-12)   /* to and from nobody we know */
#define REPLAY_PUNTED (-13)    /* a live flow's, for the engine; less its worker's number */

/* How the checksum of a packet stands: include/linux/skbuff.h. */
#define CHECKSUM_NONE 0
#define CHECKSUM_COMPLETE 2
#define CHECKSUM_PARTIAL 3
#define CHECKSUM_UNKNOWN 4 /* the kernel cannot tell: before Linux 6.2 */

INLINE __u32 checksum_of(struct __sk_buff* skb) {
    if (!constants.can_cast) return CHECKSUM_UNKNOWN;
    const struct sk_buff___xvs* kernel = bpf_cast_to_kern_ctx(skb);
    return BPF_CORE_READ_BITFIELD(kernel, ip_summed);
}

/* Has the kernel do it. The sums of addresses and of ports are apart, since only the former stand
 * in a partial checksum. Returns false where the packet could not be made writable. */
INLINE bool rewrite_checksum_by_kernel(struct __sk_buff* skb,
                                       const struct xvs_translation* t,
                                       __u32 offset,
                                       bool is_udp) {
    const __u32 at = offset + (is_udp ? UDP_CHECKSUM_AT : TCP_CHECKSUM_AT);
    const __u64 flags = is_udp ? BPF_F_MARK_MANGLED_0 : 0;
    const __u32 ports = fold_sum((__u32)t->full_difference + (__u16)~t->address_difference);
    if (bpf_l4_csum_replace(skb, at, 0, t->address_difference, flags | BPF_F_PSEUDO_HDR))
        return false;
    return t->rewrite & XVS_KEEP_PORT || !bpf_l4_csum_replace(skb, at, 0, ports, flags);
}

/* What a card summed up over the whole packet (CHECKSUM_COMPLETE) has to follow what was written.
 * `by_kernel`: the transport checksum is brought up to date by the kernel, which then does its
 * part. */
INLINE void follow_complete_sum(struct __sk_buff* skb,
                                const struct plan* plan,
                                __u32 hops,
                                bool by_kernel) {
    const struct xvs_translation* t = plan->translation;
    __u32 difference = 0;
    if (t->family == 4) {
        /* The IP header's checksum makes up for the rest of the header. */
        if (is_nat(plan) && !by_kernel) difference = (__u16)~t->address_difference;
    } else {
        /* The transport checksum makes up for the addresses. Hops are the high byte of a word. */
        if (is_nat(plan) && by_kernel) difference = t->address_difference;
        if (hops) difference += 0xfeffu;
    }
    if (difference) (void)bpf_csum_update(skb, fold_sum(difference));
}

/* Rewrites addresses, ports, hops and checksums. False: the packet is lost. */
INLINE bool rewrite(struct __sk_buff* skb,
                    struct sighting* s,
                    const struct plan* plan,
                    __u32 offset,
                    __u32 hops,
                    __u8 family) {
    const struct xvs_translation* t = plan->translation;
    const __u32 checksum = checksum_of(skb);
    if (family == 4) {
        rewrite_ip4(s->ip, plan, hops);
    } else {
        rewrite_ip6(s->ip, plan, hops);
    }
    if (is_nat(plan)) {
        rewrite_port(s->transport, plan);
        if (checksum != CHECKSUM_UNKNOWN) rewrite_checksum(s, t, checksum == CHECKSUM_PARTIAL);
    }
    const bool by_kernel = checksum == CHECKSUM_UNKNOWN;
    /* Nothing in SCTP's own header makes up for an address, as if the kernel were to do so. */
    const bool is_sctp = s->protocol == IPPROTO_SCTP;
    if (by_kernel || checksum == CHECKSUM_COMPLETE)
        follow_complete_sum(skb, plan, hops, by_kernel || is_sctp);
    if (!by_kernel || is_sctp || !is_nat(plan)) return true;
    const __u32 transport = offset + (family == 4 ? 20 : 40);
    return rewrite_checksum_by_kernel(skb, t, transport, s->protocol == IPPROTO_UDP);
}

INLINE int leave(struct __sk_buff* skb, __u32 interface, __u32 hop_flags) {
    if (hop_flags & XVS_HOP_PEER) return (int)bpf_redirect_peer(interface, 0);
    skb->mark = XVS_MARK_TO_WIRE;
    return (int)bpf_redirect(interface, 0);
}

/* Puts an outer header between the link header, whose addresses are right already, and the packet.
 * `way`: interface, and flags of the next hop above it. */
GLOBAL int leave_encapsulated(struct __sk_buff* skb,
                              const struct xvs_translation* t,
                              __u64 inner,
                              __u64 way) {
    struct {
        __u16 alignment;
        __u16 type;

        union {
            struct ipv4_header ip4;
            struct ipv6_header ip6;
        };
    } front;

    if (!t) return TC_ACT_SHOT; /* never */
    const __u64 flags = BPF_F_ADJ_ROOM_FIXED_GSO;
    const __u32 at = 2 * ETH_ALEN;
    if (t->outer_family == 4) {
        const __u32 size = sizeof(front.ip4);
        if (bpf_skb_adjust_room(skb, size, BPF_ADJ_ROOM_MAC, flags | BPF_F_ADJ_ROOM_ENCAP_L3_IPV4))
            return TC_ACT_SHOT;
        front.type = bpf_htons(ETH_P_IP);
        write_outer4(&front.ip4, t, inner);
        if (bpf_skb_store_bytes(skb, at, &front.type, sizeof(front.type) + size, 0))
            return TC_ACT_SHOT;
    } else {
        const __u32 size = sizeof(front.ip6);
        if (bpf_skb_adjust_room(skb, size, BPF_ADJ_ROOM_MAC, flags | BPF_F_ADJ_ROOM_ENCAP_L3_IPV6))
            return TC_ACT_SHOT;
        front.type = bpf_htons(ETH_P_IPV6);
        write_outer6(&front.ip6, t, inner);
        if (bpf_skb_store_bytes(skb, at, &front.type, sizeof(front.type) + size, 0))
            return TC_ACT_SHOT;
    }
    return leave(skb, (__u32)way, (__u32)(way >> 32));
}

/* A frame that came without a link header gets one: the way out may need it, else it is taken off
 * again there. */
INLINE bool add_link_header(struct __sk_buff* skb, const struct plan* plan, __u8 family) {
    struct {
        __u32 macs[3];
        __u16 type;
    } __attribute__((packed)) header = {.type = bpf_htons(family == 4 ? ETH_P_IP : ETH_P_IPV6)};

    copy_words(&header, plan->macs, 3);
    return bpf_skb_change_head(skb, ETH_HLEN, 0) == 0 &&
           bpf_skb_store_bytes(skb, 0, &header, sizeof(header), 0) == 0;
}

/* `lies_open`: as struct sighting has it. */
INLINE bool sight(
    struct __sk_buff* skb, __u8 family, __u32 offset, bool lies_open, struct sighting* s) {
    void* data = (void*)(long)skb->data;
    const __u32 whole = skb->len - offset;
    s->frame = data;
    s->end = (void*)(long)skb->data_end;
    s->lies_open = lies_open;
    return family == 4 ? sight4(data + offset, whole, s) : sight6(data + offset, whole, s);
}

INLINE bool has_open_headers(const struct __sk_buff* skb, __u32 size) {
    return (void*)(long)skb->data + size <= (void*)(long)skb->data_end;
}

/* Headers that lie beyond the linear part are fetched into it. */
INLINE bool pull_headers(struct __sk_buff* skb, __u32 size) {
    if (has_open_headers(skb, size)) return true;
    const __u32 wanted = size < skb->len ? size : skb->len;
    if ((void*)(long)skb->data + wanted <= (void*)(long)skb->data_end) return true;
    return bpf_skb_pull_data(skb, wanted) == 0;
}

/* Of a super-packet the longest segment, else all of it. */
INLINE __u32 segment_length(const struct __sk_buff* skb, const struct sighting* s) {
    return skb->gso_size ? header_length(s) + skb->gso_size : s->length;
}

/* Rewrites a packet as planned, and sends it on; `link_header`: it has one. */
INLINE int carry_out(struct __sk_buff* skb,
                     struct sighting* s,
                     const struct plan* plan,
                     __u8 family,
                     bool link_header) {
    const __u32 offset = link_header ? ETH_HLEN : 0;
    const bool encapsulates = plan->rewrite & XVS_ENCAPSULATE;
    const __u64 inner = encapsulates ? inner_of(s) : 0;
    const bool needs_link = encapsulates || (plan->hop_flags & XVS_HOP_LINK_HEADER);
    if (link_header) copy_words(s->frame, plan->macs, 3);
    if (!rewrite(skb, s, plan, offset, 1, family)) return TC_ACT_SHOT;
    if (!link_header && needs_link && !add_link_header(skb, plan, family)) return TC_ACT_SHOT;
    if (encapsulates)
        return leave_encapsulated(
            skb, plan->translation, inner, plan->interface | (__u64)plan->hop_flags << 32);
    return leave(skb, plan->interface, plan->hop_flags);
}

/* Returns an action of tc, or one of REPLAY_*. */
INLINE int replay(struct __sk_buff* skb, __u8 family, bool link_header, enum direction direction) {
    const __u32 offset = link_header ? ETH_HLEN : 0;
    struct sighting s;
    struct found f;
    struct plan plan;
    if (!pull_headers(skb, offset + SIGHTED_SIZE(family)) || !sight(skb, family, offset, false, &s))
        return REPLAY_UNSIGHTED;
    if (is_strange(&s, family)) return REPLAY_STRANGE;
    if (!find_flow(&s, family, &f)) return REPLAY_MISSED;
    if (refuses_flow(&f, &s, family)) return TC_ACT_SHOT;
    const enum way way =
        skb->vlan_present ? NO_WAY : make_plan(&f, &s, segment_length(skb, &s), direction, &plan);
    if (way == NO_WAY || !note_replay(&f, &s, &plan, family))
        return REPLAY_PUNTED - (int)owner_of(&f);
    if (way == STAYS)
        return rewrite(skb, &s, &plan, offset, 0, family) ? TC_ACT_UNSPEC : TC_ACT_SHOT;
    return carry_out(skb, &s, &plan, family, link_header);
}

GLOBAL int replay4(struct __sk_buff* skb, __u32 link_header, __u32 direction) {
    return replay(skb, 4, link_header, direction);
}

GLOBAL int replay6(struct __sk_buff* skb, __u32 link_header, __u32 direction) {
    return replay(skb, 6, link_header, direction);
}

/* As replay(), of a packet of IPv4 that came in with a link header and without a tag, and whose
 * headers all lie open. What is for the host's own stack is begun anew. */
INLINE int replay_commonest(struct __sk_buff* skb) {
    struct sighting s;
    struct found f;
    struct plan plan;
    if (!sight(skb, 4, ETH_HLEN, true, &s)) return REPLAY_UNSIGHTED;
    if (is_strange(&s, 4)) return REPLAY_STRANGE;
    if (!find_flow(&s, 4, &f)) return REPLAY_MISSED;
    if (refuses_flow(&f, &s, 4)) return TC_ACT_SHOT;
    const enum way way = make_plan(&f, &s, segment_length(skb, &s), ARRIVING, &plan);
    if (way == STAYS) return replay4(skb, true, ARRIVING);
    if (way == NO_WAY || !note_replay(&f, &s, &plan, 4)) return REPLAY_PUNTED - (int)owner_of(&f);
    return carry_out(skb, &s, &plan, 4, true);
}

#endif
