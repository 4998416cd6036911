// A flow table that grows with what it holds agrees with a std::map all the while.
#include <map>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "flow/flow_table.h"
#include "flow/manual_grace_test.h"

namespace xvs::flow {
namespace {

constexpr std::uint32_t kFirst = 2 * XVS_PROBES;
constexpr std::uint32_t kGrows = kFirst / 2 + 1;  // entries that are too many for these
constexpr std::uint32_t kCapacity = 1024;
constexpr std::uint32_t kFlows = 400;  // more than fill half of it
constexpr std::uint32_t kSeed[2] = {7, 8};

template <class Ip>
FlowKey<Ip> key_of(std::uint32_t number) {
    FlowKey<Ip> key{};
    key.source_port = static_cast<std::uint16_t>(number);
    key.protocol = 6;
    return key;
}

// Where a flow is, and what its entry said of itself when it was made.
struct Flow {
    SlotIndex slot = XVS_NONE;
    SlotIndex first_slot = XVS_NONE;
    std::uint32_t first_word = 0;
    std::size_t periods = 0;  // grace periods that had ended when it was made
};

template <class Ip>
class GrowingModel {
public:
    void insert(std::uint32_t number) {
        const auto key = key_of<Ip>(number);
        const InsertResult result =
            table.insert(key, table.hash(key), {.translation = number, .connection = number});
        if (const auto known = flows.find(number); known != flows.end()) {
            RC_ASSERT(result.outcome == InsertOutcome::Exists);
            RC_ASSERT(result.slot == known->second.slot);
        } else if (result.is_inserted()) {
            flows[number] = {.slot = result.slot,
                             .first_slot = result.slot,
                             .first_word = table.state_word(result.slot),
                             .periods = periods};
        }
    }

    void retire(std::uint32_t number) {
        const auto known = flows.find(number);
        if (known == flows.end()) return;
        table.retire(known->second.slot);
        flows.erase(known);
    }

    void grow(std::size_t limit) {
        table.continue_growing(limit, [this](std::uint32_t owner, SlotIndex from, SlotIndex to) {
            RC_ASSERT(flows.at(owner).slot == from);
            if (to != XVS_NONE) {
                flows[owner].slot = to;
            } else {
                table.retire(from);
                flows.erase(owner);
            }
        });
    }

    void end_grace() {
        grace.end_all();
        ++periods;
    }

    void check() const {
        RC_ASSERT(table.live() == flows.size());
        RC_ASSERT(table.active() >= table.live() || table.active() == kCapacity);
        for (std::uint32_t number = 0; number < kFlows; ++number) {
            const auto key = key_of<Ip>(number);
            const SlotIndex slot = table.find(key, table.hash(key));
            const auto known = flows.find(number);
            RC_ASSERT(slot == (known == flows.end() ? XVS_NONE : known->second.slot));
            if (slot == XVS_NONE) continue;
            RC_ASSERT(table.key(slot) == key);
            RC_ASSERT(table.connection(slot) == number);
            RC_ASSERT(table.entry(slot).translation == number);
            check_report(known->second);
        }
    }

    // A report by where the flow was at first finds it, at least until that slot may have been used
    // again; never another one.
    void check_report(const Flow& flow) const {
        const SlotIndex reported = table.find_reported(flow.first_slot, flow.first_word);
        if (reported == flow.slot) return;
        RC_ASSERT(reported == XVS_NONE);
        RC_ASSERT(periods > flow.periods);
    }

    ManualGrace grace;
    std::vector<typename Ip::Flow> entries = std::vector<typename Ip::Flow>(kCapacity);
    std::vector<std::uint32_t> owners = std::vector<std::uint32_t>(kCapacity);
    xvs_table_extent extent{.active = kFirst, .former = kFirst, .cleanings = 0, .reserved = 0};
    FlowTable<Ip> table{entries, owners, kSeed, grace.period(), extent};
    std::map<std::uint32_t, Flow> flows;
    std::size_t periods = 0;
};

struct Step {
    int what;
    std::uint32_t number;
};

void showValue(const Step& step, std::ostream& out) {
    out << step.what << ':' << step.number;
}

template <class Ip>
void agrees_with_a_map() {
    GrowingModel<Ip> model;
    const auto steps =
        *rc::gen::scale(8.0,
                        rc::gen::container<std::vector<Step>>(rc::gen::map(
                            rc::gen::pair(rc::gen::inRange(0, 10), rc::gen::inRange(0u, kFlows)),
                            [](const std::pair<int, std::uint32_t>& pair) {
                                return Step{pair.first, pair.second};
                            })));
    for (const Step& step : steps) {
        switch (step.what) {
            case 0:
                model.retire(step.number);
                break;
            case 1:
                model.grow(step.number % 40);
                break;
            case 2:
                model.table.reclaim(step.number % 8);
                break;
            case 3:
                model.end_grace();
                break;
            default:
                model.insert(step.number);
                break;
        }
        model.check();
    }
}

RC_GTEST_PROP(FlowTableGrowth, AgreesWithAMapOverIpv4, ()) {
    agrees_with_a_map<Ipv4>();
}

RC_GTEST_PROP(FlowTableGrowth, AgreesWithAMapOverIpv6, ()) {
    agrees_with_a_map<Ipv6>();
}

TEST(FlowTableGrowth, KeepsFewFlowsCloseTogetherAndManyFindable) {
    GrowingModel<Ipv4> model;
    for (std::uint32_t number = 0; number + 1 < kGrows; ++number)
        model.insert(number);
    EXPECT_EQ(model.table.active(), kFirst);
    for (std::uint32_t number = kGrows - 1; number < kFlows; ++number) {
        model.insert(number);
        model.grow(8);
        model.end_grace();
        model.table.reclaim(kCapacity);
    }
    while (model.table.is_growing())
        model.grow(8);
    EXPECT_EQ(model.table.active(), kCapacity);
    EXPECT_EQ(model.extent.active, kCapacity);
    EXPECT_EQ(model.extent.former, kCapacity);
    EXPECT_GE(model.flows.size(), kFlows - 4);  // one of a thousand finds its neighbourhood full
    for (const auto& [number, flow] : model.flows) {
        const auto key = key_of<Ipv4>(number);
        EXPECT_EQ(model.table.find(key, model.table.hash(key)), flow.slot) << number;
    }
}

// A later daemon goes on where the former one ended.
TEST(FlowTableGrowth, GoesOnWithAnExtentThatWasLeft) {
    GrowingModel<Ipv4> model;
    for (std::uint32_t number = 0; number < kGrows; ++number)
        model.insert(number);
    ASSERT_TRUE(model.table.is_growing());
    GracePeriod at_once;
    FlowTable<Ipv4> next(model.entries, model.owners, kSeed, at_once, model.extent);
    next.adopt();
    EXPECT_EQ(next.live(), kGrows);
    EXPECT_TRUE(next.is_growing());
    next.continue_growing(kCapacity, [](std::uint32_t, SlotIndex, SlotIndex) {});
    EXPECT_FALSE(next.is_growing());
    for (std::uint32_t number = 0; number < kGrows; ++number) {
        const auto key = key_of<Ipv4>(number);
        EXPECT_NE(next.find(key, next.hash(key)), XVS_NONE) << number;
    }
}

TEST(FlowTableGrowth, UsesEverySlotWhereTheExtentIsNone) {
    GracePeriod at_once;
    std::vector<xvs_flow4> entries(kCapacity);
    std::vector<std::uint32_t> owners(kCapacity);
    for (const auto& [active, former] : {std::pair{0U, 0U},
                                         std::pair{100U, 100U},
                                         std::pair{2 * kCapacity, kCapacity},
                                         std::pair{kCapacity, 0U}}) {
        xvs_table_extent extent{.active = active, .former = former, .cleanings = 0, .reserved = 0};
        const FlowTable<Ipv4> table(entries, owners, kSeed, at_once, extent);
        EXPECT_EQ(table.active(), kCapacity);
        EXPECT_FALSE(table.is_growing());
    }
}

}  // namespace
}  // namespace xvs::flow
