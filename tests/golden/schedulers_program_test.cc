// The recorded cases with the steering program in the kernel before the engine: without the fast
// path, and with established packets replayed there. Firewall marks are given to packets in memory
// alone.
#include <algorithm>

#include <gtest/gtest.h>

#include "testing/program_entrance.h"
#include "tests/golden/scheduler_replay.h"

namespace xvs::test {
namespace {

struct Way {
    bool has_fast_path = true;
    std::uint32_t stock = 0;  // decisions made ahead of time
    std::uint32_t by_counts = 1;
    bool on_two_cpus = false;
};

struct Passed {
    std::uint64_t replays = 0;  // packets that did not pass the engine
    std::uint64_t drawn = 0;    // connections that began without it
};

bool has_resets(const json& recorded) {
    const json& events = recorded["events"];
    return std::any_of(
        events.begin(), events.end(), [](const json& event) { return event.contains("reset"); });
}

Passed replay_all(const Way& way) {
    TestedProgram program({.replays = way.has_fast_path, .at_xdp = false, .draws = way.stock != 0});
    Passed passed;
    std::size_t cases = 0;
    for (const json& recorded : scheduler_cases()) {
        if (recorded["fwmark"].get<bool>()) continue;
        ++cases;
        // By counts it is exact where none goes down meanwhile.
        if (way.by_counts > 1 && has_resets(recorded)) continue;
        SchedulerReplay replay(recorded,
                               {.connections = 4096,
                                .storage = &program.storage(),
                                .cpus = TestedProgram::cpus(),
                                .stock = way.stock,
                                .stock_by_counts = way.by_counts});
        const auto entrance = program.stand_before(replay.director());
        if (!entrance) {
            ADD_FAILURE() << entrance.error().context;
            return {};
        }
        replay.enter_by(**entrance);
        if (way.on_two_cpus) replay.alternate_between(2);
        EXPECT_EQ(replay.run(), "") << "in case " << recorded["case"];
        passed.replays += (*entrance)->replays();
        passed.drawn += replay.director().engine.drawn_connections();
    }
    EXPECT_EQ(cases, 286U);
    return passed;
}

TEST(SchedulersBehindTheProgram, ServeEveryRecordedConnectionAsTheKernelDid) {
    if (const std::string reason = why_no_programs(); !reason.empty()) GTEST_SKIP() << reason;
    EXPECT_EQ(replay_all({.has_fast_path = false}).replays, 0U);
}

TEST(SchedulersBehindTheProgram, ServeThemOnTheFastPathToo) {
    if (const std::string reason = why_no_programs(); !reason.empty()) GTEST_SKIP() << reason;
    const Passed passed = replay_all({});
    EXPECT_GT(passed.replays, 1000U);
    EXPECT_EQ(passed.drawn, 0U);
}

// What is drawn is what would have been decided, be there events or not.
TEST(SchedulersBehindTheProgram, DrawTheSameFromStocks) {
    if (const std::string reason = why_no_programs(); !reason.empty()) GTEST_SKIP() << reason;
    EXPECT_GT(replay_all({.stock = 64}).drawn, 1000U);
}

TEST(SchedulersBehindTheProgram, DrawTheSameByCountsWhereNoneGoesDown) {
    if (const std::string reason = why_no_programs(); !reason.empty()) GTEST_SKIP() << reason;
    const std::uint64_t in_turns = replay_all({.stock = 64}).drawn;
    EXPECT_GT(replay_all({.stock = 64, .by_counts = 64}).drawn, in_turns + 1000);
}

TEST(SchedulersBehindTheProgram, DrawTheSameOnTwoCpus) {
    if (const std::string reason = why_no_programs(); !reason.empty()) GTEST_SKIP() << reason;
    EXPECT_GT(replay_all({.stock = 1024, .on_two_cpus = true}).drawn, 1000U);
}

}  // namespace
}  // namespace xvs::test
