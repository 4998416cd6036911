#include "flow/stock_table.h"

#include <set>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "flow/manual_grace_test.h"

namespace xvs::flow {
namespace {

class StockTableTest : public ::testing::Test {
protected:
    static xvs_decision decision(std::uint32_t inbound) {
        xvs_decision made{};
        made.inbound = inbound;
        return made;
    }

    static constexpr std::uint32_t kStocks = 2;

    GracePeriod grace_;
    std::vector<xvs_stock> records_ =
        std::vector<xvs_stock>(std::size_t{kStocks} * (1 + XVS_SHARES));
    std::vector<xvs_places> places_ = std::vector<xvs_places>(kStocks);
    std::vector<xvs_decision> decisions_ =
        std::vector<xvs_decision>(std::size_t{kStocks} * XVS_STOCK_SIZE);
    StockTable table_{records_, decisions_, places_, grace_};
};

TEST_F(StockTableTest, GivesDecisionsInTheOrderInWhichTheyWerePutIn) {
    const std::uint32_t stock = table_.allocate();
    for (std::uint32_t round = 0; round < 3 * XVS_STOCK_SIZE; ++round) {
        table_.put(stock, decision(round));
        const auto drawn = table_.draw(stock);
        ASSERT_TRUE(drawn);
        EXPECT_EQ(drawn->number, round);
        EXPECT_EQ(drawn->decision.inbound, round);
    }
    EXPECT_FALSE(table_.draw(stock));
}

TEST_F(StockTableTest, VoidsWhatIsLeftWhenAnEpochEnds) {
    const std::uint32_t stock = table_.allocate();
    for (std::uint32_t number = 0; number < 5; ++number)
        table_.put(stock, decision(number));
    (void)table_.draw(stock);
    const StockTable::Epoch ended = table_.begin_epoch(stock);
    EXPECT_EQ(ended.drawn, 1U);
    EXPECT_EQ(ended.stocked, 5U);
    EXPECT_EQ(table_.at(stock, 4).inbound, 4U);
    EXPECT_FALSE(table_.draw(stock));
    EXPECT_EQ(table_.left(stock), 0U);
}

TEST_F(StockTableTest, GivesAStockAgainWhenNoProgramCanTakeItForTheFormerServices) {
    ManualGrace grace;
    StockTable table(records_, decisions_, places_, grace.period());
    const std::uint32_t first = table.allocate();
    EXPECT_NE(table.allocate(), first);
    EXPECT_EQ(table.allocate(), XVS_NONE);
    table.free(first);
    EXPECT_EQ(table.allocate(), XVS_NONE);
    grace.end_all();
    EXPECT_EQ(table.allocate(), first);
}

TEST_F(StockTableTest, GivesEachDecisionToOneOfThoseWhoDraw) {
    constexpr std::uint32_t kCount = 1000;
    const std::uint32_t stock = table_.allocate();
    for (std::uint32_t number = 0; number < kCount; ++number)
        table_.put(stock, decision(number));
    std::vector<std::uint32_t> drawn[2];
    std::vector<std::thread> threads;
    for (auto& mine : drawn) {
        threads.emplace_back([&] {
            while (const auto one = table_.draw(stock))
                mine.push_back(one->decision.inbound);
        });
    }
    for (std::thread& each : threads)
        each.join();
    std::set<std::uint32_t> all(drawn[0].begin(), drawn[0].end());
    all.insert(drawn[1].begin(), drawn[1].end());
    EXPECT_EQ(all.size(), kCount);
    EXPECT_EQ(drawn[0].size() + drawn[1].size(), kCount);
}

}  // namespace
}  // namespace xvs::flow
