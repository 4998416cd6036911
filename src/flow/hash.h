/* hash.h: the keyed hash of five fields that decides a flow's home slot, the same in C++ and BPF.
 *
 * The mixing is Bob Jenkins' public-domain lookup3 for words, seeded by two random words of the
 * table's header. Addresses and ports enter as they stand in the packet. */
#ifndef XVS_FLOW_HASH_H
#define XVS_FLOW_HASH_H

#include <linux/types.h>

#ifdef __bpf__
#define XVS_INLINE static __attribute__((always_inline)) inline
#else
#define XVS_INLINE static inline
#endif

XVS_INLINE __u32 xvs_rotate(__u32 word, __u32 by) {
    return (word << by) | (word >> (32u - by));
}

struct xvs_mixer {
    __u32 a, b, c;
};

/* clang-format off */
XVS_INLINE void xvs_mix(struct xvs_mixer* m) {
    m->a -= m->c; m->a ^= xvs_rotate(m->c, 4);  m->c += m->b;
    m->b -= m->a; m->b ^= xvs_rotate(m->a, 6);  m->a += m->c;
    m->c -= m->b; m->c ^= xvs_rotate(m->b, 8);  m->b += m->a;
    m->a -= m->c; m->a ^= xvs_rotate(m->c, 16); m->c += m->b;
    m->b -= m->a; m->b ^= xvs_rotate(m->a, 19); m->a += m->c;
    m->c -= m->b; m->c ^= xvs_rotate(m->b, 4);  m->b += m->a;
}

XVS_INLINE __u32 xvs_final(struct xvs_mixer* m) {
    m->c ^= m->b; m->c -= xvs_rotate(m->b, 14);
    m->a ^= m->c; m->a -= xvs_rotate(m->c, 11);
    m->b ^= m->a; m->b -= xvs_rotate(m->a, 25);
    m->c ^= m->b; m->c -= xvs_rotate(m->b, 16);
    m->a ^= m->c; m->a -= xvs_rotate(m->c, 4);
    m->b ^= m->a; m->b -= xvs_rotate(m->a, 14);
    m->c ^= m->b; m->c -= xvs_rotate(m->b, 24);
    return m->c;
}

/* clang-format on */

/* `ports`: source and destination port as the packet's first four transport bytes hold them. */
XVS_INLINE __u32
xvs_hash4(const __u32 seed[2], __u32 source, __u32 destination, __u32 ports, __u32 protocol) {
    struct xvs_mixer m = {source + seed[0], destination + seed[1], ports + (protocol << 24)};
    return xvs_final(&m);
}

XVS_INLINE __u32 xvs_hash6(const __u32 seed[2],
                           const __u32 source[4],
                           const __u32 destination[4],
                           __u32 ports,
                           __u32 protocol) {
    struct xvs_mixer m = {source[0] + seed[0], source[1] + seed[1], source[2] + (protocol << 24)};
    xvs_mix(&m);
    m.a += source[3];
    m.b += destination[0];
    m.c += destination[1];
    xvs_mix(&m);
    m.a += destination[2];
    m.b += destination[3];
    m.c += ports;
    return xvs_final(&m);
}

/* What a client's address and port choose a worker by; independent of any flow's home. */
XVS_INLINE __u32 xvs_client_hash4(const __u32 seed[2], __u32 client, __u16 port) {
    return xvs_hash4(seed, client, 0, port, 0xff);
}

XVS_INLINE __u32 xvs_client_hash6(const __u32 seed[2], const __u32 client[4], __u16 port) {
    const __u32 nobody[4] = {0, 0, 0, 0};
    return xvs_hash6(seed, client, nobody, port, 0xff);
}

/* Which of `workers`, a few, has what hashes so. */
XVS_INLINE __u32 xvs_worker_of(__u32 hash, __u32 workers) {
    return (hash >> 16) * workers >> 16;
}

#endif
