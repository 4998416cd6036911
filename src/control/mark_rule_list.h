// MarkRuleList: the mark rules that are wanted, in their order, and what they are compared as.
#pragma once

#include <vector>

#include "base/result.h"
#include "flow/mark_rule.h"
#include "model/mark_rule.h"

namespace xvs::control {

class MarkRuleList {
public:
    Status add(const model::MarkRule& rule);
    Status remove(const model::MarkRule& rule);

    [[nodiscard]] const std::vector<model::MarkRule>& all() const noexcept { return rules_; }

    // With interfaces as this network namespace has them now: one that is not there fits nothing.
    [[nodiscard]] std::vector<xvs_mark_rule> compiled() const;

private:
    std::vector<model::MarkRule> rules_;
};

}  // namespace xvs::control
