// Conversations as rapidcheck makes them up.
#pragma once

#include <functional>

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "testing/conversation.h"

namespace xvs::test {

using StepKind = ConversationStep::Kind;

inline ConversationStep packet_step(StepKind kind, unsigned flow, const char* flags, unsigned cpu) {
    ConversationStep step;
    step.kind = kind;
    step.flow = flow;
    step.flags = flags;
    step.cpu = cpu;
    return step;
}

// Which CPU meets a flow's next packet.
using CpuOfFlow = std::function<unsigned(unsigned flow)>;

// What one flow says: a handshake, an end of the usual kinds, or something that no stack would.
inline Conversation any_words(unsigned flow, const CpuOfFlow& cpu_of) {
    using Words = std::vector<std::pair<StepKind, const char*>>;
    static const std::vector<Words> kUsual{
        {{StepKind::Request, "S"}, {StepKind::Reply, "S."}, {StepKind::Request, "."}},
        {{StepKind::Request, "P."}, {StepKind::Reply, "P."}},
        {{StepKind::Request, "F."}, {StepKind::Reply, "F."}, {StepKind::Request, "."}},
        {{StepKind::Reply, "F."}, {StepKind::Request, "."}, {StepKind::Request, "F."}},
        {{StepKind::Request, "R"}},
        {{StepKind::Reply, "R."}}};
    Conversation steps;
    const bool is_usual = *rc::gen::inRange(0, 3) != 0;
    const Words words = is_usual ? *rc::gen::elementOf(kUsual) : Words{};
    for (const auto& [kind, flags] : words)
        steps.push_back(packet_step(kind, flow, flags, cpu_of(flow)));
    if (is_usual) return steps;
    const auto kind = *rc::gen::element(StepKind::Request, StepKind::Reply);
    const std::string flags = *rc::gen::elementOf(conversation_flags());
    return {packet_step(kind, flow, flags.c_str(), cpu_of(flow))};
}

inline Conversation any_event() {
    ConversationStep step;
    step.kind = *rc::gen::element(StepKind::Wait, StepKind::Edit, StepKind::Look);
    if (step.kind == StepKind::Wait) {
        const std::vector<int> waits{1, 50, 100, 990, 5000, 9900, 10000, 59900, 120000};
        step.wait = std::chrono::milliseconds(*rc::gen::elementOf(waits));
    } else if (step.kind == StepKind::Edit) {
        step.line = *rc::gen::elementOf(conversation_edits());
    }
    return {step};
}

// A good part of it plays between a few flows, so that these get far.
inline Conversation any_conversation(const CpuOfFlow& cpu_of) {
    const auto some_steps = rc::gen::exec([cpu_of] {
        if (*rc::gen::inRange(0, 8) == 0) return any_event();
        const unsigned flows = *rc::gen::element(1U, 3U, kConversationFlows);
        return any_words(*rc::gen::inRange(0U, flows), cpu_of);
    });
    const auto parts =
        *rc::gen::resize(100, rc::gen::container<std::vector<Conversation>>(some_steps));
    Conversation whole;
    for (const Conversation& part : parts)
        whole.insert(whole.end(), part.begin(), part.end());
    return whole;
}

// Lives through `conversation` with `other` and with an engine that meets every packet itself;
// returns where they differ, or what is left of either in the end.
inline std::string compare(const Conversation& conversation,
                           Participant& other,
                           Schedulers schedulers) {
    Participant alone(schedulers);
    for (const ConversationStep& step : conversation) {
        const std::string problem = difference(other.take(step), alone.take(step));
        if (!problem.empty()) return problem;
    }
    const std::string problem = difference(other.look(), alone.look());
    return problem.empty() ? other.end() : problem;
}

// Returns what is wrong with the tables when it is over, or left in the end.
inline std::string survive(const Conversation& conversation, Participant& participant) {
    for (const ConversationStep& step : conversation)
        (void)participant.take(step);
    Director& director = participant.target().director();
    director.engine.catch_up();
    const std::string problems = director.inconsistencies();
    return problems.empty() ? participant.end() : problems;
}

}  // namespace xvs::test
