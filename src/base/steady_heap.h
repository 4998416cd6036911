// Keeps single calls of the heap short where much is freed at once.
#pragma once

#include <malloc.h>

namespace xvs {

// To be called at the start of a program whose threads must not wait long for each other. Without
// it, glibc puts off the joining of small blocks, and does it for all of them in the middle of
// one later call: 1 ms for each 40,000.
inline void keep_heap_steady() noexcept {
    static_cast<void>(::mallopt(M_MXFAST, 0));
}

}  // namespace xvs
