#include "engine/drop_reason.h"

#include <fstream>
#include <set>
#include <string>

#include <gtest/gtest.h>

namespace xvs::engine {
namespace {

std::set<std::string> documented() {
    std::ifstream page("docs/drop-reasons.md");
    std::set<std::string> names;
    for (std::string line; std::getline(page, line);) {
        if (line.empty() && !names.empty()) break;  // other tables are not the engine's
        if (!line.starts_with("| `")) continue;
        names.insert(line.substr(3, line.find('`', 3) - 3));
    }
    return names;
}

TEST(DropReason, EveryOneIsOnThePageThatOperatorsRead) {
    std::set<std::string> names;
    for (const DropReasonText& reason : kDropReasons)
        names.insert(std::string(reason.name));
    EXPECT_EQ(documented(), names);
}

}  // namespace
}  // namespace xvs::engine
