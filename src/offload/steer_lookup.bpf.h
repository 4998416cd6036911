// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
//
// What the steering program asks of the maps: is this a live flow, a service, a NAT destination, an
// address of ours, local?
#ifndef XVS_OFFLOAD_STEER_LOOKUP_BPF_H
#define XVS_OFFLOAD_STEER_LOOKUP_BPF_H

#include <linux/in.h>

#include <bpf/bpf_endian.h>
#include <stdbool.h>

#include "flow/hash.h"
#include "offload/steer_maps.bpf.h"

/* What a packet is decided by. `source` and `destination` are keys of the maps above as they stand.
 */
struct tuple {
    struct xvs_endpoint_key source;
    struct xvs_endpoint_key destination;
};

INLINE __u32 word_of(const __u8* bytes) {
    __u32 word;
    __builtin_memcpy(&word, bytes, sizeof(word));
    return word;
}

INLINE __u32 both_ports(const struct tuple* t) {
    return (__u32)t->source.port | ((__u32)t->destination.port << 16);
}

INLINE bool is_live_state(__u32 state) {
    return state == XVS_SLOT_LIVE || state == XVS_SLOT_DRAWN;
}

NOINLINE int is_live_flow4(const struct tuple* t) {
    const __u32 zero = 0;
    const struct xvs_table_header* h = bpf_map_lookup_elem(&header, &zero);
    if (!h || h->slots4 == 0) return 0;
    const __u32 from = word_of(t->source.address);
    const __u32 to = word_of(t->destination.address);
    const __u32 home = xvs_hash4(h->seed, from, to, both_ports(t), t->source.protocol);
    for (__u32 probe = 0; probe < XVS_PROBES; ++probe) {
        const __u32 slot = (home + probe) & (h->slots4 - 1);
        const struct xvs_flow4* flow = bpf_map_lookup_elem(&flows4, &slot);
        if (!flow) return 0;
        const __u32 state = *(const volatile __u32*)&flow->state & XVS_STATE_MASK;
        if (state == XVS_SLOT_EMPTY) return 0;
        if (is_live_state(state) && flow->source == from && flow->destination == to &&
            flow->source_port == t->source.port && flow->destination_port == t->destination.port &&
            flow->protocol == t->source.protocol)
            return 1;
    }
    return 0;
}

INLINE bool same_address6(const __u8* a, const __u8* b) {
    return word_of(a) == word_of(b) && word_of(a + 4) == word_of(b + 4) &&
           word_of(a + 8) == word_of(b + 8) && word_of(a + 12) == word_of(b + 12);
}

NOINLINE int is_live_flow6(const struct tuple* t) {
    const __u32 zero = 0;
    const struct xvs_table_header* h = bpf_map_lookup_elem(&header, &zero);
    if (!h || h->slots6 == 0) return 0;
    __u32 from[4], to[4];
    __builtin_memcpy(from, t->source.address, sizeof(from));
    __builtin_memcpy(to, t->destination.address, sizeof(to));
    const __u32 home = xvs_hash6(h->seed, from, to, both_ports(t), t->source.protocol);
    for (__u32 probe = 0; probe < XVS_PROBES; ++probe) {
        const __u32 slot = (home + probe) & (h->slots6 - 1);
        const struct xvs_flow6* flow = bpf_map_lookup_elem(&flows6, &slot);
        if (!flow) return 0;
        const __u32 state = *(const volatile __u32*)&flow->state & XVS_STATE_MASK;
        if (state == XVS_SLOT_EMPTY) return 0;
        if (is_live_state(state) && flow->source_port == t->source.port &&
            flow->destination_port == t->destination.port && flow->protocol == t->source.protocol &&
            same_address6(flow->source, t->source.address) &&
            same_address6(flow->destination, t->destination.address))
            return 1;
    }
    return 0;
}

INLINE bool is_live_flow(const struct tuple* t) {
    return t->source.family == 4 ? is_live_flow4(t) : is_live_flow6(t);
}

/* Whether the routing table calls this address the host's own. */
NOINLINE int is_local(const struct xvs_endpoint_key* key) {
    if (key->family == 4) {
        struct xvs_prefix4 prefix = {.length = 32};
        __builtin_memcpy(prefix.address, key->address, sizeof(prefix.address));
        return bpf_map_lookup_elem(&local4, &prefix) != 0;
    }
    struct xvs_prefix6 prefix = {.length = 128};
    __builtin_memcpy(prefix.address, key->address, sizeof(prefix.address));
    return bpf_map_lookup_elem(&local6, &prefix) != 0;
}

NOINLINE int is_known_address(const struct xvs_endpoint_key* endpoint) {
    struct xvs_endpoint_key key = *endpoint;
    key.port = 0;
    key.protocol = 0;
    return bpf_map_lookup_elem(&addresses, &key) != 0;
}

/* As the engine's Services::find_for_packet(): the exact port, then FTP's for what may be its data,
 * then any port. */
NOINLINE int has_service(const struct xvs_endpoint_key* wanted) {
    struct xvs_endpoint_key key = *wanted;
    if (bpf_map_lookup_elem(&services, &key)) return 1;
    const __u16 port = bpf_ntohs(key.port);
    if (kinds.ftp && key.protocol == IPPROTO_TCP &&
        (port == XVS_FTP_DATA_PORT || port >= XVS_FIRST_FREE_PORT)) {
        key.port = bpf_htons(XVS_FTP_PORT);
        if (bpf_map_lookup_elem(&services, &key)) return 1;
    }
    if (!kinds.any_port) return 0;
    key.port = 0;
    return bpf_map_lookup_elem(&services, &key) != 0;
}

INLINE bool is_service(const struct xvs_endpoint_key* key) {
    return has_service(key) && is_local(key);
}

INLINE bool is_nat_source(const struct xvs_endpoint_key* key) {
    return bpf_map_lookup_elem(&nat_sources, key) != 0;
}

INLINE struct tuple reversed(const struct tuple* t) {
    return (struct tuple){.source = t->destination, .destination = t->source};
}

#endif
