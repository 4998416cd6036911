// Properties of the fast path: whoever replays a connection's packets, and however late the engine
// hears of it, states, listings and counters are those of an engine that has seen every packet.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "testing/replay_model.h"
#include "tests/property/conversations.h"

namespace xvs::test {
namespace {

constexpr unsigned kCpus = 2;

// A director whose established packets are replayed before the engine.
struct Replayed {
    explicit Replayed(Schedulers schedulers)
        : participant(schedulers, {.storage = &storage, .cpus = kCpus}) {
        participant.enter_by(model);
    }

    NamedStorage storage;
    Participant participant;
    ReplayModel model{participant.target().director(), storage};
};

RC_GTEST_PROP(Replay, AgreesWithTheEngineAloneWhateverComesInWhicheverState, ()) {
    const Conversation conversation = any_conversation([](unsigned) { return 0U; });
    Replayed replayed(Schedulers::Any);
    RC_ASSERT(compare(conversation, replayed.participant, Schedulers::Any) == "");
}

// What the other CPU has not yet told may sway those schedulers that count connections.
RC_GTEST_PROP(Replay, AgreesWithTheEngineAloneWhereEachFlowHasItsCpu, ()) {
    const Conversation conversation = any_conversation([](unsigned flow) { return flow % kCpus; });
    Replayed replayed(Schedulers::InTurn);
    RC_ASSERT(compare(conversation, replayed.participant, Schedulers::InTurn) == "");
}

// The report of the end is read when the timers next run; that is no reason to keep it longer.
TEST(Replay, CountsATimeoutFromThePacketAndNotFromItsReport) {
    using Kind = ConversationStep::Kind;
    constexpr unsigned kFlow = 2;
    Conversation conversation{packet_step(Kind::Request, kFlow, "S", 0),
                              packet_step(Kind::Reply, kFlow, "S.", 0),
                              packet_step(Kind::Request, kFlow, ".", 0)};
    for (const int wait : {5000, 10000, 50}) {
        ConversationStep pause;
        pause.kind = Kind::Wait;
        pause.wait = std::chrono::milliseconds(wait);
        conversation.push_back(pause);
        if (wait == 5000) conversation.push_back(packet_step(Kind::Reply, kFlow, "R.", 0));
    }
    Replayed replayed(Schedulers::Any);
    EXPECT_EQ(compare(conversation, replayed.participant, Schedulers::Any), "");
}

RC_GTEST_PROP(Replay, KeepsTheTablesInOrderThoughReportsOfAFlowComeInAnyOrder, ()) {
    const Conversation conversation =
        any_conversation([](unsigned) { return *rc::gen::inRange(0U, kCpus); });
    Replayed replayed(Schedulers::Any);
    RC_ASSERT(survive(conversation, replayed.participant) == "");
}

}  // namespace
}  // namespace xvs::test
