// Drawing: a laboratory's topology in plain characters.
#pragma once

#include <string>

#include "lab/plan.h"

namespace xvs::lab {

// Nodes as boxes with their IPv4 addresses, cables as lines; at most 100 columns.
[[nodiscard]] std::string draw(const Plan& plan);

}  // namespace xvs::lab
