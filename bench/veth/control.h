/* What flood.cc tells flood.bpf.c. */
#pragma once

#include <linux/if_ether.h>
#include <linux/types.h>

#define FLOOD_FRAME_SIZE 60
#define FLOOD_PORT_BITS 10 /* so many source ports a client address */
#define FLOOD_FIRST_PORT 10000

struct flood_control {
    struct ethhdr ethernet;
    __u16 destination_port; /* as on the wire, like destination */
    __u32 destination;
    __u32 first_client;
    __u32 flow_mask;
    __u32 random;
    __u32 next;
    __u32 ip_sum;  /* of all 16-bit words but the source address */
    __u32 udp_sum; /* and but the source port */
};
