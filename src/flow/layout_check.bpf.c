/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
 *
 * Compiled as a test: layout.h and hash.h serve BPF programs as they are, and every array element
 * has the size that a BPF array gives it. */
#include "flow/access_list.h"
#include "flow/hash.h"
#include "flow/layout.h"

#define XVS_SAME_IN_BPF(type, size)                                \
    _Static_assert(sizeof(struct type) == (size), #type " moved"); \
    _Static_assert(sizeof(struct type) % 8 == 0, #type " would be padded by a BPF array")

XVS_SAME_IN_BPF(xvs_flow4, 32);
XVS_SAME_IN_BPF(xvs_flow6, 64);
XVS_SAME_IN_BPF(xvs_translation, 96);
XVS_SAME_IN_BPF(xvs_next_hop, 64);
XVS_SAME_IN_BPF(xvs_destination, 64);
XVS_SAME_IN_BPF(xvs_service, 32);
XVS_SAME_IN_BPF(xvs_counters, 32);
XVS_SAME_IN_BPF(xvs_connection, 40);
XVS_SAME_IN_BPF(xvs_destination_totals, 56);
XVS_SAME_IN_BPF(xvs_service_totals, 80);
XVS_SAME_IN_BPF(xvs_assistance, 256);
XVS_SAME_IN_BPF(xvs_report, 16);
XVS_SAME_IN_BPF(xvs_report_ring, 128);
XVS_SAME_IN_BPF(xvs_stock, 64);
XVS_SAME_IN_BPF(xvs_places, 4096);
XVS_SAME_IN_BPF(xvs_decision, 16);
XVS_SAME_IN_BPF(xvs_stripe, 8);
XVS_SAME_IN_BPF(xvs_client_way, 32);
XVS_SAME_IN_BPF(xvs_table_extent, 16);
XVS_SAME_IN_BPF(xvs_table_header, 112);
XVS_SAME_IN_BPF(xvs_access_key, 24);
XVS_SAME_IN_BPF(xvs_access_list, 168);

__u32 xvs_home4(const struct xvs_table_header* header, const struct xvs_flow4* flow) {
    __u32 ports = flow->source_port | (__u32)flow->destination_port << 16;
    const struct xvs_hash_keys keys = xvs_make_hash_keys(header->seed);
    return xvs_hash4(&keys, flow->source, flow->destination, ports, flow->protocol) &
           (header->extent4.active - 1);
}

__u32 xvs_home6(const struct xvs_table_header* header, const struct xvs_flow6* flow) {
    __u32 ports = flow->source_port | (__u32)flow->destination_port << 16;
    const __u32* source = (const __u32*)flow->source;
    const __u32* destination = (const __u32*)flow->destination;
    const struct xvs_hash_keys keys = xvs_make_hash_keys(header->seed);
    return xvs_hash6(&keys, source, destination, ports, flow->protocol) &
           (header->extent6.active - 1);
}
