#include "engine/lookup/sctp_states.h"

#include <vector>

#include <gtest/gtest.h>

#include "net/sctp.h"
#include "testing/literals.h"
#include "testing/packet.h"

namespace xvs::engine {
namespace {

using namespace test::literals;  // NOLINT(google-build-using-namespace)
using net::sctp_chunk::kAbort;
using net::sctp_chunk::kCookieAck;
using net::sctp_chunk::kCookieEcho;
using net::sctp_chunk::kInit;
using net::sctp_chunk::kSack;

std::uint8_t events_of(std::vector<std::uint8_t> chunks, std::size_t value = 0) {
    const auto packet =
        test::Packet::sctp("198.51.100.7:40001"_ep, "192.0.2.1:80"_ep, std::move(chunks))
            .length(value)
            .bytes();
    return sctp_events_of(std::span(packet).subspan(20));
}

TEST(SctpStates, AnOrdinaryNatConnectionOpensAndCloses) {
    SctpState state = SctpState::None;
    const auto client = [&](SctpEvent event) {
        return state = next_sctp_state(SctpDirection::Inbound, state, event);
    };
    const auto server = [&](SctpEvent event) {
        return state = next_sctp_state(SctpDirection::Outbound, state, event);
    };
    EXPECT_EQ(client(SctpEvent::Init), SctpState::Init1);
    EXPECT_EQ(server(SctpEvent::InitAck), SctpState::CookieSent);
    EXPECT_EQ(client(SctpEvent::CookieEcho), SctpState::CookieReplied);
    EXPECT_EQ(server(SctpEvent::CookieAck), SctpState::Established);
    EXPECT_EQ(client(SctpEvent::Data), SctpState::Established);
    EXPECT_EQ(client(SctpEvent::Shutdown), SctpState::ShutdownReceived);
    EXPECT_EQ(server(SctpEvent::ShutdownAck), SctpState::ShutdownAckSent);
    EXPECT_EQ(client(SctpEvent::ShutdownComplete), SctpState::Closed);
}

TEST(SctpStates, AHalfSeenConnectionIsEstablishedByTheCookie) {
    SctpState state = next_sctp_state(SctpDirection::InboundOnly, SctpState::None, SctpEvent::Init);
    EXPECT_EQ(state, SctpState::Init1);
    state = next_sctp_state(SctpDirection::InboundOnly, state, SctpEvent::CookieEcho);
    EXPECT_EQ(state, SctpState::Established);
}

TEST(SctpStates, OnlyTheFirstChunkCountsButForAnAbortBehindACookie) {
    EXPECT_EQ(events_of({kInit}), sctp_events(SctpEvent::Init));
    EXPECT_EQ(events_of({kSack, kAbort}), sctp_events(SctpEvent::Data));
    EXPECT_EQ(events_of({kCookieEcho, kSack}), sctp_events(SctpEvent::CookieEcho));
    EXPECT_EQ(events_of({kCookieEcho, kAbort}), sctp_events(SctpEvent::Abort));
    EXPECT_EQ(events_of({kCookieAck, kAbort}), sctp_events(SctpEvent::Abort));
    EXPECT_EQ(events_of({}), 0);
    EXPECT_EQ(events_of({200}), sctp_events(SctpEvent::Data));
}

TEST(SctpStates, AnEventAndItsBitsAreTheSame) {
    for (std::size_t each = 0; each < kSctpEventCount; ++each) {
        const auto event = static_cast<SctpEvent>(each);
        EXPECT_EQ(sctp_event(sctp_events(event)), event);
        EXPECT_EQ((sctp_events(event) & XVS_EVENT_CHUNK) == 0, event == SctpEvent::Data);
    }
}

TEST(SctpStates, TimeoutsAreIpvss) {
    EXPECT_EQ(sctp_timeout_s(SctpState::Init1), 4U);
    EXPECT_EQ(sctp_timeout_s(SctpState::Established), 900U);
    EXPECT_EQ(sctp_timeout_s(SctpState::CookieSent), 61U);
    EXPECT_EQ(sctp_timeout_s(SctpState::Closed), 61U);
}

}  // namespace
}  // namespace xvs::engine
