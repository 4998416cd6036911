// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
//
// The way back from the engine: to the host, to the wire, or encapsulated.
#ifndef XVS_OFFLOAD_STEER_RETURN_BPF_H
#define XVS_OFFLOAD_STEER_RETURN_BPF_H

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/pkt_cls.h>

#include "offload/steer_parse.bpf.h"

INLINE __u16 header_checksum(const __u8* ip) {
    __u32 sum = 0;
#pragma unroll
    for (int i = 0; i < 20; i += 2) {
        __u16 word;
        __builtin_memcpy(&word, ip + i, sizeof(word));
        sum += word;
    }
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (__u16)~sum;
}

/* The kernel gives each segment its own length and checksum; these are the whole's. */
INLINE int push_outer4(struct __sk_buff* skb, struct xvs_outer_header* outer) {
    struct ipv4_header ip;
    if (bpf_skb_adjust_room(skb,
                            sizeof(ip),
                            BPF_ADJ_ROOM_MAC,
                            BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_ENCAP_L3_IPV4))
        return -1;
    __builtin_memcpy(&ip, outer->header, sizeof(ip));
    ip.total_length = bpf_htons(skb->len - ETH_HLEN);
    ip.checksum = 0;
    ip.checksum = header_checksum((const __u8*)&ip);
    return (int)bpf_skb_store_bytes(skb, ETH_HLEN, &ip, sizeof(ip), 0);
}

INLINE int push_outer6(struct __sk_buff* skb, struct xvs_outer_header* outer) {
    struct ipv6_header ip;
    if (bpf_skb_adjust_room(skb,
                            sizeof(ip),
                            BPF_ADJ_ROOM_MAC,
                            BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_ENCAP_L3_IPV6))
        return -1;
    __builtin_memcpy(&ip, outer->header, sizeof(ip));
    ip.payload_length = bpf_htons(skb->len - ETH_HLEN - sizeof(ip));
    return (int)bpf_skb_store_bytes(skb, ETH_HLEN, &ip, sizeof(ip), 0);
}

INLINE int encapsulate(struct __sk_buff* skb, __u16 position, const struct xvs_interface* out) {
    const __u32 at = position;
    const struct xvs_outer_header* stored = bpf_map_lookup_elem(&outer_headers, &at);
    if (!stored) return TC_ACT_SHOT;
    struct xvs_outer_header outer = *stored;
    const __u32 ifindex = out->ifindex;
    if (outer.family == 4 ? push_outer4(skb, &outer) : push_outer6(skb, &outer)) return TC_ACT_SHOT;
    if (bpf_skb_store_bytes(skb, 0, outer.ethernet, sizeof(outer.ethernet), 0)) return TC_ACT_SHOT;
    skb->mark = XVS_MARK_TO_WIRE;
    return bpf_redirect(ifindex, 0);
}

INLINE int to_wire(struct __sk_buff* skb, const struct xvs_interface* out) {
    __u8 macs[12];
    if (bpf_skb_load_bytes(skb, ETH_ALEN, macs, ETH_ALEN)) return TC_ACT_SHOT;
    __builtin_memcpy(macs + ETH_ALEN, out->mac, ETH_ALEN);
    if (bpf_skb_store_bytes(skb, 0, macs, sizeof(macs), 0)) return TC_ACT_SHOT;
    skb->mark = XVS_MARK_TO_WIRE;
    return bpf_redirect(out->ifindex, 0);
}

/* What comes in by loopback was routed when the host sent it, which no address of the host's own as
 * its source can hinder: it is sent to itself again. */
INLINE int to_host(struct __sk_buff* skb, const struct xvs_interface* in) {
    if (bpf_skb_store_bytes(skb, 0, in->mac, ETH_ALEN, 0)) return TC_ACT_SHOT;
    skb->mark = XVS_MARK_TO_HOST;
    if (in->ifindex == XVS_LOOPBACK) {
        /* The metadata had made it someone else's. */
        if (bpf_skb_change_type(skb, PACKET_HOST)) return TC_ACT_SHOT;
        return (int)bpf_redirect_neigh(in->ifindex, 0, 0, 0);
    }
    return bpf_redirect(in->ifindex, BPF_F_INGRESS);
}

#endif
