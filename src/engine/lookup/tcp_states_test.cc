#include "engine/lookup/tcp_states.h"

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

TEST(TcpStates, TheReportMaskHoldsExactlyWhatChangesTheState) {
    EXPECT_EQ(tcp_events_that_change(TcpDirection::Inbound, TcpState::Established),
              XVS_EVENT_FIN | XVS_EVENT_RST | XVS_EVENT_NONE);
    EXPECT_EQ(tcp_events_that_change(TcpDirection::Inbound, TcpState::SynReceived),
              XVS_EVENT_FIN | XVS_EVENT_ACK | XVS_EVENT_NONE);
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
