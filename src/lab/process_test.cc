#include "lab/process.h"

#include <csignal>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace xvs::lab {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(Process, SplitsACommandAtBlanks) {
    EXPECT_THAT(command(" ip  link set lo up"), ElementsAre("ip", "link", "set", "lo", "up"));
    EXPECT_THAT(command(""), ElementsAre());
}

TEST(Process, QuotesWhatAShellWouldTakeApart) {
    EXPECT_EQ(to_string({"sh", "-c", "a | b"}), "sh -c 'a | b'");
}

TEST(Process, ReturnsBothOutputsAndTheExitCode) {
    const auto done = run({"sh", "-c", "echo out; echo err >&2; exit 3"});

    ASSERT_TRUE(done);
    EXPECT_EQ(done->out, "out\n");
    EXPECT_EQ(done->err, "err\n");
    EXPECT_EQ(done->exit_code, 3);
}

TEST(Process, CarriesMoreInputThanAPipeHolds) {
    const std::string megabyte(1 << 20, 'x');
    const auto done = run({"cat"}, {.input = megabyte});

    ASSERT_TRUE(done);
    EXPECT_EQ(done->out.size(), megabyte.size());
}

TEST(Process, KillsWhatOutlivesItsTime) {
    const auto done = run({"sleep", "60"}, {.input = "", .time_limit = milliseconds(50)});

    ASSERT_FALSE(done);
    EXPECT_THAT(done.error().context, HasSubstr("'sleep 60' did not end within 50 ms"));
}

TEST(Process, NamesTheProgramThatIsMissing) {
    const auto done = run({"no-such-program"});

    ASSERT_FALSE(done);
    EXPECT_THAT(done.error().context, HasSubstr("no-such-program"));
}

TEST(Process, QuotesTheWordsOfACommandThatFailed) {
    const auto done = run_checked({"sh", "-c", "echo 'no way' >&2; exit 2"});

    ASSERT_FALSE(done);
    EXPECT_THAT(done.error().context, HasSubstr("exit code 2: no way"));
}

TEST(Process, EndsWithItsOwner) {
    pid_t pid = -1;
    {
        auto process = Process::start({"sleep", "60"}, "/dev/null");
        ASSERT_TRUE(process);
        EXPECT_TRUE(process->is_running());
        pid = process->pid();
    }
    EXPECT_EQ(::kill(pid, 0), -1);
}

TEST(Process, KillsWhatIgnoresTheTermination) {
    auto process =
        Process::start({"sh", "-c", "trap '' TERM; while :; do sleep 1; done"}, "/dev/null");
    ASSERT_TRUE(process);
    const pid_t pid = process->pid();
    run({"sleep", "0.1"}).value();  // until the trap is set

    process->stop(milliseconds(50));

    EXPECT_EQ(::kill(pid, 0), -1);
}

}  // namespace
}  // namespace xvs::lab
