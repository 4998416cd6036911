// Every recorded case on the engine in memory.
#include <gtest/gtest.h>

#include "tests/golden/scheduler_replay.h"

namespace xvs::test {
namespace {

TEST(Schedulers, ServeEveryRecordedConnectionAsTheKernelDid) {
    std::size_t replayed = 0;
    for (const json& recorded : scheduler_cases()) {
        EXPECT_EQ(SchedulerReplay(recorded, {.connections = 4096}).run(), "")
            << "in case " << recorded["case"];
        ++replayed;
    }
    EXPECT_EQ(replayed, 323U);
}

}  // namespace
}  // namespace xvs::test
