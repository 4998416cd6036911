// The recorded cases with the steering program in the kernel before the engine: without the fast
// path, and with established packets replayed there. Firewall marks are given to packets in memory
// alone.
#include <gtest/gtest.h>

#include "testing/program_entrance.h"
#include "tests/golden/scheduler_replay.h"

namespace xvs::test {
namespace {

// Returns how many packets did not pass the engine.
std::uint64_t replay_all(bool has_fast_path) {
    TestedProgram program({.replays = has_fast_path, .at_xdp = false});
    std::uint64_t replays = 0;
    std::size_t cases = 0;
    for (const json& recorded : scheduler_cases()) {
        if (recorded["fwmark"].get<bool>()) continue;
        SchedulerReplay replay(
            recorded,
            {.connections = 4096, .storage = &program.storage(), .cpus = TestedProgram::cpus()});
        const auto entrance = program.stand_before(replay.director());
        if (!entrance) {
            ADD_FAILURE() << entrance.error().context;
            return 0;
        }
        replay.enter_by(**entrance);
        for (const json& connection : recorded["connections"])
            (*entrance)->add_local(endpoint(connection, "dst", "dport").address);
        EXPECT_EQ(replay.run(), "") << "in case " << recorded["case"];
        replays += (*entrance)->replays();
        ++cases;
    }
    EXPECT_EQ(cases, 286U);
    return replays;
}

TEST(SchedulersBehindTheProgram, ServeEveryRecordedConnectionAsTheKernelDid) {
    if (const std::string reason = why_no_programs(); !reason.empty()) GTEST_SKIP() << reason;
    EXPECT_EQ(replay_all(false), 0U);
}

TEST(SchedulersBehindTheProgram, ServeThemOnTheFastPathToo) {
    if (const std::string reason = why_no_programs(); !reason.empty()) GTEST_SKIP() << reason;
    EXPECT_GT(replay_all(true), 1000U);
}

}  // namespace
}  // namespace xvs::test
