/* What flood.cc tells flood.bpf.c. */
#pragma once

#include <linux/if_ether.h>
#include <linux/types.h>

#define FLOOD_FRAME_SIZE 60
#define FLOOD_PORT_BITS 10 /* so many source ports a client address */
#define FLOOD_FIRST_PORT 10000
#define FLOOD_DESTINATIONS 2

/* Where some of the flows go to. */
struct flood_destination {
    __u32 address; /* as on the wire */
    __u32 ip_sum;  /* of all 16-bit words but the source address */
    __u32 udp_sum; /* and but the source port */
};

struct flood_control {
    struct ethhdr ethernet;
    __u16 destination_port;                                    /* as on the wire */
    struct flood_destination destinations[FLOOD_DESTINATIONS]; /* of even flows, and of odd ones */
    __u32 first_client;
    __u32 flow_mask;
    __u32 random;
    __u32 next;
};
