// What those who manage a director see of it: connections, services, real servers and counters.
#pragma once

#include <string>

#include "testing/director.h"

namespace xvs::test {

[[nodiscard]] std::string listing(Director& director);

}  // namespace xvs::test
