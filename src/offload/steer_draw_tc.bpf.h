// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
//
// New connections at tc, by decisions from a service's stock (steer_draw.bpf.h).
#ifndef XVS_OFFLOAD_STEER_DRAW_TC_BPF_H
#define XVS_OFFLOAD_STEER_DRAW_TC_BPF_H

#include "offload/replay_tc.bpf.h"
#include "offload/steer_draw.bpf.h"

#define DRAWN_NOTHING (-20) /* judge it as if there were no stock; else an action of tc */

/* Of a packet of no live flow, or of one whose connection may be closed and give way to another. */
INLINE int draw(struct __sk_buff* skb, __u8 family, bool link_header, bool is_live) {
    const __u32 offset = link_header ? ETH_HLEN : 0;
    struct sighting s;
    struct plan plan;
    if (skb->vlan_present || !sight(skb, family, offset, false, &s)) return DRAWN_NOTHING;
    struct beginning* b = note_request(&s, family);
    if (!b || !draw_decision(b, family, DRAWN_AT_TC, is_live)) return DRAWN_NOTHING;
    const struct found f = {.translation = b->decision.inbound};
    const enum way way = make_plan(&f, &s, segment_length(skb, &s), ARRIVING, &plan);
    if (way != LEAVES) {
        (void)abandon_drawn(family);
        return DRAWN_NOTHING;
    }
    if (!install_drawn(b, family)) return DRAWN_NOTHING;
    count_packet(plan.translation, s.length, false);
    return carry_out(skb, &s, &plan, family, link_header);
}

GLOBAL int draw4(struct __sk_buff* skb, __u32 link_header, __u32 is_live) {
    return draw(skb, 4, link_header, is_live);
}

GLOBAL int draw6(struct __sk_buff* skb, __u32 link_header, __u32 is_live) {
    return draw(skb, 6, link_header, is_live);
}

#endif
