// The scenario files as cases of a parametrized test.
#pragma once

#include <algorithm>
#include <cctype>
#include <string>

#include <gtest/gtest.h>

#include "testing/scenario.h"

namespace xvs::test {

inline constexpr const char* kScenarioFolder = "tests/scenario";

inline auto all_scenarios() {
    return ::testing::ValuesIn(find_scenarios(kScenarioFolder));
}

// "tests/scenario/icmp/a_ping.scenario" to "icmp_a_ping".
inline std::string scenario_name(const ::testing::TestParamInfo<std::string>& info) {
    std::string name = info.param.substr(std::string(kScenarioFolder).size() + 1);
    name.resize(name.rfind('.'));
    std::replace_if(
        name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
    return name;
}

}  // namespace xvs::test
