// The properties of replay_test.cc with the steering program itself, met by this machine's CPUs.
#include <algorithm>

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "testing/program_entrance.h"
#include "tests/property/conversations.h"

namespace xvs::test {
namespace {

class ProgramReplay : public ::testing::Test {
protected:
    void SetUp() override {
        if (const std::string reason = why_no_programs(); !reason.empty()) GTEST_SKIP() << reason;
    }

    static void SetUpTestSuite() { program_ = std::make_unique<TestedProgram>(kReplays); }

    static void TearDownTestSuite() { program_.reset(); }

    // Those that a conversation is met by.
    [[nodiscard]] static unsigned cpus() { return std::min(2U, TestedProgram::cpus()); }

    static constexpr TestedProgram::Options kReplays{.replays = true, .at_xdp = false};
    static std::unique_ptr<TestedProgram> program_;
};

std::unique_ptr<TestedProgram> ProgramReplay::program_;

// A director behind the program.
struct Replayed {
    // `stock`: so many decisions are made ahead of time, `by_counts` of them by counts.
    Replayed(TestedProgram& program,
             Schedulers schedulers,
             std::uint32_t stock = 0,
             std::uint32_t by_counts = 1)
        : participant(schedulers,
                      {.storage = &program.storage(),
                       .cpus = TestedProgram::cpus(),
                       .stock = stock,
                       .stock_by_counts = by_counts}) {
        auto made = program.stand_before(participant.target().director());
        if (!made) throw std::runtime_error(made.error().context);
        entrance = std::move(*made);
        participant.enter_by(*entrance);
    }

    Participant participant;
    std::unique_ptr<ProgramEntrance> entrance;
};

TEST_F(ProgramReplay, AgreesWithTheEngineAloneWhateverComesInWhicheverState) {
    EXPECT_TRUE(rc::check([] {
        const Conversation conversation = any_conversation([](unsigned) { return 0U; });
        Replayed replayed(*program_, Schedulers::Any);
        RC_ASSERT(compare(conversation, replayed.participant, Schedulers::Any) == "");
    }));
}

TEST_F(ProgramReplay, AgreesWithTheEngineAloneWhereEachFlowHasItsCpu) {
    EXPECT_TRUE(rc::check([] {
        const Conversation conversation =
            any_conversation([](unsigned flow) { return flow % cpus(); });
        Replayed replayed(*program_, Schedulers::InTurn);
        RC_ASSERT(compare(conversation, replayed.participant, Schedulers::InTurn) == "");
    }));
}

TEST_F(ProgramReplay, KeepsTheTablesInOrderThoughReportsComeInAnyOrder) {
    EXPECT_TRUE(rc::check([] {
        const Conversation conversation =
            any_conversation([](unsigned) { return *rc::gen::inRange(0U, cpus()); });
        Replayed replayed(*program_, Schedulers::Any);
        RC_ASSERT(survive(conversation, replayed.participant) == "");
    }));
}

// New connections begin in the kernel, with decisions that the engine makes ahead of time.
class ProgramDraws : public ProgramReplay {
protected:
    static void SetUpTestSuite() {
        program_ = std::make_unique<TestedProgram>(
            TestedProgram::Options{.replays = true, .at_xdp = false, .draws = true});
    }

    static constexpr std::uint32_t kStock = 8;
};

TEST_F(ProgramDraws, AgreesWithTheEngineAloneWhateverComesInWhicheverState) {
    std::uint64_t drawn = 0;
    EXPECT_TRUE(rc::check([&drawn] {
        const Conversation conversation = any_conversation([](unsigned) { return 0U; });
        Replayed replayed(*program_, Schedulers::Any, kStock);
        RC_ASSERT(compare(conversation, replayed.participant, Schedulers::Any) == "");
        drawn += replayed.participant.target().director().engine.drawn_connections();
    }));
    EXPECT_GT(drawn, 10U);
}

TEST_F(ProgramDraws, AgreesWithTheEngineAloneWhereEachFlowHasItsCpu) {
    EXPECT_TRUE(rc::check([] {
        const Conversation conversation =
            any_conversation([](unsigned flow) { return flow % cpus(); });
        Replayed replayed(*program_, Schedulers::InTurn, kStock);
        RC_ASSERT(compare(conversation, replayed.participant, Schedulers::InTurn) == "");
    }));
}

TEST_F(ProgramDraws, KeepsTheTablesInOrderThoughReportsComeInAnyOrder) {
    EXPECT_TRUE(rc::check([] {
        const Conversation conversation =
            any_conversation([](unsigned) { return *rc::gen::inRange(0U, cpus()); });
        Replayed replayed(*program_, Schedulers::Any, kStock, kStock);
        RC_ASSERT(survive(conversation, replayed.participant) == "");
    }));
}

// Its record is still there, with the same addresses, but it is no longer this flow's way.
TEST_F(ProgramReplay, BringsAPacketToTheEngineWhoseNextHopIsNoLongerTheWay) {
    Replayed replayed(*program_, Schedulers::InTurn);
    Director& director = replayed.participant.target().director();
    ConversationStep step;
    step.flow = 3;  // of datagrams
    const std::string first = replayed.participant.take(step);
    const std::uint64_t replays = replayed.entrance->replays();
    EXPECT_EQ(replayed.participant.take(step), first);
    EXPECT_EQ(replayed.entrance->replays(), replays + 1);
    for (const TestHost& host : topology::kHosts)
        director.tables->next_hops().invalidate(director.router.next_hop_of(host.v4));
    EXPECT_EQ(replayed.participant.take(step), first);
    EXPECT_EQ(replayed.entrance->replays(), replays + 1);
}

}  // namespace
}  // namespace xvs::test
