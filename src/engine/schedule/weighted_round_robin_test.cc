// What the scheduler remembers of its destinations is what a look at all of them would tell.
#include "engine/schedule/weighted_round_robin.h"

#include <algorithm>
#include <deque>
#include <vector>

#include <gtest/gtest.h>

#include "base/random_test.h"

namespace xvs::engine {
namespace {

// The weights that came by, in turns of one scheduler that lived through all edits.
class Servers {
public:
    DestinationState& add(std::int32_t weight) {
        DestinationState& server = all_.emplace_back();
        server.config.weight = weight;
        list_.push_front(server);
        present_.push_back(&server);
        lived_.destination_added(list_);
        return server;
    }

    void remove(std::size_t which) {
        DestinationState& server = *present_[which];
        lived_.destination_will_go(list_, server);
        list_.remove(server);
        present_.erase(present_.begin() + static_cast<std::ptrdiff_t>(which));
    }

    void edit(std::size_t which, std::int32_t weight) {
        const std::int32_t former = present_[which]->config.weight;
        present_[which]->config.weight = weight;
        lived_.destination_changed(list_, *present_[which], former);
    }

    // So many turns from the present state on, of `scheduler`.
    std::vector<const DestinationState*> turns(WeightedRoundRobin& scheduler, int count) {
        std::vector<const DestinationState*> result;
        for (int i = 0; i < count; ++i)
            result.push_back(scheduler.schedule(list_, {}));
        return result;
    }

    [[nodiscard]] std::size_t size() const { return present_.size(); }

    WeightedRoundRobin& lived() { return lived_; }

    DestinationList& list() { return list_; }

    DestinationState& server(std::size_t which) { return *present_[which]; }

private:
    std::deque<DestinationState> all_;
    DestinationList list_;
    std::vector<DestinationState*> present_;
    WeightedRoundRobin lived_;
};

// Once a full round is over, a scheduler that followed edits takes turns as one that saw only their
// result: both start from the same weight and divisor.
TEST(WeightedRoundRobin, TakesTurnsAfterEditsAsIfItHadNeverSeenOtherWeights) {
    Random random(3);
    for (int round = 0; round < 300; ++round) {
        Servers servers;
        for (int step = 0; step < 40; ++step) {
            const auto weight = static_cast<std::int32_t>(random.below(6)) * 2;
            const std::size_t which =
                servers.size() == 0 ? 0 : random.below(static_cast<std::uint32_t>(servers.size()));
            switch (random.below(4)) {
                case 0:
                    if (servers.size() > 0) servers.remove(which);
                    break;
                case 1:
                    if (servers.size() > 0) servers.edit(which, weight);
                    break;
                default:
                    servers.add(weight);
            }
            static_cast<void>(servers.turns(servers.lived(), 3));
        }
        WeightedRoundRobin fresh;
        fresh.take_charge(servers.list());
        std::int32_t sum = 0;
        for (std::size_t i = 0; i < servers.size(); ++i)
            sum += servers.server(i).config.weight;
        const auto lived = servers.turns(servers.lived(), 4 * sum + 1);
        const auto anew = servers.turns(fresh, sum + 1);
        const auto same = std::search(lived.begin(), lived.end(), anew.begin(), anew.end());
        ASSERT_NE(same, lived.end()) << "round " << round;
    }
}

TEST(WeightedRoundRobin, GivesNobodyATurnWhoIsQuiescedOrOverloaded) {
    Servers servers;
    DestinationState& overloaded = servers.add(3);
    servers.add(0);
    overloaded.is_overloaded = true;
    EXPECT_EQ(servers.lived().schedule(servers.list(), {}), nullptr);
    overloaded.is_overloaded = false;
    EXPECT_EQ(servers.lived().schedule(servers.list(), {}), &overloaded);
    servers.edit(0, 0);
    EXPECT_EQ(servers.lived().schedule(servers.list(), {}), nullptr);
}

}  // namespace
}  // namespace xvs::engine
