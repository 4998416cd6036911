// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
//
// Replaying at XDP, before the kernel has made anything of a frame: established packets between
// physical interfaces.
#ifndef XVS_OFFLOAD_REPLAY_XDP_BPF_H
#define XVS_OFFLOAD_REPLAY_XDP_BPF_H

#include <linux/if_ether.h>

#include "offload/replay_flow.bpf.h"
#include "offload/replay_rewrite.bpf.h"

#define VLAN_TAG_SIZE 4

struct vlan_tag {
    __u16 control;
    __u16 type; /* of what follows */
};

/* Where a frame's packet begins, and what its link header says. */
struct link_sight {
    void* data;
    void* end;
    struct xvs_host_key host; /* the interface that it is addressed to, if that is one of ours */
    __u32 size;               /* of the link header */
    __u8 family;
};

INLINE __u8 family_of_type(__u16 type) {
    if (type == bpf_htons(ETH_P_IP)) return 4;
    return type == bpf_htons(ETH_P_IPV6) ? 6 : 0;
}

INLINE bool sight_link(struct xdp_md* xdp, struct link_sight* l) {
    l->data = (void*)(long)xdp->data;
    l->end = (void*)(long)xdp->data_end;
    const struct ethhdr* ethernet = l->data;
    if ((void*)(ethernet + 1) > l->end) return false;
    __builtin_memcpy(l->host.mac, ethernet->h_dest, sizeof(l->host.mac));
    l->host.ifindex = xdp->ingress_ifindex;
    l->host.vlan = 0;
    l->size = ETH_HLEN;
    __u16 type = ethernet->h_proto;
    if (type == bpf_htons(ETH_P_8021Q)) {
        const struct vlan_tag* tag = (void*)(ethernet + 1);
        if ((void*)(tag + 1) > l->end) return false;
        l->host.vlan = bpf_ntohs(tag->control) & 0xfff;
        l->size += VLAN_TAG_SIZE;
        type = tag->type;
    }
    l->family = family_of_type(type);
    return l->family != 0;
}

INLINE __u16 packet_type(const struct plan* plan, __u8 family) {
    const __u8 outermost =
        plan->rewrite & XVS_ENCAPSULATE ? plan->translation->outer_family : family;
    return outermost == 4 ? bpf_htons(ETH_P_IP) : bpf_htons(ETH_P_IPV6);
}

/* Writes the link header at the frame's beginning; null when it does not fit. Returns where it
 * ends. */
INLINE void* write_link(void* at, void* end, const struct plan* plan, __u16 type) {
    if (at + ETH_HLEN > end) return 0;
    copy_words(at, plan->macs, 3);
    __u16* words = at + 2 * ETH_ALEN;
    if (!plan->vlan) {
        words[0] = type;
        return at + ETH_HLEN;
    }
    if (at + ETH_HLEN + VLAN_TAG_SIZE > end) return 0;
    words[0] = bpf_htons(ETH_P_8021Q);
    words[1] = bpf_htons(plan->vlan);
    words[2] = type;
    return at + ETH_HLEN + VLAN_TAG_SIZE;
}

INLINE bool write_outer(void* at, void* end, const struct plan* plan, __u64 inner) {
    union {
        struct ipv4_header ip4;
        struct ipv6_header ip6;
    } outer;

    if (plan->translation->outer_family == 4) {
        if (at + sizeof(outer.ip4) > end) return false;
        write_outer4(&outer.ip4, plan->translation, inner);
        __builtin_memcpy(at, &outer.ip4, sizeof(outer.ip4));
    } else {
        if (at + sizeof(outer.ip6) > end) return false;
        write_outer6(&outer.ip6, plan->translation, inner);
        __builtin_memcpy(at, &outer.ip6, sizeof(outer.ip6));
    }
    return true;
}

INLINE void rewrite_frame(struct sighting* s, const struct plan* plan, __u8 family) {
    if (family == 4) {
        rewrite_ip4(s->ip, plan, 1);
    } else {
        rewrite_ip6(s->ip, plan, 1);
    }
    if (!is_nat(plan)) return;
    rewrite_port(s->transport, plan);
    rewrite_checksum(s, plan->translation, false);
}

/* The packet behind the link header is ready but for its outer header. Returns an action. Drivers
 * leave 192 bytes and more in front, so that there is room. */
INLINE int leave_at_xdp(struct xdp_md* xdp,
                        const struct link_sight* l,
                        const struct plan* plan,
                        __u64 inner) {
    const struct xvs_translation* t = plan->translation;
    const bool encapsulates = plan->rewrite & XVS_ENCAPSULATE;
    const int link_size = plan->vlan ? ETH_HLEN + VLAN_TAG_SIZE : ETH_HLEN;
    const int outer_size = !encapsulates          ? 0
                           : t->outer_family == 4 ? (int)sizeof(struct ipv4_header)
                                                  : (int)sizeof(struct ipv6_header);
    const int growth = link_size + outer_size - (int)l->size;
    if (growth && bpf_xdp_adjust_head(xdp, -growth)) return XDP_DROP;
    void* data = (void*)(long)xdp->data;
    void* end = (void*)(long)xdp->data_end;
    void* behind = write_link(data, end, plan, packet_type(plan, l->family));
    if (!behind) return XDP_DROP;
    if (encapsulates && !write_outer(behind, end, plan, inner)) return XDP_DROP;
    const __u32 interface = plan->lower;
    return interface == xdp->ingress_ifindex ? XDP_TX : (int)bpf_redirect(interface, 0);
}

INLINE int replay_planned(struct xdp_md* xdp,
                          const struct link_sight* l,
                          struct sighting* s,
                          const struct plan* plan,
                          __u8 family) {
    const __u64 inner = plan->rewrite & XVS_ENCAPSULATE ? inner_of(s) : 0;
    rewrite_frame(s, plan, family);
    return leave_at_xdp(xdp, l, plan, inner);
}

/* What becomes of a frame that was to be replayed: an XDP action, or this. */
#define FRAME_FOR_ENGINE (-1)

INLINE int replay_frame(struct xdp_md* xdp,
                        const struct link_sight* l,
                        struct sighting* s,
                        const struct found* f,
                        __u8 family) {
    struct plan plan;
    const enum way way = make_plan(f, s, s->length, ARRIVING, &plan);
    if (way == NO_WAY) return FRAME_FOR_ENGINE;
    if (way == STAYS || !(plan.hop_flags & XVS_HOP_XDP)) return XDP_PASS;
    if (!note_replay(f, s, &plan, family)) return FRAME_FOR_ENGINE;
    return replay_planned(xdp, l, s, &plan, family);
}

#endif
