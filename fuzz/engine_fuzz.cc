// A director's life out of the input's bytes: edits, packets, routes and time.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "testing/director_script.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string problems = xvs::test::run_director_script({data, size});
    if (problems.empty()) return 0;
    std::fputs(problems.c_str(), stderr);
    std::abort();
}
