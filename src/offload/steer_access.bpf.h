// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
//
// Which clients are served: packets of those that access lists refuse end here, whether or not they
// have a connection, and cost the engine nothing. Decided as the engine does (admission.cc).
#ifndef XVS_OFFLOAD_STEER_ACCESS_BPF_H
#define XVS_OFFLOAD_STEER_ACCESS_BPF_H

#include "flow/access_list.h"
#include "offload/replay_flow.bpf.h"

/* What a list says of a client: the longest prefix that holds it counts. */
INLINE int walk_lengths(const struct xvs_access_list* list,
                        const __u8* lengths,
                        __u32 count,
                        __u32 limit,
                        const struct xvs_access_key* client,
                        __u32 number) {
    struct xvs_access_key key = {.list = number, .family = client->family};
#pragma clang loop unroll(disable)
    for (__u32 each = 0; each < limit; ++each) {
        if (each >= count) break;
        xvs_access_cut(&key, client->address, lengths[each]);
        const __u32* action = bpf_map_lookup_elem(&access_prefixes, &key);
        if (action) return *action == XVS_ACCESS_DENY ? XVS_ACCESS_DENIED : XVS_ACCESS_SERVED;
    }
    return list->has_allowed ? XVS_ACCESS_NOT_ALLOWED : XVS_ACCESS_SERVED;
}

/* XVS_ACCESS_*, of the list of this number. */
GLOBAL int decide_access(const struct xvs_access_key* client, __u32 number) {
    if (!client) return XVS_ACCESS_SERVED;
    const struct xvs_access_list* list = bpf_map_lookup_elem(&access_lists, &number);
    if (!list) return XVS_ACCESS_SERVED;
    if (client->family == 4)
        return walk_lengths(
            list, list->lengths4, list->count4, sizeof(list->lengths4), client, number);
    return walk_lengths(list, list->lengths6, list->count6, sizeof(list->lengths6), client, number);
}

/* Whether a client is refused by the list for all, or by another (or XVS_ACCESS_OF_ALL). */
NOINLINE int refuses_client(const struct xvs_access_key* client, __u32 number) {
    __u32 outcome = XVS_ACCESS_SERVED;
    if (kinds.access & XVS_HAS_ACCESS_OF_ALL)
        outcome = (__u32)decide_access(client, XVS_ACCESS_OF_ALL);
    if (outcome == XVS_ACCESS_SERVED && number != XVS_ACCESS_OF_ALL)
        outcome = (__u32)decide_access(client, number);
    if (outcome == XVS_ACCESS_SERVED) return 0;
    const __u32 reason = outcome - 1;
    __u64* count = bpf_map_lookup_elem(&refusals, &reason);
    if (count) ++*count;
    return 1;
}

/* The list of a live flow's service; its translation's destination names the service it belongs to
 * now, if it still belongs to one. */
INLINE __u32 list_of_flow(const struct xvs_translation* t) {
    if (!(kinds.access & XVS_HAS_ACCESS_OF_SERVICES)) return XVS_ACCESS_OF_ALL;
    const __u32 index = t->destination;
    const struct xvs_destination* destination = bpf_map_lookup_elem(&destinations, &index);
    if (!destination || !(destination->flags & XVS_DESTINATION_AVAILABLE)) return XVS_ACCESS_OF_ALL;
    return XVS_ACCESS_OF_SERVICE(destination->service);
}

/* The client of a live flow's packet, in either direction. */
INLINE void note_client(struct xvs_access_key* client,
                        const struct sighting* s,
                        bool is_outbound,
                        __u8 family) {
    client->family = family;
    if (family == 4) {
        const struct ipv4_header* ip = s->ip;
        client->address[0] = word_at(is_outbound ? ip->destination : ip->source);
    } else {
        const struct ipv6_header* ip = s->ip;
        copy_words(client->address, is_outbound ? ip->destination : ip->source, 4);
    }
}

INLINE bool refuses_flow(const struct found* f, const struct sighting* s, __u8 family) {
    if (!kinds.access) return false;
    const struct xvs_translation* t;
    if (!find_translation(f->translation, &t)) return false;
    struct xvs_access_key client = {};
    note_client(&client, s, (t->rewrite & XVS_REWRITE_SOURCE) != 0, family);
    return refuses_client(&client, list_of_flow(t));
}

/* Of a packet of no live flow to a service, whose key it is found by. A mark rule may make it
 * another's than its address says: then the engine asks that one. */
INLINE bool refuses_request(const struct xvs_endpoint_key* source,
                            const struct xvs_endpoint_key* service) {
    struct xvs_access_key client = {.family = source->family};
    __builtin_memcpy(client.address, source->address, sizeof(client.address));
    const __u32* number = 0;
    if ((kinds.access & XVS_HAS_ACCESS_OF_SERVICES) && !kinds.mark_rules)
        number = bpf_map_lookup_elem(&access_services, service);
    return refuses_client(&client, number ? *number : XVS_ACCESS_OF_ALL);
}

#endif
