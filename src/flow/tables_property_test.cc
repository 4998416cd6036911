// The tables agree with a std::map under any sequence of operations.
#include <map>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "flow/connection_table.h"
#include "flow/flow_table.h"
#include "flow/manual_grace_test.h"

namespace xvs::flow {
namespace {

constexpr std::uint32_t kSlots = 32;  // a few probe sequences, which overlap
constexpr std::uint32_t kSeed[2] = {5, 6};

template <class Ip>
FlowKey<Ip> key_of(std::uint8_t number) {
    FlowKey<Ip> key{};
    key.source_port = number;
    key.protocol = 17;
    return key;
}

struct Step {
    std::uint8_t what;
    std::uint8_t number;
};

rc::Gen<std::vector<Step>> any_steps(int operations) {
    return rc::gen::scale(
        8.0,
        rc::gen::container<std::vector<Step>>(
            rc::gen::map(rc::gen::pair(rc::gen::inRange(0, operations), rc::gen::inRange(0, 48)),
                         [](const std::pair<int, int>& pair) {
                             return Step{static_cast<std::uint8_t>(pair.first),
                                         static_cast<std::uint8_t>(pair.second)};
                         })));
}

void showValue(const Step& step, std::ostream& out) {
    out << int{step.what} << ':' << int{step.number};
}

// A flow table and what it should hold.
template <class Ip>
class FlowModel {
public:
    explicit FlowModel(GracePeriod& grace)
        : entries_(kSlots), owners_(kSlots), table_(entries_, owners_, kSeed, grace) {}

    FlowTable<Ip>& table() { return table_; }

    void insert(std::uint8_t number) {
        const auto key = key_of<Ip>(number);
        const auto hash = table_.hash(key);
        const bool has_room = this->has_room(key, hash);
        const InsertResult result = table_.insert(key, hash, {.connection = number});
        if (const auto known = live_.find(number); known != live_.end()) {
            RC_ASSERT(result.outcome == InsertOutcome::Exists);
            RC_ASSERT(result.slot == known->second);
        } else if (result.is_inserted()) {
            RC_ASSERT(has_room);
            RC_ASSERT(((result.slot - hash) & (kSlots - 1)) < XVS_PROBES);
            live_[number] = result.slot;
        } else {
            RC_ASSERT(result.outcome == InsertOutcome::Full);
            RC_ASSERT(!has_room);
        }
    }

    void retire(std::uint8_t number) {
        const auto known = live_.find(number);
        if (known == live_.end()) return;
        table_.retire(known->second);
        live_.erase(known);
    }

    void check() const {
        RC_ASSERT(table_.live() == live_.size());
        for (std::uint8_t number = 0; number < 48; ++number) {
            const auto key = key_of<Ip>(number);
            const SlotIndex slot = table_.find(key, table_.hash(key));
            const auto known = live_.find(number);
            RC_ASSERT(slot == (known == live_.end() ? XVS_NONE : known->second));
            if (slot == XVS_NONE) continue;
            RC_ASSERT(table_.key(slot) == key);
            RC_ASSERT(table_.connection(slot) == number);
        }
    }

    // No look-up of a live entry passes by an EMPTY slot, and no TOMBSTONE stands before one.
    void check_tombstones() const {
        const auto state_at = [this](SlotIndex slot) {
            return slot_state(entries_[slot & (kSlots - 1)].state);
        };
        for (const auto& [number, slot] : live_) {
            const SlotIndex home = table_.hash(key_of<Ip>(number)) & (kSlots - 1);
            for (SlotIndex at = home; at != slot; at = (at + 1) & (kSlots - 1))
                RC_ASSERT(state_at(at) != XVS_SLOT_EMPTY);
        }
        for (SlotIndex slot = 0; slot < kSlots; ++slot) {
            RC_ASSERT(state_at(slot) != XVS_SLOT_TOMBSTONE || state_at(slot + 1) != XVS_SLOT_EMPTY);
        }
    }

private:
    // Whether a slot within reach of `hash` is neither live nor waiting for its grace period, or
    // waits as one of this very key.
    [[nodiscard]] bool has_room(const FlowKey<Ip>& key, std::uint32_t hash) const {
        for (std::uint32_t probe = 0; probe < XVS_PROBES; ++probe) {
            const auto& entry = entries_[(hash + probe) & (kSlots - 1)];
            const std::uint32_t state = slot_state(entry.state);
            if (state == XVS_SLOT_EMPTY || state == XVS_SLOT_TOMBSTONE) return true;
            if (state == XVS_SLOT_DEAD && FlowKey<Ip>::load(entry) == key) return true;
        }
        return false;
    }

    std::vector<typename Ip::Flow> entries_;
    std::vector<std::uint32_t> owners_;
    FlowTable<Ip> table_;
    std::map<std::uint8_t, SlotIndex> live_;
};

template <class Ip>
void agrees_where_slots_are_reused_at_once() {
    GracePeriod at_once;
    FlowModel<Ip> model(at_once);
    for (const Step& step : *any_steps(2)) {
        if (step.what == 0) {
            model.insert(step.number);
        } else {
            model.retire(step.number);
        }
        model.check();
        model.check_tombstones();
    }
}

template <class Ip>
void agrees_where_slots_wait_for_a_grace_period() {
    ManualGrace grace;
    FlowModel<Ip> model(grace.period());
    for (const Step& step : *any_steps(4)) {
        switch (step.what) {
            case 0:
                model.insert(step.number);
                break;
            case 1:
                model.retire(step.number);
                break;
            case 2:
                model.table().reclaim(step.number % 4);
                break;
            default:
                grace.end_all();
                break;
        }
        model.check();
    }
    while (model.table().retired() > 0) {
        model.table().reclaim(kSlots);
        grace.end_all();
    }
    model.check();
    model.check_tombstones();
}

RC_GTEST_PROP(FlowTable, AgreesWithAMapOverIpv4, ()) {
    agrees_where_slots_are_reused_at_once<Ipv4>();
}

RC_GTEST_PROP(FlowTable, AgreesWithAMapOverIpv6, ()) {
    agrees_where_slots_are_reused_at_once<Ipv6>();
}

RC_GTEST_PROP(FlowTable, AgreesWithAMapThroughGracePeriods, ()) {
    agrees_where_slots_wait_for_a_grace_period<Ipv4>();
}

RC_GTEST_PROP(ConnectionTable, AgreesWithAMap, ()) {
    constexpr std::uint32_t kRecords = 8;
    std::vector<xvs_connection> records(kRecords);
    ConnectionTable<Ipv4> table(records);
    std::map<std::uint32_t, std::uint32_t> live;  // index -> its state word
    std::set<std::pair<std::uint32_t, std::uint32_t>> ever;
    for (const Step& step : *any_steps(2)) {
        if (step.what == 0) {
            const std::uint32_t index = table.allocate();
            RC_ASSERT((index == XVS_NONE) == (live.size() == kRecords));
            if (index == XVS_NONE) continue;
            RC_ASSERT(live.emplace(index, table[index].state).second);
            RC_ASSERT(ever.emplace(index, table[index].state).second);  // a new generation
            table[index].inbound = step.number;
        } else if (live.erase(step.number % kRecords) == 1) {
            table.free(step.number % kRecords);
        }
        RC_ASSERT(table.size() == live.size());
        std::map<std::uint32_t, std::uint32_t> visited;
        table.for_each(0, kRecords, [&](std::uint32_t index, const xvs_connection& record) {
            visited[index] = record.state;
        });
        RC_ASSERT(visited == live);
    }
}

}  // namespace
}  // namespace xvs::flow
