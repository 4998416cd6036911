// Bounds: what no change may exceed, wide enough for any machine under any load.
#pragma once

#include <string>
#include <vector>

#include "bench/memory/report.h"

namespace xvs::bench {

// Returns a sentence for each row whose ratio to the skeleton, or whose count of instructions, is
// beyond its bound. Times are not looked at.
[[nodiscard]] std::vector<std::string> find_excesses(const Report& report);

}  // namespace xvs::bench
