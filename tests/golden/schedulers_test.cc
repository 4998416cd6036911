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

// The same order of connections, each at the worker whose client it is: what schedulers know is the
// director's.
TEST(Schedulers, ServeThemTheSameWithTwoWorkers) {
    std::uint64_t received[2] = {0, 0};
    for (const json& recorded : scheduler_cases()) {
        SchedulerReplay replay(recorded, {.connections = 4096, .workers = 2});
        EXPECT_EQ(replay.run(), "") << "in case " << recorded["case"];
        engine::Engine& engine = replay.director().engine;
        for (std::size_t number = 0; number < engine.workers(); ++number)
            received[number] += engine.worker(number).totals().received;
    }
    EXPECT_GT(received[0], 5000U);
    EXPECT_GT(received[1], 5000U);
}

}  // namespace
}  // namespace xvs::test
