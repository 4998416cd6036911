// AccessRuleList: the access rules that are wanted, in the order they are listed in: those for all
// services, then those of each, by prefix.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <set>
#include <vector>

#include "base/result.h"
#include "model/access_rule.h"

namespace xvs::control {

// How far a listing of access rules has come: the last one, or none at the beginning.
using AccessPlace = std::optional<model::AccessRule>;

class AccessRuleList {
public:
    // AlreadyExists where the same clients of the same service have a rule, OutOfMemory,
    // InvalidArgument.
    Status add(const model::AccessRule& rule);
    // NotFound.
    Status remove(const model::AccessRule& rule);
    // Returns rules of a service, at most `limit`.
    [[nodiscard]] std::vector<model::AccessRule> of_service(const model::ServiceKey& key,
                                                            std::size_t limit) const;

    // Calls `visit` for at most `limit` rules behind `place`, which moves on; returns whether there
    // are more. Whatever is added or removed in between, the others come once.
    bool for_each(AccessPlace& place,
                  std::size_t limit,
                  const std::function<void(const model::AccessRule&)>& visit) const;

    [[nodiscard]] std::size_t size() const noexcept { return rules_.size(); }

private:
    struct Order {
        bool operator()(const model::AccessRule& a, const model::AccessRule& b) const noexcept;
    };

    std::set<model::AccessRule, Order> rules_;
};

}  // namespace xvs::control
