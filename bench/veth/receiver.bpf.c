/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Counts the benchmark's packets where a server's stack first meets them, and drops them there. */
#include "receiver.h"

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>

#include <bpf/bpf_helpers.h>

/* Set before loading, as on the wire. */
const volatile __u32 network = 0;
const volatile __u32 network_mask = 0;
const volatile __u16 port = 0;

struct receiver_count counts[RECEIVER_CPUS];

SEC("tc")

int receive(struct __sk_buff* skb) {
    const void* data = (void*)(long)skb->data;
    const void* end = (void*)(long)skb->data_end;
    const struct iphdr* ip = data + ETH_HLEN;
    const struct udphdr* udp = (void*)(ip + 1);
    if ((void*)(udp + 1) > end || ip->protocol != IPPROTO_UDP) return TC_ACT_UNSPEC;
    if ((ip->daddr & network_mask) != network || udp->dest != port) return TC_ACT_UNSPEC;
    counts[bpf_get_smp_processor_id() & (RECEIVER_CPUS - 1)].packets++;
    return TC_ACT_SHOT;
}

char _license[] SEC("license") = "Dual BSD/GPL";
