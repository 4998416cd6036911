/* What receiver.bpf.c counts, for each CPU by itself. */
#pragma once

#include <linux/types.h>

#define RECEIVER_CPUS 64 /* a power of two; CPUs beyond share a count */

struct receiver_count {
    __u64 packets;
    __u64 padding[7];
};
