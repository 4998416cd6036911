// Counts the instructions that a piece of code executes, also where the processor has no counter.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

namespace xvs::bench {

// Returns how many instructions `run()` takes, in a child process that is stepped through one by
// one: the same number on every machine and under every load. Returns nothing where tracing is
// forbidden. Cost: some microseconds an instruction.
[[nodiscard]] std::optional<std::uint64_t> count_instructions(const std::function<void()>& run);

}  // namespace xvs::bench
