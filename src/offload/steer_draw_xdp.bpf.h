// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
//
// New connections at XDP, by decisions from a service's stock (steer_draw.bpf.h).
#ifndef XVS_OFFLOAD_STEER_DRAW_XDP_BPF_H
#define XVS_OFFLOAD_STEER_DRAW_XDP_BPF_H

#include "offload/replay_xdp.bpf.h"
#include "offload/steer_draw.bpf.h"

/* Of a frame of no live flow, or of one whose connection may be closed; its checksum is whole.
 * False: judge it as if there were no stock; tc may begin the connection still, by an interface
 * that frames can't leave by at XDP. True: the connection has begun, and the frame is to leave as
 * planned. */
INLINE bool draw_frame(const struct sighting* s, __u8 family, bool is_live, struct plan* plan) {
    struct beginning* b = note_request(s, family);
    if (!b || !draw_decision(b, family, DRAWN_AT_XDP, is_live)) return false;
    const struct found f = {.translation = b->decision.inbound};
    const bool is_way =
        make_plan(&f, s, s->length, ARRIVING, plan) == LEAVES && (plan->hop_flags & XVS_HOP_XDP);
    if (!is_way) {
        (void)abandon_drawn(family);
        return false;
    }
    if (!install_drawn(b, family)) return false;
    count_packet(plan->translation, s->length, false);
    return true;
}

#endif
