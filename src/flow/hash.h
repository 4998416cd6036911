/* hash.h: the keyed hash of five fields that decides a flow's home slot, the same in C++ and BPF.
 *
 * Sums of products of keyed words, of which the upper half is as good as random to whoever does not
 * know the keys (Lemire and Kaser, "Strongly universal string hashing is fast", Multilinear-HM),
 * and a last step that tears apart what neighbouring addresses and ports leave in line. Addresses
 * and ports enter as they stand in the packet. */
#ifndef XVS_FLOW_HASH_H
#define XVS_FLOW_HASH_H

#include <linux/types.h>

#ifdef __bpf__
#define XVS_INLINE static __attribute__((always_inline)) inline
#else
#define XVS_INLINE static inline
#endif

/* One for each 32-bit word of what is hashed. */
struct xvs_hash_keys {
    __u64 of[10];
};

/* The next of a row of random numbers (Steele, Lea and Flood, SplitMix). */
XVS_INLINE __u64 xvs_next_key(__u64* state) {
    __u64 number = *state += 0x9e3779b97f4a7c15ull;
    number = (number ^ (number >> 30)) * 0xbf58476d1ce4e5b9ull;
    number = (number ^ (number >> 27)) * 0x94d049bb133111ebull;
    return number ^ (number >> 31);
}

/* The keys of a table by the two random words in its header. */
XVS_INLINE struct xvs_hash_keys xvs_make_hash_keys(const __u32 seed[2]) {
    struct xvs_hash_keys keys;
    __u64 state = seed[1];
    state = state << 32 | seed[0];
    for (int i = 0; i < 10; ++i)
        keys.of[i] = xvs_next_key(&state);
    return keys;
}

XVS_INLINE __u32 xvs_finish_hash(__u64 sum) {
    const __u64 hash = (sum ^ (sum >> 32)) * 0x9e3779b97f4a7c15ull;
#ifdef __cplusplus
    return static_cast<__u32>(hash >> 32);
#else
    return (__u32)(hash >> 32);
#endif
}

/* `ports`: source and destination port as the packet's first four transport bytes hold them. */
XVS_INLINE __u32 xvs_hash4(const struct xvs_hash_keys* keys,
                           __u32 source,
                           __u32 destination,
                           __u32 ports,
                           __u32 protocol) {
    const __u64* key = keys->of;
    return xvs_finish_hash((key[0] + source) * (key[1] + destination) +
                           (key[2] + ports) * (key[3] + protocol));
}

XVS_INLINE __u32 xvs_hash6(const struct xvs_hash_keys* keys,
                           const __u32 source[4],
                           const __u32 destination[4],
                           __u32 ports,
                           __u32 protocol) {
    const __u64* key = keys->of;
    return xvs_finish_hash((key[0] + source[0]) * (key[1] + destination[0]) +
                           (key[2] + source[1]) * (key[3] + destination[1]) +
                           (key[4] + source[2]) * (key[5] + destination[2]) +
                           (key[6] + source[3]) * (key[7] + destination[3]) +
                           (key[8] + ports) * (key[9] + protocol));
}

/* What a client's address and port choose a worker by; independent of any flow's home. */
XVS_INLINE __u32 xvs_client_hash4(const struct xvs_hash_keys* keys, __u32 client, __u16 port) {
    return xvs_hash4(keys, client, 0, port, 0xff);
}

XVS_INLINE __u32 xvs_client_hash6(const struct xvs_hash_keys* keys,
                                  const __u32 client[4],
                                  __u16 port) {
    const __u32 nobody[4] = {0, 0, 0, 0};
    return xvs_hash6(keys, client, nobody, port, 0xff);
}

/* Which of `workers`, a few, has what hashes so. */
XVS_INLINE __u32 xvs_worker_of(__u32 hash, __u32 workers) {
    return (hash >> 16) * workers >> 16;
}

#endif
