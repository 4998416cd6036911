// Every scenario on the engine in memory. `make differential` runs the same files on kernel IPVS.
#include <algorithm>
#include <cctype>

#include <gtest/gtest.h>

#include "testing/engine_target.h"
#include "testing/scenario.h"

namespace xvs::test {
namespace {

constexpr const char* kFolder = "tests/scenario";

class Scenarios : public ::testing::TestWithParam<std::string> {};

TEST_P(Scenarios, Run) {
    const auto scenario = read_scenario(GetParam());
    ASSERT_TRUE(scenario) << scenario.error().context;
    EngineTarget target;
    const auto status = run_scenario(*scenario, target);
    EXPECT_TRUE(status) << status.error().context;
    EXPECT_EQ(target.director().inconsistencies(), "");
}

TEST(Scenarios, AreThere) {
    EXPECT_GE(find_scenarios(kFolder).size(), 40U) << "run it from the top of the source tree";
}

// "tests/scenario/icmp/a_ping.scenario" to "icmp_a_ping".
std::string name_of(const ::testing::TestParamInfo<std::string>& info) {
    std::string name = info.param.substr(std::string(kFolder).size() + 1);
    name.resize(name.rfind('.'));
    std::replace_if(
        name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
    return name;
}

INSTANTIATE_TEST_SUITE_P(Engine, Scenarios, ::testing::ValuesIn(find_scenarios(kFolder)), name_of);

}  // namespace
}  // namespace xvs::test
