// The bytes that docs/flow-table.md promises.
#include "flow/layout.h"

#include <cstddef>

#include <gtest/gtest.h>

namespace xvs::flow {
namespace {

TEST(Layout, HasTheSizesThatAreDocumented) {
    EXPECT_EQ(sizeof(xvs_flow4), 32u);
    EXPECT_EQ(sizeof(xvs_flow6), 64u);
    EXPECT_EQ(sizeof(xvs_translation), 96u);
    EXPECT_EQ(sizeof(xvs_next_hop), 64u);
    EXPECT_EQ(sizeof(xvs_destination), 64u);
    EXPECT_EQ(sizeof(xvs_service), 32u);
    EXPECT_EQ(sizeof(xvs_counters), 32u);
    EXPECT_EQ(sizeof(xvs_connection), 40u);
    EXPECT_EQ(sizeof(xvs_destination_totals), 56u);
    EXPECT_EQ(sizeof(xvs_service_totals), 80u);
    EXPECT_EQ(sizeof(xvs_assistance), 256u);
    EXPECT_EQ(sizeof(xvs_report), 16u);
    EXPECT_EQ(sizeof(xvs_report_ring), 128u);
    EXPECT_EQ(sizeof(xvs_stock), 64u);
    EXPECT_EQ(sizeof(xvs_places), 4096u);
    EXPECT_EQ(sizeof(xvs_decision), 16u);
    EXPECT_EQ(sizeof(xvs_stripe), 8u);
    EXPECT_EQ(sizeof(xvs_client_way), 32u);
    EXPECT_EQ(sizeof(xvs_table_header), 112u);
}

TEST(Layout, HasItsFieldsWhereDocumented) {
    EXPECT_EQ(offsetof(xvs_flow4, source_port), 12u);
    EXPECT_EQ(offsetof(xvs_flow4, protocol), 16u);
    EXPECT_EQ(offsetof(xvs_flow4, translation), 20u);
    EXPECT_EQ(offsetof(xvs_flow6, source), 16u);
    EXPECT_EQ(offsetof(xvs_flow6, source_port), 48u);
    EXPECT_EQ(offsetof(xvs_flow6, protocol), 52u);
    EXPECT_EQ(offsetof(xvs_translation, next_hop), 16u);
    EXPECT_EQ(offsetof(xvs_translation, rewrite), 24u);
    EXPECT_EQ(offsetof(xvs_translation, network_difference), 28u);
    EXPECT_EQ(offsetof(xvs_translation, address), 44u);
    EXPECT_EQ(offsetof(xvs_next_hop, mac_destination), 12u);
    EXPECT_EQ(offsetof(xvs_next_hop, gateway), 32u);
    EXPECT_EQ(offsetof(xvs_destination, port), 12u);
    EXPECT_EQ(offsetof(xvs_service, address), 16u);
    EXPECT_EQ(offsetof(xvs_connection, protocol), 32u);
    EXPECT_EQ(offsetof(xvs_table_header, seed), 44u);
    EXPECT_EQ(offsetof(xvs_table_header, extent4), 56u);
    EXPECT_EQ(offsetof(xvs_table_header, stocks), 96u);
    EXPECT_EQ(offsetof(xvs_client_way, client), 16u);
}

}  // namespace
}  // namespace xvs::flow
