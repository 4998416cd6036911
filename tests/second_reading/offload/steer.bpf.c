// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
//
// The steering program as it is, but that each entry it is about to replay is retired after the
// program has copied it, and before it reads the entry's state word again.
#include "flow/layout.h"

#define BETWEEN_READINGS(state_word)                          \
    do {                                                      \
        volatile __u32* word = (volatile __u32*)(state_word); \
        *word = (*word & ~XVS_STATE_MASK) | XVS_SLOT_DEAD;    \
    } while (0)

#include "offload/steer.bpf.c"
