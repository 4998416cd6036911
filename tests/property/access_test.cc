// Access lists decide as a list that is gone through entry by entry does.
#include <map>
#include <memory>

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "engine/defend/access_lists.h"
#include "testing/access_refusal.h"
#include "testing/fake_steering.h"

namespace xvs::test {
namespace {

using engine::AccessList;
using engine::AccessLists;
using engine::DropReason;
using model::AccessAction;
using model::AccessRule;
using Refusal = std::optional<DropReason>;

// Few enough bits differ for prefixes to lie in each other.
net::IpAddress any_address(bool is_ipv4) {
    const auto number = *rc::gen::arbitrary<std::uint16_t>();
    if (is_ipv4) {
        const std::uint32_t bits =
            (number & 0xfU) | (number & 0xf0U) << 10 | (number & 0x100U) << 23;
        return net::Ipv4Address(bits);
    }
    std::array<std::byte, 16> bytes{};
    for (const std::size_t at : {0U, 3U, 4U, 7U, 8U, 12U, 15U})
        bytes[at] = static_cast<std::byte>(number >> at & 0x3);
    return net::Ipv6Address(bytes);
}

struct Naive {
    std::map<net::Prefix, AccessAction> prefixes;

    [[nodiscard]] Refusal refusal(const net::IpAddress& client) const {
        bool allows = false;
        const std::pair<const net::Prefix, AccessAction>* longest = nullptr;
        for (const auto& each : prefixes) {
            allows = allows || each.second == AccessAction::Allow;
            if (!each.first.contains(client)) continue;
            if (longest == nullptr || each.first.length > longest->first.length) longest = &each;
        }
        if (longest == nullptr) {
            return allows ? Refusal(DropReason::ClientNotAllowed) : std::nullopt;
        }
        return longest->second == AccessAction::Deny ? Refusal(DropReason::ClientDenied)
                                                     : std::nullopt;
    }
};

// The list for all, and one beside it.
class Both {
public:
    void edit() {
        const bool is_of_all = *rc::gen::arbitrary<bool>();
        AccessList& list = is_of_all ? lists_.all() : other_;
        Naive& naive = is_of_all ? naive_all_ : naive_other_;
        const bool is_ipv4 = *rc::gen::arbitrary<bool>();
        const AccessRule rule{
            .service = std::nullopt,
            .prefix = net::Prefix::of(any_address(is_ipv4),
                                      *rc::gen::inRange<std::uint8_t>(0, is_ipv4 ? 33 : 129)),
            .action = *rc::gen::element(AccessAction::Deny, AccessAction::Allow)};
        const bool is_known = naive.prefixes.contains(rule.prefix);
        if (*rc::gen::inRange(0, 3) != 0) {
            RC_ASSERT(lists_.add(list, nullptr, rule).has_value() == !is_known);
            naive.prefixes.try_emplace(rule.prefix, rule.action);
        } else if (!naive.prefixes.empty() && *rc::gen::arbitrary<bool>()) {
            const auto [prefix, action] = *rc::gen::elementOf(naive.prefixes);
            const AccessRule known{.service = std::nullopt, .prefix = prefix, .action = action};
            RC_ASSERT(lists_.remove(list, nullptr, known).has_value());
            naive.prefixes.erase(prefix);
        } else {
            const bool is_same = is_known && naive.prefixes.at(rule.prefix) == rule.action;
            RC_ASSERT(lists_.remove(list, nullptr, rule).has_value() == is_same);
            if (is_same) naive.prefixes.erase(rule.prefix);
        }
        if (*rc::gen::inRange(0, 20) == 0) {
            lists_.clear(other_, nullptr);
            naive_other_ = {};
        }
    }

    void ask_both() const {
        const net::IpAddress client = any_address(*rc::gen::arbitrary<bool>());
        const Refusal of_all = naive_all_.refusal(client);
        RC_ASSERT(refusal(lists_, nullptr, client) == of_all);
        RC_ASSERT(refusal(lists_, &other_, client) ==
                  (of_all ? of_all : naive_other_.refusal(client)));
    }

    // What the steering was told is what there is.
    void check_steering() const {
        const std::size_t prefixes = naive_all_.prefixes.size() + naive_other_.prefixes.size();
        RC_ASSERT(lists_.prefixes() == prefixes);
        RC_ASSERT(steering_.access_prefixes.size() == prefixes);
        const std::size_t used =
            (naive_all_.prefixes.empty() ? 0U : 1U) + (naive_other_.prefixes.empty() ? 0U : 1U);
        RC_ASSERT(steering_.access_lists.size() == used);
    }

private:
    testing::FakeSteering steering_;
    AccessLists lists_{steering_};
    AccessList other_ = [] {
        AccessList list;
        list.number = XVS_ACCESS_OF_SERVICE(7);
        return list;
    }();
    Naive naive_all_;
    Naive naive_other_;
};

RC_GTEST_PROP(AccessLists, DecideAsAListThatIsGoneThrough, ()) {
    auto both = std::make_unique<Both>();
    const int edits = *rc::gen::inRange(0, 60);
    for (int edit = 0; edit < edits; ++edit) {
        both->edit();
        both->ask_both();
        both->check_steering();
    }
}

}  // namespace
}  // namespace xvs::test
