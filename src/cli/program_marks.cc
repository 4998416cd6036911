// --add-mark, --delete-mark, --list-marks: which packets get a firewall mark.
#include <ostream>

#include <fmt/format.h>

#include "cli/program.h"
#include "model/mark_rule.h"

namespace xvs::cli {

bool Program::is_about_marks(const std::vector<std::string>& words) {
    const std::string& first = words.front();
    return first == kAddMark || first == kDeleteMark || first == kListMarks;
}

Outcome<int> Program::marks(const std::vector<std::string>& words, bool restoring) {
    if (restoring) client_->finish_edits();
    if (words.front() == kListMarks) {
        if (words.size() > 1) {
            return usage_error(fmt::format("{}: {} takes nothing else", name_, kListMarks));
        }
        return list_marks("");
    }
    const auto rule =
        model::parse_mark_rule(std::vector<std::string>(words.begin() + 1, words.end()));
    if (!rule) {
        return usage_error(fmt::format("{}: {}: {}", name_, words.front(), rule.error().context));
    }
    const bool is_addition = words.front() == kAddMark;
    const auto edit = [&] {
        return is_addition ? client_->add_mark_rule(*rule) : client_->remove_mark_rule(*rule);
    };
    const Operation operation = is_addition ? Operation::AddMarkRule : Operation::RemoveMarkRule;
    if (!restoring) return report(operation, edit());
    sent_.push_back(operation);
    static_cast<void>(edit());
    return restored_;
}

Outcome<int> Program::list_marks(std::string_view before_each) {
    const auto rules = client_->mark_rules();
    if (!rules) return list_failed(Operation::Other, rules.error());
    for (const model::MarkRule& rule : *rules)
        streams_.out << before_each << rule.to_string() << '\n';
    return 0;
}

}  // namespace xvs::cli
