// A conversation of clients and real servers through a director: packets with any flags in any
// order, time that passes, edits. Several directors live through the same one and must agree.
#pragma once

#include <chrono>
#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

#include "testing/engine_target.h"

namespace xvs::test {

struct ConversationStep {
    enum class Kind : std::uint8_t { Request, Reply, Wait, Edit, Look };

    Kind kind = Kind::Request;
    unsigned flow = 0;        // of packets: which of the conversation's flows
    std::string flags = "S";  // of TCP packets
    unsigned cpu = 0;         // that meets the packet
    std::chrono::milliseconds wait{};
    std::string line;  // of ipvsadm
};

void PrintTo(const ConversationStep& step, std::ostream* out);
std::ostream& operator<<(std::ostream& out, const ConversationStep& step);

using Conversation = std::vector<ConversationStep>;

// How many flows there are to choose from: clients by services.
inline constexpr unsigned kConversationFlows = 24;

// Flags and edits that make sense.
[[nodiscard]] const std::vector<std::string>& conversation_flags();
[[nodiscard]] const std::vector<std::string>& conversation_edits();

// Returns the first line in which two accounts differ, of both; nothing where they agree.
[[nodiscard]] std::string difference(const std::string& one, const std::string& other);

enum class Schedulers : std::uint8_t {
    Any,
    InTurn,  // none that counts connections
};

// A director that takes part. Its services are the same for all.
class Participant {
public:
    explicit Participant(Schedulers schedulers, const DirectorParts& parts = {});

    // Returns what came of the step: who got which packet, or what a look shows.
    std::string take(const ConversationStep& step);

    // Everything that can be asked of the director: connections, counts, statistics.
    [[nodiscard]] std::string look();

    // Removes every service and lets all time pass; returns what is left.
    [[nodiscard]] std::string end();

    [[nodiscard]] EngineTarget& target() noexcept { return target_; }

    void enter_by(Entrance& entrance) {
        entrance_ = &entrance;
        target_.enter_by(entrance);
    }

private:
    // As an order says, or the like of it in turn.
    void order(std::string line);

    EngineTarget target_;
    Schedulers schedulers_;
    Entrance* entrance_ = nullptr;
};

}  // namespace xvs::test
