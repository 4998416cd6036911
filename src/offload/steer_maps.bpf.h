// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
//
// The steering program's maps and constants.
#ifndef XVS_OFFLOAD_STEER_MAPS_BPF_H
#define XVS_OFFLOAD_STEER_MAPS_BPF_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>
#include <stdbool.h>

#include "flow/access_list.h"
#include "flow/layout.h"
#include "flow/mark_rule.h"
#include "offload/steer_layout.h"

#define INLINE static __always_inline
#define NOINLINE static __attribute__((noinline))
/* Checked by the kernel once, whatever it is called with, and not again with each call. */
#define GLOBAL __attribute__((noinline))

const volatile struct xvs_steer_constants constants = {};
volatile struct xvs_steer_kinds kinds = {};
__u64 known_addresses[XVS_ADDRESS_WORDS] = {};
volatile __u32 without_metadata = 0; /* the last device whose driver had no room for any at XDP */
/* The low word of the jiffies, and the tick at which they were that. */
__u64 last_tick = 0;

#define ARRAY_OF(value_type, entries)  \
    __uint(type, BPF_MAP_TYPE_ARRAY);  \
    __uint(max_entries, entries);      \
    __uint(map_flags, BPF_F_MMAPABLE); \
    __type(key, __u32);                \
    __type(value, value_type)

#define HASH_OF(key_type, value_type, entries) \
    __uint(type, BPF_MAP_TYPE_HASH);           \
    __uint(max_entries, entries);              \
    __uint(map_flags, BPF_F_NO_PREALLOC);      \
    __type(key, key_type);                     \
    __type(value, value_type)

#define PREFIXES_OF(key_type)                    \
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);         \
    __uint(max_entries, XVS_MAX_LOCAL_PREFIXES); \
    __uint(map_flags, BPF_F_NO_PREALLOC);        \
    __type(key, key_type);                       \
    __type(value, __u32)

/* The flow table: user space puts its own in place of these before the program is loaded. Of
 * those that VALUE_OF() names, it makes one value of all elements. */
struct {
    ARRAY_OF(struct xvs_table_header, 1);
} header SEC(".maps");

struct {
    ARRAY_OF(struct xvs_flow4, 1);
} flows4 SEC(".maps");

struct {
    ARRAY_OF(struct xvs_flow6, 1);
} flows6 SEC(".maps");

struct {
    ARRAY_OF(struct xvs_translation, 1);
} translations SEC(".maps");

struct {
    ARRAY_OF(struct xvs_next_hop, 1);
} next_hops SEC(".maps");

struct {
    ARRAY_OF(struct xvs_destination, 1);
} destinations SEC(".maps");

struct {
    ARRAY_OF(struct xvs_counters, 1);
} counters SEC(".maps");

struct {
    ARRAY_OF(struct xvs_stock, 1);
} stocks SEC(".maps");

struct {
    ARRAY_OF(struct xvs_places, 1);
} places SEC(".maps");

struct {
    ARRAY_OF(struct xvs_decision, 1);
} decisions SEC(".maps");

struct {
    ARRAY_OF(struct xvs_stripe, 1);
} stripes SEC(".maps");

struct {
    ARRAY_OF(struct xvs_client_way, 1);
} client_ways SEC(".maps");

struct {
    ARRAY_OF(struct xvs_report_ring, 1);
} report_rings SEC(".maps");

struct {
    ARRAY_OF(struct xvs_report, 1);
} reports SEC(".maps");

struct {
    ARRAY_OF(struct xvs_steer_control, 1);
} control SEC(".maps");

struct {
    ARRAY_OF(struct xvs_mark_rule, XVS_MAX_MARK_RULES);
} mark_rules SEC(".maps");

struct {
    HASH_OF(struct xvs_endpoint_key, __u32, XVS_MAX_SERVICES);
} services SEC(".maps"); /* the number of its stock, from 1 on, or 0 */

struct {
    HASH_OF(struct xvs_endpoint_key, __u32, XVS_MAX_NAT_SOURCES);
} nat_sources SEC(".maps");

struct {
    HASH_OF(struct xvs_endpoint_key, __u32, XVS_MAX_ADDRESSES);
} addresses SEC(".maps");

/* Clients that are served or not: steer_access.bpf.h. */
struct {
    HASH_OF(struct xvs_access_key, __u32, XVS_MAX_ACCESS_PREFIXES);
} access_prefixes SEC(".maps");

struct {
    HASH_OF(__u32, struct xvs_access_list, XVS_MAX_SERVICES + 1);
} access_lists SEC(".maps"); /* by number */

struct {
    HASH_OF(struct xvs_endpoint_key, __u32, XVS_MAX_SERVICES);
} access_services SEC(".maps"); /* the number of a service's list, where it has one */

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, XVS_ACCESS_REFUSALS);
    __type(key, __u32);
    __type(value, __u64);
} refusals SEC(".maps"); /* packets, by XVS_ACCESS_DENIED and NOT_ALLOWED less one */

struct {
    PREFIXES_OF(struct xvs_prefix4);
} local4 SEC(".maps");

struct {
    PREFIXES_OF(struct xvs_prefix6);
} local6 SEC(".maps");

struct {
    HASH_OF(__u32, __u32, XVS_MAX_INTERFACES);
} slots SEC(".maps"); /* by ifindex */

struct {
    HASH_OF(struct xvs_host_key, struct xvs_host, XVS_MAX_INTERFACES);
} hosts SEC(".maps"); /* interfaces whose frames may be replayed at XDP */

struct {
    __uint(type, BPF_MAP_TYPE_XSKMAP);
    __uint(max_entries, XVS_MAX_XDP_SOCKETS);
    __type(key, __u32);
    __type(value, __u32);
} xdp_sockets SEC(".maps"); /* a socket leaves it when it is closed, however that comes */

struct {
    ARRAY_OF(struct xvs_interface, XVS_MAX_INTERFACES);
} interfaces SEC(".maps");

struct {
    ARRAY_OF(struct xvs_outer_header, XVS_MAX_OUTER_HEADERS);
} outer_headers SEC(".maps");

/* Holds a socket of the daemon's, which leaves the map when the daemon ends, however it ends. */
struct {
    __uint(type, BPF_MAP_TYPE_SOCKMAP);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u64);
} alive SEC(".maps");

/* Where the elements of an array that is one value as a whole begin. A look-up would be a call to
 * the compiler, which then keeps nothing in registers. User space turns the map's address, which is
 * what this is, into that of its value before the program is loaded. */
#define VALUE_OF(map)                                \
    ({                                               \
        void* value;                                 \
        asm("%0 = %1 ll" : "=r"(value) : "i"(&map)); \
        value;                                       \
    })

/* Constants, but not to the compiler. */
INLINE const struct xvs_hash_keys* hash_keys(void) {
    const struct xvs_hash_keys* keys = (const struct xvs_hash_keys*)&constants.keys;
    asm("" : "+r"(keys));
    return keys;
}

INLINE struct xvs_table_header* table_header(void) {
    return VALUE_OF(header);
}

/* One register, whatever it was made of. */
#define HELD(pointer)                     \
    ({                                    \
        typeof(pointer) held = (pointer); \
        asm("" : "+r"(held));             \
        held;                             \
    })

/* False where there is no such element; it is not for the compiler to see that the others have an
 * address. */
INLINE bool find_translation(__u32 index, const struct xvs_translation** found) {
    if (index >= constants.translations) return false;
    *found = HELD((const struct xvs_translation*)VALUE_OF(translations) + index);
    return true;
}

INLINE bool find_next_hop(__u32 index, const struct xvs_next_hop** found) {
    if (index >= constants.next_hops) return false;
    *found = HELD((const struct xvs_next_hop*)VALUE_OF(next_hops) + index);
    return true;
}

INLINE struct xvs_steer_control* steer_control(void) {
    const __u32 zero = 0;
    return bpf_map_lookup_elem(&control, &zero);
}

INLINE bool is_known_hash(__u64 hash) {
    const __u32 bit = (__u32)(hash >> (64 - XVS_ADDRESS_BITS));
    return (known_addresses[bit >> 6] >> (bit & 63)) & 1;
}

#endif
