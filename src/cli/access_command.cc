#include "cli/access_command.h"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

#include "cli/listing.h"
#include "cli/parser.h"
#include "model/validate.h"

namespace xvs::cli {
namespace {

using model::AccessAction;

struct EditOption {
    std::string_view name;
    bool is_addition;
    AccessAction action;
};

constexpr EditOption kEdits[] = {{"--allow", true, AccessAction::Allow},
                                 {"--deny", true, AccessAction::Deny},
                                 {"--delete-allow", false, AccessAction::Allow},
                                 {"--delete-deny", false, AccessAction::Deny}};

const EditOption* find_edit(const std::string& word) {
    const auto* const found = std::find_if(std::begin(kEdits),
                                           std::end(kEdits),
                                           [&word](const auto& each) { return each.name == word; });
    return found == std::end(kEdits) ? nullptr : found;
}

}  // namespace

bool is_about_access(const std::vector<std::string>& words) {
    return !words.empty() && (words.front() == kListAccess || find_edit(words.front()) != nullptr);
}

Outcome<AccessEdit> parse_access_edit(const std::string& program,
                                      const std::vector<std::string>& words) {
    const EditOption& option = *find_edit(words.front());
    if (words.size() < 2) {
        return usage_error(fmt::format(
            "{}: {} wants a prefix of clients, such as 203.0.113.0/24", program, option.name));
    }
    const auto prefix = model::parse_client_prefix(words[1]);
    if (!prefix) {
        return usage_error(fmt::format("{}: {}: {}", program, option.name, prefix.error().context));
    }
    AccessEdit edit{.is_addition = option.is_addition,
                    .rule = {.service = std::nullopt, .prefix = *prefix, .action = option.action}};
    if (words.size() == 2) return edit;
    // -D takes a service's name and nothing else, as do these.
    std::vector<std::string> service{"-D"};
    service.insert(service.end(), words.begin() + 2, words.end());
    const auto command = parse_command(program, std::move(service));
    if (!command || command->verb != Verb::DeleteService) {
        return usage_error(fmt::format(
            "{}: {} {}: what follows the prefix names a service: -t, -u or "
            "--sctp-service VIP:PORT, or -f MARK [-6]; without it the prefix is for all "
            "services",
            program,
            option.name,
            words[1]));
    }
    edit.rule.service = command->service.key;
    if (const auto valid = model::check_access_rule(edit.rule); !valid) {
        return usage_error(fmt::format("{}: {}", program, valid.error().context));
    }
    return edit;
}

std::string access_text(const model::AccessRule& rule) {
    std::string text =
        fmt::format("--{} {}", model::access_action_name(rule.action), rule.prefix.to_string());
    if (!rule.service) return text;
    const model::ServiceKey& key = *rule.service;
    if (key.fwmark == 0) return text + ' ' + service_option(key, true);
    return fmt::format(
        "{} -f {}{}", text, key.fwmark, key.family() == net::Family::Ipv6 ? " -6" : "");
}

}  // namespace xvs::cli
