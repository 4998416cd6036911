// Access lists on the command line: --allow, --deny, --delete-allow, --delete-deny, --list-access.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/exit.h"
#include "model/access_rule.h"

namespace xvs::cli {

inline constexpr std::string_view kListAccess = "--list-access";

struct AccessEdit {
    bool is_addition = true;
    model::AccessRule rule;
};

// Whether the first word is one of these options.
[[nodiscard]] bool is_about_access(const std::vector<std::string>& words);

// Of an option that is not kListAccess: a prefix, and whose list it is on, by the words that name a
// service, or nothing for that of all. `program` begins the messages.
[[nodiscard]] Outcome<AccessEdit> parse_access_edit(const std::string& program,
                                                    const std::vector<std::string>& words);

// "--deny 203.0.113.0/24 -t 192.0.2.1:80".
[[nodiscard]] std::string access_text(const model::AccessRule& rule);

}  // namespace xvs::cli
