// Every scenario on the engine in memory. `make differential` runs the same files on kernel IPVS.
#include <gtest/gtest.h>

#include "testing/engine_target.h"
#include "tests/scenario/scenario_cases.h"

namespace xvs::test {
namespace {

class Scenarios : public ::testing::TestWithParam<std::string> {};

TEST_P(Scenarios, Run) {
    const auto scenario = read_scenario(GetParam());
    ASSERT_TRUE(scenario) << scenario.error().context;
    EngineTarget target;
    const auto status = run_scenario(*scenario, target);
    EXPECT_TRUE(status) << status.error().context;
    EXPECT_EQ(target.director().inconsistencies(), "");
}

TEST_P(Scenarios, RunTheSameWithTwoWorkers) {
    const auto scenario = read_scenario(GetParam());
    ASSERT_TRUE(scenario) << scenario.error().context;
    DirectorParts parts;
    parts.workers = 2;
    EngineTarget target(parts);
    const auto status = run_scenario(*scenario, target);
    EXPECT_TRUE(status) << status.error().context;
    EXPECT_EQ(target.director().inconsistencies(), "");
}

TEST(Scenarios, AreThere) {
    EXPECT_GE(find_scenarios(kScenarioFolder).size(), 40U)
        << "run it from the top of the source tree";
}

INSTANTIATE_TEST_SUITE_P(Engine, Scenarios, all_scenarios(), scenario_name);

}  // namespace
}  // namespace xvs::test
