// --allow, --deny, --delete-allow, --delete-deny, --list-access: which clients are served.
#include <ostream>

#include <fmt/format.h>

#include "cli/access_command.h"
#include "cli/program.h"

namespace xvs::cli {

// In -R they are sent ahead of their answers, as are edits of services: lists are long.
Outcome<int> Program::access(const std::vector<std::string>& words, bool restoring) {
    if (words.front() == kListAccess) {
        if (restoring) client_->finish_edits();
        if (words.size() > 1) {
            return usage_error(fmt::format("{}: {} takes nothing else", name_, kListAccess));
        }
        return list_access();
    }
    const auto wanted = parse_access_edit(name_, words);
    if (!wanted) {
        if (restoring) client_->finish_edits();
        return tl::unexpected(wanted.error());
    }
    const auto edit = [&] {
        return wanted->is_addition ? client_->add_access_rule(wanted->rule)
                                   : client_->remove_access_rule(wanted->rule);
    };
    const Operation operation =
        wanted->is_addition ? Operation::AddAccessRule : Operation::RemoveAccessRule;
    if (!restoring) return report(operation, edit());
    sent_.push_back(operation);
    static_cast<void>(edit());
    return restored_;
}

Outcome<int> Program::list_access() {
    const auto listed = client_->for_each_access_rule(
        [this](const model::AccessRule& rule) { streams_.out << access_text(rule) << '\n'; });
    if (!listed) return list_failed(Operation::Other, listed.error());
    return 0;
}

}  // namespace xvs::cli
