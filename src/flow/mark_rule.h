/* mark_rule.h: which packets a firewall mark is for, as the engine and the steering program compare
 * them. For C++ and BPF alike. */
#ifndef XVS_FLOW_MARK_RULE_H
#define XVS_FLOW_MARK_RULE_H

#include <linux/types.h>

/* They are gone through one after the other, for packets of no live flow alone. */
#define XVS_MAX_MARK_RULES 64u

#define XVS_NO_INTERFACE 0xffffffffu

/* Addresses are words in wire order, of IPv4 the first one; ports are numbers. */
struct xvs_mark_rule {
    __u32 mark;
    __u32 ifindex; /* 0: any; XVS_NO_INTERFACE: of one that is not there */
    __u8 family;   /* 4 or 6; 0: any */
    __u8 protocol; /* 0: any that has ports */
    __u16 reserved;
    __u16 source_first;
    __u16 source_last;
    __u16 destination_first;
    __u16 destination_last;
    __u32 source[4];
    __u32 source_mask[4];
    __u32 destination[4];
    __u32 destination_mask[4];
    __u32 padding; /* an array's elements are a multiple of 8 bytes */
};

/* What a packet is compared by. */
struct xvs_mark_subject {
    __u32 ifindex;
    __u8 family;
    __u8 protocol; /* 0: not known, of some fragments */
    __u16 source_port;
    __u16 destination_port;
    __u16 is_portless; /* a fragment, whose ports any rule may mean */
    __u32 source[4];
    __u32 destination[4];
};

static inline int xvs_mark_rule_fits(const struct xvs_mark_rule* rule,
                                     const struct xvs_mark_subject* packet) {
    __u32 difference = 0;
    int i;
    if (rule->ifindex != 0 && rule->ifindex != packet->ifindex) return 0;
    if (rule->family != 0 && rule->family != packet->family) return 0;
    if (rule->protocol != 0 && packet->protocol != 0 && rule->protocol != packet->protocol)
        return 0;
    if (!packet->is_portless &&
        (packet->source_port < rule->source_first || packet->source_port > rule->source_last ||
         packet->destination_port < rule->destination_first ||
         packet->destination_port > rule->destination_last))
        return 0;
    for (i = 0; i < 4; ++i) {
        difference |= (packet->source[i] ^ rule->source[i]) & rule->source_mask[i];
        difference |= (packet->destination[i] ^ rule->destination[i]) & rule->destination_mask[i];
    }
    return difference == 0;
}

#endif
