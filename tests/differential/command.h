// run_command: another program, with what it printed.
#pragma once

#include <string>
#include <vector>

#include "testing/scenario.h"

namespace xvs::test {

// Runs a program found in PATH, in the calling thread's network namespace, with `input` as its
// standard input.
[[nodiscard]] CommandOutput run_command(const std::vector<std::string>& arguments,
                                        const std::string& input = {});

}  // namespace xvs::test
