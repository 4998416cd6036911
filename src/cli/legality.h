// Which options go with which command, and which with which tunnel type.
#pragma once

#include <string_view>

#include "cli/command.h"
#include "cli/exit.h"

namespace xvs::cli {

// The names by which ipvsadm speaks of them in its messages.
[[nodiscard]] std::string_view option_name(Option option) noexcept;
[[nodiscard]] std::string_view verb_name(Verb verb) noexcept;

// Of a whole command line: what is missing, out of place or contradictory.
[[nodiscard]] Outcome<void> check_options(Verb verb, OptionSet options);
[[nodiscard]] Outcome<void> check_tunnel_options(model::TunnelType type, OptionSet options);

}  // namespace xvs::cli
