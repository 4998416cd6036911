// A director's life as a string of bytes: edits, packets of all kinds, routes that come and go, and
// time. A property test draws the bytes at random, a fuzzer looks for those that do harm.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace xvs::test {

// Lives through `script` and what follows it, when every service goes and all connections end.
// Returns what was wrong, a sentence a line: counts that disagree, checksums that were right and
// are not any more, and what is left in the end. With more than one worker each
// restart changes their number.
[[nodiscard]] std::string run_director_script(std::span<const std::uint8_t> script,
                                              std::uint32_t workers = 1);

}  // namespace xvs::test
