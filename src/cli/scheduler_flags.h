// Scheduler flags by name: sh-port, mh-fallback, flag-3.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "cli/exit.h"

namespace xvs::cli {

// Of a comma-separated list. The names sh-*, mh-* are those of their scheduler alone, flag-1 to
// flag-3 fit all.
[[nodiscard]] Outcome<std::uint32_t> parse_scheduler_flags(std::string_view scheduler,
                                                           const std::string& list);

// All of them, for a rule that is to be read again. Empty for no flags.
[[nodiscard]] std::string scheduler_flags_text(std::string_view scheduler, std::uint32_t flags);

// In brackets, as ipvsadm lists them: it has no name for a third flag of sh or mh.
[[nodiscard]] std::string listed_scheduler_flags(std::string_view scheduler, std::uint32_t flags);

}  // namespace xvs::cli
