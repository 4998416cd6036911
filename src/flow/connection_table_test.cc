#include "flow/connection_table.h"

#include <map>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "flow/family.h"

namespace xvs::flow {
namespace {

class ConnectionTableTest : public testing::Test {
protected:
    std::vector<xvs_connection> records = std::vector<xvs_connection>(4);
    ConnectionTable<Ipv4> table{records};
};

TEST_F(ConnectionTableTest, HandsOutARecordThatNamesNothing) {
    const std::uint32_t index = table.allocate();
    ASSERT_TRUE(table.is_live(index));
    EXPECT_EQ(table[index].inbound, XVS_NONE);
    EXPECT_EQ(table[index].outbound, XVS_NONE);
    EXPECT_EQ(table[index].destination, XVS_NONE);
    EXPECT_EQ(table[index].controller, XVS_NONE);
    EXPECT_EQ(table[index].flags, 0u);
}

TEST_F(ConnectionTableTest, RefusesWhenFullAndKeepsTheOthers) {
    for (int i = 0; i < 4; ++i)
        EXPECT_NE(table.allocate(), XVS_NONE);
    EXPECT_EQ(table.allocate(), XVS_NONE);
    EXPECT_EQ(table.size(), 4u);

    table.free(2);
    EXPECT_EQ(table.allocate(), 2u);
}

TEST_F(ConnectionTableTest, GivesAReusedRecordAnotherGenerationAndNothingOfTheOld) {
    const std::uint32_t index = table.allocate();
    const std::uint32_t before = table[index].state;
    table[index].flags = 7;
    table[index].timeout = 7;
    table.free(index);
    EXPECT_FALSE(table.is_live(index));

    ASSERT_EQ(table.allocate(), index);
    EXPECT_NE(table[index].state, before);
    EXPECT_EQ(table[index].flags, 0u);
    EXPECT_EQ(table[index].timeout, 0u);
}

TEST_F(ConnectionTableTest, IsNotLiveBeyondItsEnd) {
    EXPECT_FALSE(table.is_live(0));
    EXPECT_FALSE(table.is_live(4));
    EXPECT_FALSE(table.is_live(XVS_NONE));
}

TEST_F(ConnectionTableTest, IsOfTheWorkerThatAllocatedItUntilThatFreesIt) {
    ConnectionTable<Ipv4> second(&table);
    const std::uint32_t index = table.allocate();
    EXPECT_TRUE(table.is_own(index));
    EXPECT_FALSE(second.is_own(index));
    table.free(index);
    EXPECT_FALSE(table.is_own(index));
    EXPECT_FALSE(second.is_own(index));
}

TEST_F(ConnectionTableTest, VisitsEachLiveRecordOnceInPieces) {
    for (int i = 0; i < 4; ++i)
        ASSERT_NE(table.allocate(), XVS_NONE);
    table.free(1);
    for (std::uint32_t piece = 1; piece <= 5; ++piece) {
        std::multiset<std::uint32_t> visited;
        std::uint32_t cursor = 0;
        while (cursor != XVS_NONE) {
            cursor = table.for_each(cursor, piece, [&](std::uint32_t index, xvs_connection&) {
                visited.insert(index);
            });
        }
        EXPECT_EQ(visited, (std::multiset<std::uint32_t>{0, 2, 3})) << "by " << piece;
    }
}

}  // namespace
}  // namespace xvs::flow
