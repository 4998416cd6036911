// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
//
// The steering program: replays packets of live flows, decides once, at tc, which others are XVS's,
// and sends those to the engine over the private link; everything else stays untouched with the
// host.
//
// - xvs_ingress*, at a real interface's ingress: replays what it can (replay_tc.bpf.h); what else
//   is ours gets metadata and is redirected to the private link's near end.
// - xvs_xdp, at XDP of a physical interface: replays what it can; sends to the engine by AF_XDP
// what
//   it sees to be ours (steer_xdp.bpf.h); passes everything else on.
// - xvs_ingress_loopback, at loopback's: sends to the engine what the host itself sends to a VIP.
// - xvs_egress*, at its egress: the same for what the host itself sends as a real server.
// - xvs_return, at the near end's ingress: what comes back from the engine.
// - xvs_drop, at the far end's ingress: the engine's socket has read it, the stack must not.
//
// Which packets are whose, and why: docs/life-of-a-packet.md.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_helpers.h>

#include "offload/replay_tc.bpf.h"
#include "offload/steer_draw_tc.bpf.h"
#include "offload/steer_return.bpf.h"
#include "offload/steer_xdp.bpf.h"

/* A packet that came in. */
INLINE int judge_whole(const struct tuple* t, bool may_be_live, __u32 ifindex) {
    const int owner = may_be_live ? owner_of_flow(t) : 0;
    if (owner) return JUDGED(XVS_REASON_FLOW, owner - 1);
    const int judged = judge_unknown(t);
    if (judged || !kinds.mark_rules || !is_marked(t, ifindex, 0)) return judged;
    return JUDGED(XVS_REASON_SERVICE, worker_of(&t->source));
}

/* Whether it may be a packet that a tunnel of ours has carried: the engine looks inside. */
INLINE bool may_be_tunnelled(const struct tuple* t) {
    const __u8 protocol = t->destination.protocol;
    return (protocol == IPPROTO_IPIP || protocol == IPPROTO_IPV6 || protocol == IPPROTO_GRE ||
            protocol == IPPROTO_UDP) &&
           is_known_address(&t->destination);
}

/* `p` is the error's, then that of the packet it quotes: an old kernel's stack is small. */
INLINE int judge_error(struct __sk_buff* skb, struct parsed* p) {
    const bool is_to_us = is_local(&p->tuple.destination);
    const enum shape shape = parse_quoted(skb, p, p);
    if (is_to_us && may_be_tunnelled(&p->tuple))
        return JUDGED(XVS_REASON_ICMP, worker_of(&p->tuple.destination));
    if (shape != SHAPE_WHOLE) return 0;
    reverse(&p->tuple);
    const struct tuple* original = &p->tuple;
    const int owner = owner_of_flow(original);
    if (owner) return JUDGED(XVS_REASON_ICMP, owner - 1);
    if (is_service(&original->destination))
        return JUDGED(XVS_REASON_ICMP, worker_of(&original->source));
    if (is_nat_source(&original->source) && !is_to_us)
        return JUDGED(XVS_REASON_ICMP, worker_of(&original->destination));
    return 0;
}

/* All fragments of a datagram go to one worker, whichever of them show ports. */
INLINE int judge_by_address(struct tuple* t, int to, int from) {
    t->source.port = 0;
    const int local = is_local(&t->destination);
    if (!is_known_address(local ? &t->destination : &t->source)) return 0;
    return JUDGED(local ? to : from, worker_of(&t->source));
}

/* Rules are for what has ports. */
INLINE int judge_fragment(struct tuple* t, __u32 ifindex) {
    const int judged = judge_by_address(t, XVS_REASON_FRAGMENT, XVS_REASON_FRAGMENT);
    const __u8 protocol = t->source.protocol;
    if (judged || !kinds.mark_rules || protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6)
        return judged;
    if (!is_marked(t, ifindex, 1)) return 0;
    return JUDGED(XVS_REASON_FRAGMENT, worker_of(&t->source));
}

GLOBAL int judge_ingress(struct __sk_buff* skb, __u32 family, __u32 offset, __u32 may_be_live) {
    struct parsed p = {};
    switch (parse(skb, family, offset, &p)) {
        case SHAPE_WHOLE:
            return judge_whole(&p.tuple, may_be_live, skb->ifindex);
        case SHAPE_FRAGMENT:
            return judge_fragment(&p.tuple, skb->ifindex);
        case SHAPE_ICMP:
            return judge_error(skb, &p);
        case SHAPE_MALFORMED:
            return judge_by_address(&p.tuple, XVS_REASON_SERVICE, XVS_REASON_REPLY);
        default:
            return 0;
    }
}

/* A packet that the host itself is about to send: ours if a NAT destination, which is an address of
 * the host's own, speaks. */
GLOBAL int judge_egress(struct __sk_buff* skb, __u32 family, __u32 offset, __u32 may_be_live) {
    struct parsed p = {};
    struct parsed quoted = {};
    struct xvs_endpoint_key client = {};
    bool ours = false;
    int owner;
    switch (parse(skb, family, offset, &p)) {
        case SHAPE_WHOLE:
            /* The data connections of FTP are of any port. */
            owner = may_be_live ? owner_of_flow(&p.tuple) : 0;
            if (owner && is_local(&p.tuple.source)) return JUDGED(XVS_REASON_EGRESS, owner - 1);
            ours = is_nat_source(&p.tuple.source);
            client = p.tuple.destination;
            break;
        case SHAPE_FRAGMENT:
            ours = is_known_address(&p.tuple.source);
            client = p.tuple.source;
            client.port = 0;
            break;
        case SHAPE_ICMP:
            ours = parse_quoted(skb, &p, &quoted) == SHAPE_WHOLE &&
                   is_nat_source(&quoted.tuple.destination);
            client = quoted.tuple.source;
            break;
        default:
            break;
    }
    return ours && is_local(&p.tuple.source) ? JUDGED(XVS_REASON_EGRESS, worker_of(&client)) : 0;
}

INLINE bool daemon_is_alive(void) {
    const __u32 zero = 0;
    if (!constants.watched) return true;
    struct bpf_sock* socket = bpf_map_lookup_elem(&alive, &zero);
    if (!socket) return false;
    bpf_sk_release(socket);
    return true;
}

/* Where the daemon is to be found, or null: it has been silent for too long, so that whatever it
 * would have to decide goes to the host. */
INLINE const struct xvs_steer_control* find_daemon(void) {
    const struct xvs_steer_control* c = steer_control();
    if (!c || !daemon_is_alive()) return 0;
    const __u32 patience = c->orphan_ticks;
    /* The daemon's clock is finer than this one: its heartbeat may be a tick ahead. */
    const __s32 silence = (__s32)(now_tick() - c->heartbeat);
    return patience && silence > 0 && (__u32)silence > patience ? 0 : c;
}

/* Puts metadata into the destination MAC's place, in a new Ethernet header where there is none, and
 * sends the packet to a worker of the engine: the mark says to which. */
INLINE int send_up(struct __sk_buff* skb, int judged, bool link_header) {
    const int reason = reason_of(judged);
    const __u32 worker = worker_in(judged);
    const __u32 ifindex = skb->ifindex;
    const __u32 cpu = bpf_get_smp_processor_id();
    const __u32* slot = bpf_map_lookup_elem(&slots, &ifindex);
    const struct xvs_steer_control* daemon = find_daemon();
    if (!slot || !daemon) return TC_ACT_UNSPEC;
    const __u32 near = daemon->near_ifindex;

    struct {
        struct xvs_metadata metadata;
        __u8 source[6];
        __u16 type;
    } ethernet = {.metadata = xvs_metadata_up((__u32)reason, *slot, cpu, report_position(worker))};

    if (link_header) {
        if (skb->vlan_present && bpf_skb_vlan_pop(skb)) return TC_ACT_UNSPEC;
        if (reason == XVS_REASON_EGRESS) {
            if (bpf_skb_load_bytes(skb, 0, ethernet.source, sizeof(ethernet.source)) ||
                bpf_skb_store_bytes(skb, ETH_ALEN, ethernet.source, sizeof(ethernet.source), 0))
                return TC_ACT_UNSPEC;
        }
        if (bpf_skb_store_bytes(skb, 0, &ethernet.metadata, sizeof(ethernet.metadata), 0))
            return TC_ACT_UNSPEC;
    } else {
        ethernet.type = (__u16)skb->protocol;
        if (bpf_skb_change_head(skb, ETH_HLEN, 0)) return TC_ACT_UNSPEC;
        if (bpf_skb_store_bytes(skb, 0, &ethernet, sizeof(ethernet), 0)) return TC_ACT_SHOT;
    }
    skb->mark = worker;
    return (int)bpf_redirect(near, 0);
}

/* A frame of another VLAN is not this interface's; VLAN 0 is priority alone. */
INLINE bool is_tagged(const struct __sk_buff* skb) {
    return skb->vlan_present && (skb->vlan_tci & 0xfff) != 0;
}

INLINE __u32 family_of(const struct __sk_buff* skb) {
    if (skb->protocol == bpf_htons(ETH_P_IP)) return 4;
    if (skb->protocol == bpf_htons(ETH_P_IPV6)) return 6;
    return 0;
}

INLINE int replay_any(struct __sk_buff* skb, __u32 family, bool link_header, __u32 direction) {
    if (!constants.replays) return REPLAY_UNSIGHTED;
    return family == 6 ? replay6(skb, link_header, direction)
                       : replay4(skb, link_header, direction);
}

/* What came in and was not replayed, for one of these reasons. */
GLOBAL int steer_unreplayed(struct __sk_buff* skb, __u32 family, __u32 link_header, int replayed) {
    if (replayed == REPLAY_STRANGE) return TC_ACT_UNSPEC;
    if (constants.draws && (replayed == REPLAY_MISSED || replayed <= REPLAY_PUNTED)) {
        const bool is_live = replayed <= REPLAY_PUNTED;
        const int drawn =
            family == 6 ? draw6(skb, link_header, is_live) : draw4(skb, link_header, is_live);
        if (drawn != DRAWN_NOTHING) return drawn;
    }
    if (replayed <= REPLAY_PUNTED)
        return send_up(
            skb, JUDGED(XVS_REASON_FLOW, (__u32)(REPLAY_PUNTED - replayed)), link_header);
    const int judged =
        judge_ingress(skb, family, link_header ? ETH_HLEN : 0, replayed == REPLAY_UNSIGHTED);
    if (judged == JUDGED_REFUSED) return TC_ACT_SHOT;
    return judged ? send_up(skb, judged, link_header) : TC_ACT_UNSPEC;
}

GLOBAL int steer_uncommon(struct __sk_buff* skb, __u32 link_header) {
    const __u32 family = family_of(skb);
    if (skb->pkt_type != PACKET_HOST || family == 0 || is_tagged(skb)) return TC_ACT_UNSPEC;
    const int replayed = replay_any(skb, family, link_header, ARRIVING);
    return replayed > REPLAY_UNSIGHTED ? replayed
                                       : steer_unreplayed(skb, family, link_header, replayed);
}

/* The commonest is of IPv4, has no tag, and its headers lie open. Calls and returns are not cheap,
 * and it meets none. What is found here of its headers does not outlast a call. */
INLINE bool is_commonest(struct __sk_buff* skb) {
    if (skb->protocol != bpf_htons(ETH_P_IP) || skb->pkt_type != PACKET_HOST || skb->vlan_present ||
        !constants.replays)
        return false;
    read_ahead(skb);
    return has_open_headers(skb, ETH_HLEN + SIGHTED_SIZE(4));
}

INLINE int steer_ingress(struct __sk_buff* skb, bool link_header) {
    if (skb->mark == XVS_MARK_TO_HOST) {
        skb->mark = 0;
        return TC_ACT_UNSPEC;
    }
    if (!link_header || !is_commonest(skb)) return steer_uncommon(skb, link_header);
    const int replayed = replay_commonest(skb);
    return replayed > REPLAY_UNSIGHTED ? replayed : steer_unreplayed(skb, 4, true, replayed);
}

INLINE int steer_egress(struct __sk_buff* skb, bool link_header) {
    if (skb->mark == XVS_MARK_TO_WIRE) {
        skb->mark = 0;
        return TC_ACT_UNSPEC;
    }
    const __u32 family = family_of(skb);
    if (family == 0 || is_tagged(skb)) return TC_ACT_UNSPEC;
    const int replayed = replay_any(skb, family, link_header, LEAVING);
    if (replayed > REPLAY_UNSIGHTED) return replayed;
    if (replayed == REPLAY_STRANGE) return TC_ACT_UNSPEC;
    const int judged =
        judge_egress(skb, family, link_header ? ETH_HLEN : 0, replayed != REPLAY_MISSED);
    return judged ? send_up(skb, judged, link_header) : TC_ACT_UNSPEC;
}

SEC("xvs/tc") int xvs_ingress(struct __sk_buff* skb) {
    return steer_ingress(skb, true);
}

SEC("xvs/tc") int xvs_ingress_bare(struct __sk_buff* skb) {
    return steer_ingress(skb, false);
}

/* What the host sends to itself, at loopback: nothing is replayed there. */
SEC("xvs/tc") int xvs_ingress_loopback(struct __sk_buff* skb) {
    if (skb->mark == XVS_MARK_TO_HOST) {
        skb->mark = 0;
        return TC_ACT_UNSPEC;
    }
    const __u32 family = family_of(skb);
    if (family == 0) return TC_ACT_UNSPEC;
    const int judged = judge_ingress(skb, family, ETH_HLEN, true);
    if (judged == JUDGED_REFUSED) return TC_ACT_SHOT;
    return judged ? send_up(skb, judged, true) : TC_ACT_UNSPEC;
}

SEC("xvs/tc") int xvs_egress(struct __sk_buff* skb) {
    return steer_egress(skb, true);
}

SEC("xvs/tc") int xvs_egress_bare(struct __sk_buff* skb) {
    return steer_egress(skb, false);
}

SEC("xvs/xdp") int xvs_xdp(struct xdp_md* xdp) {
    struct link_sight l;
    if (!sight_link(xdp, &l)) return XDP_PASS;
    return l.family == 4 ? steer_frame(xdp, &l, 4) : steer_frame(xdp, &l, 6);
}

SEC("xvs/tc") int xvs_return(struct __sk_buff* skb) {
    struct xvs_metadata metadata;
    if (bpf_skb_load_bytes(skb, 0, &metadata, sizeof(metadata))) return TC_ACT_SHOT;
    if (metadata.magic != XVS_METADATA_MAGIC) return TC_ACT_SHOT;
    const __u32 slot = xvs_metadata_slot(&metadata);
    const struct xvs_interface* interface = bpf_map_lookup_elem(&interfaces, &slot);
    if (!interface || interface->ifindex == 0) return TC_ACT_SHOT;
    switch (metadata.kind) {
        case XVS_COMMAND_TO_HOST:
            return to_host(skb, interface);
        case XVS_COMMAND_TO_WIRE:
            return to_wire(skb, interface);
        case XVS_COMMAND_ENCAPSULATE:
            return encapsulate(skb, metadata.position, interface);
        default:
            return TC_ACT_SHOT;
    }
}

SEC("xvs/tc") int xvs_drop(struct __sk_buff* skb) {
    (void)skb;
    return TC_ACT_SHOT;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
