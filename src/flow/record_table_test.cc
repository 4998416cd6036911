#include "flow/record_table.h"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "flow/next_hop_table.h"

namespace xvs::flow {
namespace {

using testing::ElementsAreArray;

class DestinationRecordsTest : public testing::Test {
protected:
    std::vector<xvs_destination> records = std::vector<xvs_destination>(3);
    DestinationRecords table{records};
};

TEST_F(DestinationRecordsTest, AreCurrentUntilTheyAreFreed) {
    const std::uint32_t index = table.allocate();
    const std::uint32_t generation = table[index].generation;
    EXPECT_NE(generation, 0u);
    EXPECT_TRUE(table.is_current(index, generation));

    table.free(index);
    EXPECT_FALSE(table.is_used(index));
    EXPECT_FALSE(table.is_current(index, generation));
    EXPECT_FALSE(table.is_current(index, 0));
}

TEST_F(DestinationRecordsTest, AreGoneForThoseWhoNameThemByAnOldGeneration) {
    const std::uint32_t index = table.allocate();
    const std::uint32_t generation = table[index].generation;
    table[index].port = 80;
    table.free(index);
    ASSERT_EQ(table.allocate(), index);
    EXPECT_FALSE(table.is_current(index, generation));
    EXPECT_EQ(table[index].port, 0u);
}

TEST_F(DestinationRecordsTest, ReuseIndicesInTheOrderTheyWereFreed) {
    for (int i = 0; i < 3; ++i)
        ASSERT_NE(table.allocate(), XVS_NONE);
    EXPECT_EQ(table.allocate(), XVS_NONE);
    table.free(2);
    table.free(0);
    EXPECT_EQ(table.size(), 1u);
    EXPECT_EQ(table.allocate(), 2u);
    EXPECT_EQ(table.allocate(), 0u);
    EXPECT_EQ(table.allocate(), XVS_NONE);
}

TEST_F(DestinationRecordsTest, AnswerForAnyIndex) {
    EXPECT_FALSE(table.is_used(0));
    EXPECT_FALSE(table.is_used(XVS_NONE));
    EXPECT_FALSE(table.is_current(XVS_NONE, 1));
}

TEST(NextHopTable, LosesThoseWhoNameItWhenItIsInvalidated) {
    std::vector<xvs_next_hop> records(2);
    NextHopTable table(records);
    const std::uint32_t index = table.allocate();
    const std::uint32_t generation = table[index].generation;
    table.invalidate(index);
    EXPECT_FALSE(table.is_current(index, generation));
    EXPECT_TRUE(table.is_used(index));
}

TEST(NextHopTable, ChangesAddressesInPlaceForThoseWhoNameIt) {
    std::vector<xvs_next_hop> records(2);
    NextHopTable table(records);
    const std::uint32_t index = table.allocate();
    const std::uint32_t generation = table[index].generation;
    table[index].flags = XVS_HOP_LINK_HEADER;
    table.resolve(index,
                  *net::MacAddress::parse("02:00:00:00:00:01"),
                  *net::MacAddress::parse("02:00:00:00:00:02"));

    EXPECT_TRUE(table.is_current(index, generation));
    const unsigned once = XVS_HOP_CHANGE;
    EXPECT_EQ(table[index].flags, XVS_HOP_LINK_HEADER | XVS_HOP_RESOLVED | once);
    EXPECT_THAT(table[index].mac_destination, ElementsAreArray({2, 0, 0, 0, 0, 1}));
    EXPECT_THAT(table[index].mac_source, ElementsAreArray({2, 0, 0, 0, 0, 2}));
    table.unresolve(index);
    EXPECT_EQ(table[index].flags, XVS_HOP_LINK_HEADER | once);
}

TEST(NextHopTable, CountsChangesOfAddressesSoThatTwoOfThemAreNotTakenForNone) {
    std::vector<xvs_next_hop> records(1);
    NextHopTable table(records);
    const std::uint32_t index = table.allocate();
    table[index].flags = XVS_HOP_PEER;
    for (unsigned change = 1; change <= 20; ++change) {
        table.resolve(index, net::MacAddress(), net::MacAddress());
        EXPECT_EQ(table[index].flags, XVS_HOP_PEER | XVS_HOP_RESOLVED | (change % 16) << 4);
    }
}

}  // namespace
}  // namespace xvs::flow
