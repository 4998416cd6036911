// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
//
// From a packet to what it is decided by. Everything is read with bpf_skb_load_bytes(), since it
// may lie beyond the linear part.
#ifndef XVS_OFFLOAD_STEER_PARSE_BPF_H
#define XVS_OFFLOAD_STEER_PARSE_BPF_H

#include <linux/in.h>
#include <linux/in6.h>

#include <bpf/bpf_endian.h>

#include "offload/steer_lookup.bpf.h"

#define IPV6_EXTENSIONS 8 /* headers walked before a packet is left to the host */

enum shape {
    SHAPE_OTHER,     /* no protocol of ours */
    SHAPE_WHOLE,     /* ports known */
    SHAPE_FRAGMENT,  /* no ports; `source` has the protocol, or 0 behind an extension header */
    SHAPE_ICMP,      /* ICMP or ICMPv6 at `transport` */
    SHAPE_MALFORMED, /* of a protocol of ours, but no ports can be read */
};

struct parsed {
    struct tuple tuple;
    __u32 transport; /* offset */
};

INLINE bool has_ports(__u8 protocol) {
    return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP;
}

INLINE enum shape read_ports(struct __sk_buff* skb, __u8 protocol, struct parsed* p) {
    __u16 ports[2];
    p->tuple.source.protocol = protocol;
    p->tuple.destination.protocol = protocol;
    if (!has_ports(protocol)) return SHAPE_OTHER;
    if (bpf_skb_load_bytes(skb, p->transport, ports, sizeof(ports))) return SHAPE_MALFORMED;
    p->tuple.source.port = ports[0];
    p->tuple.destination.port = ports[1];
    return SHAPE_WHOLE;
}

INLINE enum shape parse4(struct __sk_buff* skb, __u32 offset, struct parsed* p) {
    struct ipv4_header ip;
    if (bpf_skb_load_bytes(skb, offset, &ip, sizeof(ip))) return SHAPE_OTHER;
    if (ip.version_length >> 4 != 4) return SHAPE_OTHER;
    const __u32 size = (ip.version_length & 0xf) * 4u;
    p->tuple.source.family = 4;
    p->tuple.destination.family = 4;
    __builtin_memcpy(p->tuple.source.address, ip.source, sizeof(ip.source));
    __builtin_memcpy(p->tuple.destination.address, ip.destination, sizeof(ip.destination));
    p->transport = offset + size;
    if (size < sizeof(ip)) return has_ports(ip.protocol) ? SHAPE_MALFORMED : SHAPE_OTHER;
    if (ip.fragment & bpf_htons(0x3fff)) {
        p->tuple.source.protocol = ip.protocol;
        return has_ports(ip.protocol) || ip.protocol == IPPROTO_ICMP ? SHAPE_FRAGMENT : SHAPE_OTHER;
    }
    if (ip.protocol == IPPROTO_ICMP) return SHAPE_ICMP;
    return read_ports(skb, ip.protocol, p);
}

INLINE bool is_fragment6(__u16 offset_and_flags) {
    return (offset_and_flags & bpf_htons(0xfff9)) != 0;
}

NOINLINE int parse6(struct __sk_buff* skb, __u32 offset, struct parsed* p) {
    struct ipv6_header ip;
    if (!p) return SHAPE_OTHER;
    if (bpf_skb_load_bytes(skb, offset, &ip, sizeof(ip))) return SHAPE_OTHER;
    if (ip.version_class[0] >> 4 != 6) return SHAPE_OTHER;
    p->tuple.source.family = 6;
    p->tuple.destination.family = 6;
    __builtin_memcpy(p->tuple.source.address, ip.source, sizeof(ip.source));
    __builtin_memcpy(p->tuple.destination.address, ip.destination, sizeof(ip.destination));
    __u8 next = ip.next_header;
    __u32 at = offset + sizeof(ip);
    for (int i = 0; i < IPV6_EXTENSIONS; ++i) {
        struct {
            __u8 next, length;
            __u16 fragment;
        } extension;

        p->transport = at;
        p->tuple.destination.protocol = next;
        if (has_ports(next)) return read_ports(skb, next, p);
        if (next == IPPROTO_ICMPV6) return SHAPE_ICMP;
        if (next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING && next != IPPROTO_DSTOPTS &&
            next != IPPROTO_FRAGMENT && next != IPPROTO_AH)
            return SHAPE_OTHER;
        if (bpf_skb_load_bytes(skb, at, &extension, sizeof(extension))) return SHAPE_OTHER;
        if (next == IPPROTO_FRAGMENT) {
            if (is_fragment6(extension.fragment)) {
                const __u8 named = extension.next;
                p->tuple.source.protocol = has_ports(named) || named == IPPROTO_ICMPV6 ? named : 0;
                return SHAPE_FRAGMENT;
            }
            at += 8;
        } else if (next == IPPROTO_AH) {
            at += (extension.length + 2u) * 4;
        } else {
            at += (extension.length + 1u) * 8;
        }
        next = extension.next;
    }
    return SHAPE_OTHER;
}

INLINE enum shape parse(struct __sk_buff* skb, __u8 family, __u32 offset, struct parsed* p) {
    return family == 4 ? parse4(skb, offset, p) : (enum shape)parse6(skb, offset, p);
}

INLINE bool is_error_type(__u8 family, __u8 type) {
    if (family == 6) return type < 128;
    return type == 3 || type == 4 || type == 11;
}

/* Reads the packet that an ICMP error quotes; without ports there is its protocol. */
INLINE enum shape parse_quoted(struct __sk_buff* skb,
                               const struct parsed* outer,
                               struct parsed* quoted) {
    __u8 type;
    const __u8 family = outer->tuple.source.family;
    if (bpf_skb_load_bytes(skb, outer->transport, &type, sizeof(type))) return SHAPE_OTHER;
    if (!is_error_type(family, type)) return SHAPE_OTHER;
    return parse(skb, family, outer->transport + 8, quoted);
}

#endif
