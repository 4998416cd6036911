#include "flow/report_rings.h"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace xvs::flow {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class ReportRingsTest : public ::testing::Test {
protected:
    // As a program on CPU `ring` does; false when the ring is full.
    bool report(std::size_t ring, std::uint32_t slot) {
        xvs_report_ring& positions = positions_[ring];
        if (positions.head - positions.tail >= XVS_REPORTS) return false;
        reports_[ring * XVS_REPORTS + positions.head % XVS_REPORTS] = {
            .state = 0, .slot = slot, .tick = 0, .events = 0, .family = 4, .reserved = 0};
        ++positions.head;
        return true;
    }

    auto note() {
        return [this](const xvs_report& report) {
            seen_.push_back(report.slot);
        };
    }

    std::vector<xvs_report_ring> positions_ = std::vector<xvs_report_ring>(2);
    std::vector<xvs_report> reports_ = std::vector<xvs_report>(2 * XVS_REPORTS);
    ReportRings rings_{positions_, reports_};
    std::vector<std::uint32_t> seen_;
};

TEST_F(ReportRingsTest, ReadsAllButOne) {
    report(0, 20);
    report(1, 10);
    rings_.drain_others(1, note());
    EXPECT_THAT(seen_, ElementsAre(20));
    rings_.drain_others(0xffff, note());
    EXPECT_THAT(seen_, ElementsAre(20, 10));
}

TEST_F(ReportRingsTest, ReadsAsFarAsAsked) {
    report(1, 10);
    report(1, 11);
    report(1, 12);
    report(0, 20);
    rings_.drain_to(1, 2, note());
    EXPECT_THAT(seen_, ElementsAre(10, 11));
    rings_.drain_to(1, 1, note());  // behind what was read
    EXPECT_THAT(seen_, ElementsAre(10, 11));
    rings_.drain_all(note());
    EXPECT_THAT(seen_, ElementsAre(10, 11, 20, 12));
}

TEST_F(ReportRingsTest, SaysHowOftenARingWasFull) {
    for (std::uint32_t slot = 0; slot < XVS_REPORTS - 1; ++slot)
        report(0, slot);
    rings_.drain_all(note());
    EXPECT_EQ(rings_.found_full(), 0U);
    while (report(0, 7)) {
    }
    rings_.drain_all(note());
    rings_.drain_all(note());
    EXPECT_EQ(rings_.found_full(), 1U);
}

TEST_F(ReportRingsTest, IsNotLedAstrayByAPositionThatNeverWas) {
    report(0, 1);
    rings_.drain_to(7, 1, note());
    rings_.drain_to(0, 9000, note());
    EXPECT_THAT(seen_, IsEmpty());
    rings_.drain_to(0, 5, note());
    EXPECT_THAT(seen_, ElementsAre(1));
}

TEST_F(ReportRingsTest, GoesOnWhereTheCounterWraps) {
    positions_[0].head = positions_[0].tail = 0xfffffffe;
    for (std::uint32_t slot = 0; slot < 5; ++slot)
        report(0, slot);
    rings_.drain_to(0, 1, note());
    EXPECT_THAT(seen_, ElementsAre(0, 1, 2));
    rings_.drain_all(note());
    EXPECT_THAT(seen_, ElementsAre(0, 1, 2, 3, 4));
}

TEST_F(ReportRingsTest, HoldsAsManyAsItSays) {
    std::uint32_t held = 0;
    while (report(0, held))
        ++held;
    EXPECT_EQ(held, XVS_REPORTS);
    rings_.drain_to(0, XVS_REPORTS, note());
    EXPECT_EQ(seen_.size(), XVS_REPORTS);
    EXPECT_TRUE(report(0, 0));
}

}  // namespace
}  // namespace xvs::flow
