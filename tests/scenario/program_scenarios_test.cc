// Every scenario once more, with the steering program in the kernel before the engine: each packet
// goes through it, over the tables that the engine uses.
#include <gtest/gtest.h>

#include "testing/engine_target.h"
#include "testing/program_entrance.h"
#include "tests/scenario/scenario_cases.h"

namespace xvs::test {
namespace {

class ProgramScenarios : public ::testing::TestWithParam<std::string> {
protected:
    void SetUp() override {
        if (const std::string reason = why_no_programs(); !reason.empty()) GTEST_SKIP() << reason;
    }
};

TEST_P(ProgramScenarios, Run) {
    const auto scenario = read_scenario(GetParam());
    ASSERT_TRUE(scenario) << scenario.error().context;
    offload::BpfStorage storage;
    EngineTarget target({.storage = &storage});
    const auto entrance = ProgramEntrance::load(target.director(), storage);
    ASSERT_TRUE(entrance) << entrance.error().context;
    target.enter_by(**entrance);

    const auto status = run_scenario(*scenario, target);

    EXPECT_TRUE(status) << status.error().context;
    EXPECT_EQ(target.director().inconsistencies(), "");
}

INSTANTIATE_TEST_SUITE_P(Program, ProgramScenarios, all_scenarios(), scenario_name);

}  // namespace
}  // namespace xvs::test
