#include "control/access_rule_list.h"

#include <fmt/format.h>

#include "flow/access_list.h"
#include "model/validate.h"

namespace xvs::control {
namespace {

// Of a firewall mark's service the address says the family alone.
model::AccessRule canonical(model::AccessRule rule) {
    if (rule.service) rule.service = model::canonical(*rule.service);
    return rule;
}

}  // namespace

bool AccessRuleList::Order::operator()(const model::AccessRule& a,
                                       const model::AccessRule& b) const noexcept {
    if (a.service != b.service) return a.service < b.service;
    return a.prefix < b.prefix;
}

Status AccessRuleList::add(const model::AccessRule& rule) {
    if (auto valid = model::check_access_rule(rule); !valid) return valid;
    if (rules_.size() == XVS_MAX_ACCESS_PREFIXES) {
        return fail(ErrorCode::OutOfMemory,
                    fmt::format("there is room for {} prefixes", XVS_MAX_ACCESS_PREFIXES));
    }
    if (!rules_.insert(canonical(rule)).second) {
        return fail(ErrorCode::AlreadyExists,
                    "there is a rule for this prefix: " + rule.to_string());
    }
    return {};
}

Status AccessRuleList::remove(const model::AccessRule& rule) {
    const auto found = rules_.find(canonical(rule));
    if (found == rules_.end() || found->action != rule.action) {
        return fail(ErrorCode::NotFound, "there is no such rule: " + rule.to_string());
    }
    rules_.erase(found);
    return {};
}

std::vector<model::AccessRule> AccessRuleList::of_service(const model::ServiceKey& key,
                                                          std::size_t limit) const {
    std::vector<model::AccessRule> result;
    const std::optional<model::ServiceKey> wanted = model::canonical(key);
    // No prefix comes before this one.
    const net::Prefix first{net::Ipv4Address(), 0};
    for (auto each = rules_.lower_bound({.service = wanted, .prefix = first, .action = {}});
         each != rules_.end() && each->service == wanted && result.size() < limit;
         ++each)
        result.push_back(*each);
    return result;
}

bool AccessRuleList::for_each(AccessPlace& place,
                              std::size_t limit,
                              const std::function<void(const model::AccessRule&)>& visit) const {
    auto each = place ? rules_.upper_bound(*place) : rules_.begin();
    const model::AccessRule* last = nullptr;
    for (; each != rules_.end() && limit > 0; ++each, --limit) {
        visit(*each);
        last = &*each;
    }
    if (last != nullptr) place = *last;
    return each != rules_.end();
}

}  // namespace xvs::control
