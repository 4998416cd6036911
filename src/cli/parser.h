// Parser: from the words of a command line to a Command, with ipvsadm's messages for what it does
// not understand.
#pragma once

#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/exit.h"

namespace xvs::cli {

// `words` are without the program's name, `program`, which some messages begin with.
// An Exit of status kFailed, unlike the others, ends only one line of those that -R reads, unless
// the message is the hint at the help.
[[nodiscard]] Outcome<Command> parse_command(const std::string& program,
                                             std::vector<std::string> words);

// Whether the words ask for nothing but help or the version, which needs no director.
[[nodiscard]] bool asks_for_help_only(const std::vector<std::string>& words);

// "Try `xvsadm -h' ..."
[[nodiscard]] Exit hint_at_help(const std::string& program);

}  // namespace xvs::cli
