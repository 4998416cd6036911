#include "engine/lookup/tcp_states.h"

#include <set>

#include <gtest/gtest.h>

namespace xvs::engine {
namespace {

constexpr std::uint8_t kSynFlag = XVS_EVENT_SYN, kAckFlag = XVS_EVENT_ACK, kFinFlag = XVS_EVENT_FIN,
                       kRstFlag = XVS_EVENT_RST;

TcpState after(TcpDirection direction, TcpState state, unsigned flags) {
    return next_tcp_state(direction, state, tcp_events(static_cast<std::uint8_t>(flags)));
}

TEST(TcpStates, AnOrdinaryNatConnectionOpensAndCloses) {
    TcpState state = TcpState::None;
    state = after(TcpDirection::Inbound, state, kSynFlag);
    EXPECT_EQ(state, TcpState::SynReceived);
    state = after(TcpDirection::Outbound, state, kSynFlag | kAckFlag);
    EXPECT_EQ(state, TcpState::SynReceived);
    state = after(TcpDirection::Inbound, state, kAckFlag);
    EXPECT_EQ(state, TcpState::Established);
    state = after(TcpDirection::Outbound, state, kFinFlag | kAckFlag);
    EXPECT_EQ(state, TcpState::FinWait);
    state = after(TcpDirection::Inbound, state, kFinFlag | kAckFlag);
    EXPECT_EQ(state, TcpState::TimeWait);
}

TEST(TcpStates, AHalfSeenConnectionWaitsInFinWaitAndNeverInTimeWait) {
    TcpState state = after(TcpDirection::InboundOnly, TcpState::None, kSynFlag);
    state = after(TcpDirection::InboundOnly, state, kAckFlag);
    EXPECT_EQ(state, TcpState::Established);
    state = after(TcpDirection::InboundOnly, state, kFinFlag | kAckFlag);
    EXPECT_EQ(state, TcpState::FinWait);
    EXPECT_EQ(after(TcpDirection::InboundOnly, state, kAckFlag), TcpState::FinWait);
}

TEST(TcpStates, TheStrongestFlagCounts) {
    EXPECT_EQ(after(TcpDirection::Inbound, TcpState::Established, kRstFlag | kSynFlag | kFinFlag),
              TcpState::Close);
    EXPECT_EQ(after(TcpDirection::Inbound, TcpState::TimeWait, kSynFlag | kFinFlag),
              TcpState::SynReceived);
}

TEST(TcpStates, APacketWithoutAnyOfTheFourFlagsCloses) {
    EXPECT_EQ(after(TcpDirection::Inbound, TcpState::Established, 0x08), TcpState::Close);
}

TEST(TcpStates, TheReportMaskOfAnEstablishedConnectionLeavesItsDataAlone) {
    EXPECT_EQ(tcp_events_to_report(TcpDirection::Inbound, TcpState::Established),
              XVS_EVENT_FIN | XVS_EVENT_RST | XVS_EVENT_NONE | XVS_EVENT_SYN);
    EXPECT_EQ(tcp_events_to_report(TcpDirection::Outbound, TcpState::Established),
              XVS_EVENT_FIN | XVS_EVENT_RST | XVS_EVENT_NONE | XVS_EVENT_SYN);
    EXPECT_EQ(tcp_events_to_report(TcpDirection::InboundOnly, TcpState::Established),
              XVS_EVENT_FIN | XVS_EVENT_RST | XVS_EVENT_NONE | XVS_EVENT_SYN);
}

TEST(TcpStates, AResetIsReportedThoughTheAckBeforeItIsStillUnderWay) {
    EXPECT_EQ(after(TcpDirection::Inbound, TcpState::SynReceived, kRstFlag), TcpState::SynReceived);
    EXPECT_NE(tcp_events_to_report(TcpDirection::Inbound, TcpState::SynReceived) & kRstFlag, 0);
}

// Whatever packets come, in either direction, while the engine still knows of the first one's
// state alone. A client's SYN comes to the engine itself.
class Unreported {
public:
    explicit Unreported(TcpState known) : known_(known) { follow(known); }

    [[nodiscard]] int changes() const { return changes_; }

private:
    void follow(TcpState state) {
        if (!met_.insert(state).second) return;
        for (const auto direction : {TcpDirection::Inbound, TcpDirection::Outbound}) {
            const unsigned reported = tcp_events_to_report(direction, known_);
            for (unsigned flags = 0; flags <= (kAckFlag | kSynFlag | kFinFlag | kRstFlag);
                 ++flags) {
                if (direction == TcpDirection::Inbound && (flags & kSynFlag) != 0) continue;
                const std::uint8_t events = tcp_events(static_cast<std::uint8_t>(flags));
                const TcpState next = next_tcp_state(direction, state, events);
                if (next != state && (events & reported) == 0) ++changes_;
                follow(next);
            }
        }
    }

    TcpState known_;
    std::set<TcpState> met_;
    int changes_ = 0;
};

TEST(TcpStates, NoChangeGoesUnreportedHoweverLateReportsAre) {
    for (std::size_t state = 0; state < model::kTcpStateCount; ++state)
        EXPECT_EQ(Unreported(static_cast<TcpState>(state)).changes(), 0) << "state " << state;
}

TEST(TcpStates, ConnectionsThatOpenCountAsActive) {
    EXPECT_TRUE(is_active(TcpState::SynReceived));
    EXPECT_TRUE(is_active(TcpState::Established));
    EXPECT_FALSE(is_active(TcpState::FinWait));
    EXPECT_FALSE(is_active(TcpState::Close));
}

TEST(TcpStates, ThreeTimeoutsAreTheAdministrators) {
    const model::Timeouts timeouts{.tcp_s = 7, .tcp_fin_s = 8, .udp_s = 9};
    EXPECT_EQ(tcp_timeout_s(TcpState::Established, timeouts), 7U);
    EXPECT_EQ(tcp_timeout_s(TcpState::FinWait, timeouts), 8U);
    EXPECT_EQ(tcp_timeout_s(TcpState::SynReceived, timeouts), 60U);
}

}  // namespace
}  // namespace xvs::engine
