// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
//
// What the steering program asks of the maps: is this a live flow, a service, a NAT destination, an
// address of ours, local?
#ifndef XVS_OFFLOAD_STEER_LOOKUP_BPF_H
#define XVS_OFFLOAD_STEER_LOOKUP_BPF_H

#include <linux/in.h>

#include <bpf/bpf_endian.h>
#include <stdbool.h>

#include "offload/steer_access.bpf.h"

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

GLOBAL int owner_of_flow4(const struct tuple* t) {
    struct found f;
    if (!t) return 0; /* never */
    const __u32 addresses[2] = {word_of(t->source.address), word_of(t->destination.address)};
    const struct wanted4 wanted = {&addresses[0], &addresses[1], both_ports(t), t->source.protocol};
    return find_flow4(&wanted, &f) ? 1 + (int)owner_of(&f) : 0;
}

NOINLINE int owner_of_flow6(const struct tuple* t) {
    struct found f;
    struct addresses6 addresses;
    __builtin_memcpy(addresses.source, t->source.address, sizeof(addresses.source));
    __builtin_memcpy(addresses.destination, t->destination.address, sizeof(addresses.destination));
    return find_flow6(&addresses, both_ports(t), t->source.protocol, &f) ? 1 + (int)owner_of(&f)
                                                                         : 0;
}

/* The owner of the live flow that has these five fields, from 1 on, or 0. */
INLINE int owner_of_flow(const struct tuple* t) {
    return t->source.family == 4 ? owner_of_flow4(t) : owner_of_flow6(t);
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

/* By what a service was found. */
#define SERVICE_OF_PORT 1
#define SERVICE_OF_FTP 2
#define SERVICE_OF_ANY_PORT 3

/* As the engine's Services::find_for_packet(): the exact port, then FTP's for what may be its data,
 * then any port. */
NOINLINE int has_service(const struct xvs_endpoint_key* wanted) {
    struct xvs_endpoint_key key = *wanted;
    if (bpf_map_lookup_elem(&services, &key)) return SERVICE_OF_PORT;
    const __u16 port = bpf_ntohs(key.port);
    if (kinds.ftp && key.protocol == IPPROTO_TCP &&
        (port == XVS_FTP_DATA_PORT || port >= XVS_FIRST_FREE_PORT)) {
        key.port = bpf_htons(XVS_FTP_PORT);
        if (bpf_map_lookup_elem(&services, &key)) return SERVICE_OF_FTP;
    }
    if (!kinds.any_port) return 0;
    key.port = 0;
    return bpf_map_lookup_elem(&services, &key) ? SERVICE_OF_ANY_PORT : 0;
}

INLINE bool is_service(const struct xvs_endpoint_key* key) {
    return has_service(key) && is_local(key);
}

INLINE bool is_nat_source(const struct xvs_endpoint_key* key) {
    return bpf_map_lookup_elem(&nat_sources, key) != 0;
}

/* The worker that a client's connections belong to. */
INLINE __u32 worker_of(const struct xvs_endpoint_key* client) {
    const struct xvs_steer_control* c = steer_control();
    const __u32 workers = c ? c->workers : 0;
    if (workers <= 1) return 0;
    if (client->family == 4)
        return xvs_worker_of(xvs_client_hash4(hash_keys(), word_of(client->address), client->port),
                             workers);
    __u32 words[4];
    __builtin_memcpy(words, client->address, sizeof(words));
    return xvs_worker_of(xvs_client_hash6(hash_keys(), words, client->port), workers);
}

/* What a packet is, and the worker that it is for, in one word; 0: it is the host's. */
#define JUDGED(reason, worker) ((int)((__u32)(reason) | (__u32)(worker) << 8))

INLINE int reason_of(int judged) {
    return judged & 0xff;
}

INLINE __u32 worker_in(int judged) {
    return (__u32)judged >> 8;
}

/* The owner, from 1 on, of the flow that awaits this client from whatever port, or 0. */
NOINLINE int owner_of_awaited(const struct tuple* t) {
    struct tuple from_any = *t;
    from_any.source.port = 0;
    return is_local(&t->destination) ? owner_of_flow(&from_any) : 0;
}

/* Is dropped. */
#define JUDGED_REFUSED (-1)

NOINLINE int judge_request(const struct tuple* t) {
    struct xvs_endpoint_key service = t->destination;
    if (kinds.access) {
        const int kind = has_service(&service);
        if (kind == SERVICE_OF_FTP) service.port = bpf_htons(XVS_FTP_PORT);
        if (kind == SERVICE_OF_ANY_PORT) service.port = 0;
        if (refuses_request(&t->source, &service)) return JUDGED_REFUSED;
    }
    return JUDGED(XVS_REASON_SERVICE, worker_of(&t->source));
}

/* A packet of no live flow that came in. */
GLOBAL int judge_unknown(const struct tuple* t) {
    if (!t) return 0; /* never */
    if (kinds.awaits_clients && t->source.protocol == IPPROTO_TCP) {
        const int owner = owner_of_awaited(t);
        if (owner) return JUDGED(XVS_REASON_FLOW, owner - 1);
    }
    if (is_service(&t->destination)) return judge_request(t);
    if (is_nat_source(&t->source) && !is_local(&t->destination))
        return JUDGED(XVS_REASON_REPLY, worker_of(&t->destination));
    return 0;
}

/* Whether the rule of this number is for the packet. */
GLOBAL int fits_rule(const struct xvs_mark_subject* packet, __u32 number) {
    const struct xvs_mark_rule* rule = bpf_map_lookup_elem(&mark_rules, &number);
    return packet && rule && xvs_mark_rule_fits(rule, packet);
}

/* Whether a rule gives a packet of no live flow a mark; a fragment, if its addresses do not rule
 * that out: the engine knows the first one's ports. */
GLOBAL int is_marked(const struct tuple* t, __u32 ifindex, __u32 is_fragment) {
    if (!t) return 0; /* never */
    struct xvs_mark_subject packet = {.ifindex = ifindex,
                                      .family = t->source.family,
                                      .protocol = t->source.protocol,
                                      .source_port = bpf_ntohs(t->source.port),
                                      .destination_port = bpf_ntohs(t->destination.port),
                                      .is_portless = (__u16)is_fragment};
    __builtin_memcpy(packet.source, t->source.address, sizeof(packet.source));
    __builtin_memcpy(packet.destination, t->destination.address, sizeof(packet.destination));
    for (__u32 i = 0; i < XVS_MAX_MARK_RULES; ++i) {
        if (i >= kinds.mark_rules) return 0;
        if (fits_rule(&packet, i)) return 1;
    }
    return 0;
}

INLINE void reverse(struct tuple* t) {
    const struct xvs_endpoint_key source = t->source;
    t->source = t->destination;
    t->destination = source;
}

#endif
