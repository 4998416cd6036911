// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
//
// Steering at XDP: what a frame shows at first sight (one IP header, TCP, UDP or data of SCTP) is
// judged by the rules of tc and goes to the engine by AF_XDP, where its device has a socket for it.
// Everything else (fragments, ICMP errors, options, whatever is the host's, a frame whose queue has
// no socket) goes on to the program at tc, which judges it anew.
#ifndef XVS_OFFLOAD_STEER_XDP_BPF_H
#define XVS_OFFLOAD_STEER_XDP_BPF_H

#include "offload/replay_xdp.bpf.h"
#include "offload/steer_draw_xdp.bpf.h"
#include "offload/steer_lookup.bpf.h"

INLINE __u32 checksum_at(const struct sighting* s) {
    return s->protocol == IPPROTO_TCP ? TCP_CHECKSUM_AT : UDP_CHECKSUM_AT;
}

INLINE __u64 sum_of_words(const void* at, __u32 words) {
    __u64 sum = 0;
#pragma unroll
    for (__u32 i = 0; i < words; ++i)
        sum += ((const __u32*)at)[i];
    return sum;
}

/* Whether the checksum is the pseudo-header's sum alone, which is what a sender leaves to its
 * network card. (Of a finished checksum that happens to be the same, finishing it again makes the
 * same.) */
INLINE bool is_unfilled(const struct sighting* s, __u8 family) {
    if (s->protocol == IPPROTO_SCTP) return false;
    const __u16* field = s->transport + checksum_at(s);
    if ((const void*)(field + 1) > s->end) return false;
    const __u16 found = *field;
    const __u32 header = family == 4 ? sizeof(struct ipv4_header) : sizeof(struct ipv6_header);
    __u64 sum = family == 4 ? sum_of_words(((const struct ipv4_header*)s->ip)->source, 2)
                            : sum_of_words(((const struct ipv6_header*)s->ip)->source, 8);
    sum += bpf_htons((__u16)(s->length - header)) + bpf_htons(s->protocol);
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + ((sum >> 16) & 0xffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return found != 0 && found == sum;
}

INLINE int judge_sighted(const struct sighting* s, __u8 family) {
    struct tuple t = {};
    t.source.family = family;
    t.source.protocol = s->protocol;
    t.source.port = (__u16)s->ports;
    t.destination.family = family;
    t.destination.protocol = s->protocol;
    t.destination.port = (__u16)(s->ports >> 16);
    if (family == 4) {
        const struct ipv4_header* ip = s->ip;
        __builtin_memcpy(t.source.address, ip->source, sizeof(ip->source));
        __builtin_memcpy(t.destination.address, ip->destination, sizeof(ip->destination));
    } else {
        const struct ipv6_header* ip = s->ip;
        __builtin_memcpy(t.source.address, ip->source, sizeof(ip->source));
        __builtin_memcpy(t.destination.address, ip->destination, sizeof(ip->destination));
    }
    return judge_unknown(&t);
}

/* The frame stays as it is, so that tc finds it whole if its socket goes at this moment. */
INLINE int raise_frame(struct xdp_md* xdp,
                       const struct link_sight* l,
                       const struct sighting* s,
                       const struct xvs_host* host,
                       int judged,
                       bool unfilled) {
    const __u32 queue = xdp->rx_queue_index;
    const __u32 socket = host->first_socket + queue;
    const __u32 cpu = bpf_get_smp_processor_id();
    if (queue >= host->sockets || !bpf_map_lookup_elem(&xdp_sockets, &socket)) return XDP_PASS;
    if (l->end - l->data > (long)(XVS_XDP_CHUNK - XVS_XDP_HEADROOM)) return XDP_PASS;
    const __u32 header = l->family == 4 ? sizeof(struct ipv4_header) : sizeof(struct ipv6_header);
    const struct xvs_frame_metadata metadata = {
        .up = xvs_metadata_up(
            (__u32)reason_of(judged), host->slot, cpu, report_position(worker_in(judged))),
        .worker = (__u16)worker_in(judged),
        .link_size = (__u16)l->size,
        .checksum_start = unfilled ? (__u16)header : 0,
        .checksum_offset = (__u16)checksum_at(s)};
    if (bpf_xdp_adjust_meta(xdp, -(int)sizeof(metadata))) {
        without_metadata = xdp->ingress_ifindex;
        return XDP_PASS;
    }
    struct xvs_frame_metadata* at = (void*)(long)xdp->data_meta;
    if ((void*)(at + 1) > (void*)(long)xdp->data) return XDP_PASS;
    __builtin_memcpy(at, &metadata, sizeof(metadata));
    return (int)bpf_redirect_map(&xdp_sockets, socket, XDP_PASS);
}

/* A frame of an interface that is served; one that is not sighted is tc's. */
INLINE int steer_frame(struct xdp_md* xdp, struct link_sight* l, __u8 family) {
    struct sighting s;
    struct found f = {};
    void* packet = l->data + l->size;
    const __u32 whole = (__u32)(l->end - packet);
    s.frame = l->data;
    s.end = l->end;
    s.lies_open = false;
    if (!(family == 4 ? sight4(packet, whole, &s) : sight6(packet, whole, &s))) return XDP_PASS;
    if (is_strange(&s, family)) return XDP_PASS;
    const bool is_live = find_flow(&s, family, &f);
    const struct xvs_host* host = bpf_map_lookup_elem(&hosts, &l->host);
    if (!host) return XDP_PASS;
    const bool unfilled = (host->flags & XVS_HOST_UNFILLED) && is_unfilled(&s, family);
    int judged = 0;
    if (is_live && refuses_flow(&f, &s, family)) return XDP_DROP;
    if (constants.draws && !unfilled && (!is_live || punted_of(&f, XVS_PUNT_CLOSED))) {
        struct plan plan;
        if (draw_frame(&s, family, is_live, &plan)) {
            return replay_planned(xdp, l, &s, &plan, family);
        }
    }
    if (!is_live) {
        if (!host->sockets) return XDP_PASS;
        judged = judge_sighted(&s, family);
        if (judged == JUDGED_REFUSED) return XDP_DROP;
        if (!judged) return XDP_PASS;
    } else if (constants.replays) {
        /* Only the kernel behind tc can fill in a checksum. */
        if (unfilled) return XDP_PASS;
        const int action = replay_frame(xdp, l, &s, &f, family);
        if (action != FRAME_FOR_ENGINE) return action;
    }
    if (!constants.has_sockets) return XDP_PASS;
    if (is_live) judged = JUDGED(XVS_REASON_FLOW, owner_of(&f));
    return raise_frame(xdp, l, &s, host, judged, unfilled);
}

#endif
