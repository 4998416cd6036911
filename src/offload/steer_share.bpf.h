// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
//
// Which decisions are a client's where it is the client that decides: its place in the table of sh
// or mh, as src/engine/schedule has them, and the share of the service's stock for the real server
// that has the place.
#ifndef XVS_OFFLOAD_STEER_SHARE_BPF_H
#define XVS_OFFLOAD_STEER_SHARE_BPF_H

#include "offload/replay_flow.bpf.h"

#define SHARE_NONE (-1)

#define SH_SHIFT 24 /* of 32 bits the upper eight: 256 places */
#define SH_RATIO 0x61c88647u
#define MH_PLACES 4093u
#define MH_KEY 2654435761u

#define ROTATED(word, by) ((word) << (by) | (word) >> (64 - (by)))

#define SIP_ROUND(v0, v1, v2, v3)      \
    do {                               \
        (v0) += (v1);                  \
        (v1) = ROTATED(v1, 13) ^ (v0); \
        (v0) = ROTATED(v0, 32);        \
        (v2) += (v3);                  \
        (v3) = ROTATED(v3, 16) ^ (v2); \
        (v0) += (v3);                  \
        (v3) = ROTATED(v3, 21) ^ (v0); \
        (v2) += (v1);                  \
        (v1) = ROTATED(v1, 17) ^ (v2); \
        (v2) = ROTATED(v2, 32);        \
    } while (0)

/* SipHash-1-3 of one word: src/base/sip_hash.h. */
INLINE __u32 sip_hash(__u32 word, __u64 key) {
    const __u64 block = 4ull << 56 | word;
    __u64 v0 = 0x736f6d6570736575ull ^ key;
    __u64 v1 = 0x646f72616e646f6dull ^ key;
    __u64 v2 = 0x6c7967656e657261ull ^ key;
    __u64 v3 = 0x7465646279746573ull ^ key ^ block;
    SIP_ROUND(v0, v1, v2, v3);
    v0 ^= block;
    v2 ^= 0xff;
    SIP_ROUND(v0, v1, v2, v3);
    SIP_ROUND(v0, v1, v2, v3);
    SIP_ROUND(v0, v1, v2, v3);
    return (__u32)(v0 ^ v1 ^ v2 ^ v3);
}

/* Its share of stock `stock`, whose `kind` is that; SHARE_NONE: the engine decides. */
GLOBAL int share_of_client(const struct xvs_endpoint_key* client, __u32 stock, __u32 kind) {
    if (!client) return SHARE_NONE;
    const struct xvs_places* table = bpf_map_lookup_elem(&places, &stock);
    if (!table) return SHARE_NONE;
    const __u32* words = (const __u32*)client->address; /* of IPv4 the first, the rest 0 */
    __u32 hashed = bpf_ntohl(words[0] ^ words[1] ^ words[2] ^ words[3]);
    if (kind & XVS_STOCK_WITH_PORT) hashed += bpf_ntohs(client->port);
    __u32 place = kind & XVS_STOCK_BY_MH ? sip_hash(hashed, MH_KEY) % MH_PLACES
                                         : (hashed * SH_RATIO) >> SH_SHIFT;
    /* Both are in bounds, which the compiler knows and the verifier does not. */
    asm volatile("" : "+r"(place));
    const __u8 share = *(const volatile __u8*)&table->share[place & (XVS_PLACES - 1)];
    return share < XVS_SHARES ? share : SHARE_NONE;
}

#endif
