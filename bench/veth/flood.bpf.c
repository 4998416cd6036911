/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Makes 60-byte UDP packets of many flows as fast as a kernel can: run by BPF_PROG_TEST_RUN on live
 * frames, each of which it writes anew and sends out of the client's interface.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "control.h"

struct flood_control control;

/* A fixed shuffle of all numbers (the finalizer of murmur3). */
static __always_inline __u32 shuffled(__u32 number) {
    number ^= number >> 16;
    number *= 0x85ebca6b;
    number ^= number >> 13;
    number *= 0xc2b2ae35;
    return number ^ number >> 16;
}

static __always_inline __u16 folded(__u32 sum) {
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (__u16)~sum;
}

SEC("xdp")

int flood(struct xdp_md* ctx) {
    void* data = (void*)(long)ctx->data;
    void* end = (void*)(long)ctx->data_end;
    struct ethhdr* ethernet = data;
    struct iphdr* ip = (void*)(ethernet + 1);
    struct udphdr* udp = (void*)(ip + 1);
    if (data + FLOOD_FRAME_SIZE > end) return XDP_DROP;

    const __u32 number = control.next++;
    const __u32 flow = (control.random ? shuffled(number) : number) & control.flow_mask;
    const __u32 source = control.first_client + (flow >> FLOOD_PORT_BITS);
    const __u16 port = FLOOD_FIRST_PORT + (flow & ((1 << FLOOD_PORT_BITS) - 1));
    const struct flood_destination* to = &control.destinations[flow & (FLOOD_DESTINATIONS - 1)];
    const __u32 address_sum = (source >> 16) + (source & 0xffff);

    /* The template's other bytes stand: frames come back with what was written before. */
    __builtin_memcpy(ethernet, &control.ethernet, sizeof(*ethernet));
    ip->tot_len = bpf_htons(FLOOD_FRAME_SIZE - ETH_HLEN);
    ip->ttl = 64;
    ip->saddr = bpf_htonl(source);
    ip->daddr = to->address;
    ip->check = bpf_htons(folded(to->ip_sum + address_sum));
    udp->source = bpf_htons(port);
    udp->dest = control.destination_port;
    udp->check = bpf_htons(folded(to->udp_sum + address_sum + port));
    return XDP_TX;
}

char _license[] SEC("license") = "Dual BSD/GPL";
