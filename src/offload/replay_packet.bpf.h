// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
//
// A packet as the replaying programs see it: read in place, between two pointers, at tc and at XDP
// alike. What is out of the ordinary (options, extension headers, fragments, a bad checksum) is not
// sighted: the engine has to look at it.
#ifndef XVS_OFFLOAD_REPLAY_PACKET_BPF_H
#define XVS_OFFLOAD_REPLAY_PACKET_BPF_H

#include <linux/in.h>

#include <bpf/bpf_endian.h>
#include <stdbool.h>

#include "flow/layout.h"
#include "offload/steer_maps.bpf.h"

struct ipv4_header {
    __u8 version_length, tos;
    __u16 total_length, id, fragment;
    __u8 ttl, protocol;
    __u16 checksum;
    __u8 source[4], destination[4];
};

struct ipv6_header {
    __u8 version_class[4];
    __u16 payload_length;
    __u8 next_header, hop_limit;
    __u8 source[16], destination[16];
};

#define TCP_HEADER_SIZE 20
#define TCP_FLAGS_AT 13
#define TCP_CHECKSUM_AT 16
#define UDP_HEADER_SIZE 8
#define UDP_CHECKSUM_AT 6
#define SCTP_HEADER_SIZE 12
#define SCTP_SIGHTED_SIZE 16 /* with the header of its first chunk */
#define IP_DONT_FRAGMENT 0x4000

/* Bytes of a frame that must lie in its linear part to be sighted. */
#define SIGHTED_SIZE(family) ((family) == 4 ? 20u + TCP_HEADER_SIZE : 40u + TCP_HEADER_SIZE)

struct sighting {
    void* frame; /* where it begins: its link header, if it has one */
    void* ip;
    void* transport;
    void* end;    /* of the bytes that can be read in place */
    __u32 ports;  /* as the first four bytes of the transport header */
    __u32 length; /* of the packet, from its IP header on */
    __u32 protocol;
    __u32 events; /* XVS_EVENT_* */
    __u32 family; /* 4 or 6: a constant where the packet was sighted */
    /* All headers are known to lie before `end`, to the kernel's verifier as well: a constant. */
    bool lies_open;
};

INLINE __u32 word_at(const void* bytes) {
    return *(const __u32*)bytes;
}

/* A byte that is not to be taken out of a word read before: that would be more instructions. */
INLINE __u32 byte_at(const void* byte) {
    return *(const volatile __u8*)byte;
}

INLINE void copy_words(void* to, const void* from, __u32 words) {
#pragma unroll
    for (__u32 i = 0; i < words; ++i)
        ((__u32*)to)[i] = ((const __u32*)from)[i];
}

/* Chunks that lead from state to state are the engine's: INIT, INIT ACK, ABORT to COOKIE ACK,
 * SHUTDOWN COMPLETE. */
INLINE bool is_sctp_data(__u8 chunk) {
    const __u32 states = 1u << 1 | 1u << 2 | 0x3fu << 6 | 1u << 14;
    return chunk > 31 || !(states >> chunk & 1);
}

/* Whether bytes up to `to` can be read in place. */
INLINE bool lies_before(const struct sighting* s, const void* to) {
    return s->lies_open || to <= s->end;
}

/* Of the transport header; false when the packet is for the engine to look at. `room`: bytes of the
 * packet behind its IP header. */
INLINE bool sight_transport(struct sighting* s, __u32 room) {
    const __u8* transport = s->transport;
    if (s->protocol == IPPROTO_TCP) {
        if (!lies_before(s, transport + TCP_HEADER_SIZE)) return false;
        const __u32 size = (transport[12] >> 4) * 4u;
        if (size < TCP_HEADER_SIZE || size > room) return false;
        const __u32 events = transport[TCP_FLAGS_AT] &
                             (XVS_EVENT_FIN | XVS_EVENT_SYN | XVS_EVENT_RST | XVS_EVENT_ACK);
        s->events = events ? events : XVS_EVENT_NONE;
    } else if (s->protocol == IPPROTO_UDP) {
        if (!lies_before(s, transport + UDP_HEADER_SIZE) || room < UDP_HEADER_SIZE) return false;
        s->events = XVS_EVENT_NONE;
    } else if (s->protocol == IPPROTO_SCTP) {
        if (!lies_before(s, transport + SCTP_SIGHTED_SIZE) || room < SCTP_SIGHTED_SIZE)
            return false;
        if (!is_sctp_data(transport[SCTP_HEADER_SIZE])) return false;
        s->events = XVS_EVENT_NONE;
    } else {
        return false;
    }
    s->ports = word_at(transport);
    return true;
}

/* One's complement sums are zero when they are multiples of 0xffff. Whether a number is one, its
 * product with the inverse of 0xffff tells (Hacker's Delight, "Test for Zero Remainder"). */
INLINE bool has_valid_checksum(const struct ipv4_header* ip) {
    const __u32* words = (const __u32*)ip;
    const __u64 sum = (__u64)words[0] + words[1] + words[2] + words[3] + words[4];
    const __u64 inverse = 0xfffefffefffeffffull;
    return sum * inverse <= ~0ull / 0xffff;
}

/* Of IP and transport headers. */
INLINE __u32 header_length(const struct sighting* s) {
    const __u32 size = s->family == 4 ? sizeof(struct ipv4_header) : sizeof(struct ipv6_header);
    if (s->protocol == IPPROTO_UDP) return size + UDP_HEADER_SIZE;
    if (s->protocol == IPPROTO_SCTP) return size + SCTP_HEADER_SIZE;
    const __u8* transport = s->transport;
    if (!lies_before(s, transport + TCP_HEADER_SIZE)) return size; /* never */
    return size + (transport[12] >> 4) * 4u;
}

INLINE __u32 hops_left(const struct sighting* s) {
    return s->family == 4 ? ((const struct ipv4_header*)s->ip)->ttl
                          : ((const struct ipv6_header*)s->ip)->hop_limit;
}

/* `end`: as struct sighting has it. `whole`: bytes of the frame behind its link header, wherever
 * they lie. */
INLINE bool sight4(void* at, __u32 whole, struct sighting* s) {
    struct ipv4_header* ip = at;
    if (!lies_before(s, ip + 1)) return false;
    if (ip->version_length != 0x45 || (ip->fragment & bpf_htons(0x3fff))) return false;
    s->family = 4;
    s->ip = ip;
    s->transport = ip + 1;
    s->length = bpf_ntohs(ip->total_length);
    if (s->length < sizeof(*ip) || s->length > whole || !has_valid_checksum(ip)) return false;
    s->protocol = byte_at(&ip->protocol);
    return sight_transport(s, s->length - sizeof(*ip));
}

INLINE bool sight6(void* at, __u32 whole, struct sighting* s) {
    struct ipv6_header* ip = at;
    if (!lies_before(s, ip + 1)) return false;
    if (ip->version_class[0] >> 4 != 6) return false;
    const __u32 payload = bpf_ntohs(ip->payload_length);
    s->family = 6;
    s->ip = ip;
    s->transport = ip + 1;
    s->length = sizeof(*ip) + payload;
    if (s->length > whole) return false;
    s->protocol = byte_at(&ip->next_header);
    return sight_transport(s, payload);
}

#endif
