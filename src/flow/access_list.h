/* access_list.h: which clients are served, as the engine and the steering program look them up. For
 * C++ and BPF alike. */
#ifndef XVS_FLOW_ACCESS_LIST_H
#define XVS_FLOW_ACCESS_LIST_H

#include <linux/types.h>

/* Of all lists together. */
#define XVS_MAX_ACCESS_PREFIXES 262144u

/* The list for all services; that of a service has the index of its record, from 1 on. */
#define XVS_ACCESS_OF_ALL 0u
#define XVS_ACCESS_OF_SERVICE(index) ((index) + 1u)

#define XVS_ACCESS_ALLOW 1u
#define XVS_ACCESS_DENY 2u

/* What becomes of a client. */
#define XVS_ACCESS_SERVED 0u
#define XVS_ACCESS_DENIED 1u      /* its longest prefix denies */
#define XVS_ACCESS_NOT_ALLOWED 2u /* it has no prefix, and others are allowed */
#define XVS_ACCESS_REFUSALS 2u

/* A prefix of a list; its bits behind the length are 0. */
struct xvs_access_key {
    __u32 list;
    __u8 family; /* 4 or 6 */
    __u8 length;
    __u16 reserved;
    __u32 address[4]; /* in wire order, of IPv4 the first word */
};

/* What is to be known of a list beside its prefixes: which lengths these have, the longest first,
 * since a client is looked up once for each. */
struct xvs_access_list {
    __u8 has_allowed; /* of either family */
    __u8 count4;
    __u8 count6;
    __u8 lengths4[33];
    __u8 lengths6[129];
    __u8 reserved[3];
};

/* To the compiler a number that it knows nothing of. */
#define XVS_ACCESS_HIDE(number) __asm__("" : "+r"(number))

/* The word number `word` of a mask of so many leading bits, in wire order. Without a branch, of
 * which the kernel's verifier would follow each through every turn of the loop around it. */
static inline __u32 xvs_access_mask(__u32 length, __u32 word) {
    const __u64 ones = 0xffffffff00000000ull;
    __s64 bits = length;
    __s64 excess = 0;
    __s64 sign = 0;
    bits -= word * 32;
    XVS_ACCESS_HIDE(bits);
    sign = bits >> 63;
    XVS_ACCESS_HIDE(sign); /* else the compiler finds out what is meant, and makes it a branch */
    bits &= ~sign;         /* at least 0 */
    excess = bits - 32;
    sign = excess >> 63;
    XVS_ACCESS_HIDE(sign);
    bits = 32 + (excess & sign); /* at most 32 */
    return __builtin_bswap32(ones >> bits & 0xffffffffu);
}

/* The client's prefix of that length. */
static inline void xvs_access_cut(struct xvs_access_key* key, const __u32 client[4], __u32 length) {
    key->length = length & 0xff;
    key->address[0] = client[0] & xvs_access_mask(length, 0);
    key->address[1] = client[1] & xvs_access_mask(length, 1);
    key->address[2] = client[2] & xvs_access_mask(length, 2);
    key->address[3] = client[3] & xvs_access_mask(length, 3);
}

#endif
