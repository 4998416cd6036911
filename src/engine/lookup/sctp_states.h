// The SCTP state table of IPVS: what a packet's chunk makes of a connection's state.
#pragma once

#include <cstdint>
#include <span>

#include "flow/layout.h"
#include "model/connection.h"

namespace xvs::engine {

using model::SctpState;

// Which of the three tables a packet is looked up in, as of TCP.
enum class SctpDirection : std::uint8_t { Inbound, Outbound, InboundOnly };

// What a packet's first chunk says; Data is everything that has no event of its own. Kernel:
// sctp_event_t.
enum class SctpEvent : std::uint8_t {
    Data,
    Init,
    InitAck,
    CookieEcho,
    CookieAck,
    Shutdown,
    ShutdownAck,
    ShutdownComplete,
    Error,
    Abort,
};

inline constexpr std::size_t kSctpEventCount = 10;

// An event among the XVS_EVENT_* of a packet: data are XVS_EVENT_NONE, the only ones that programs
// in the kernel may replay.
[[nodiscard]] constexpr std::uint8_t sctp_events(SctpEvent event) noexcept {
    return event == SctpEvent::Data
               ? static_cast<std::uint8_t>(XVS_EVENT_NONE)
               : static_cast<std::uint8_t>(XVS_EVENT_CHUNK | static_cast<unsigned>(event));
}

[[nodiscard]] constexpr SctpEvent sctp_event(std::uint8_t events) noexcept {
    return (events & XVS_EVENT_CHUNK) != 0 ? static_cast<SctpEvent>(events & ~XVS_EVENT_CHUNK)
                                           : SctpEvent::Data;
}

// Returns the events of a packet, which starts with the SCTP header; 0 if there is no chunk. An
// ABORT behind COOKIE ECHO or COOKIE ACK counts. Kernel: set_sctp_state().
[[nodiscard]] std::uint8_t sctp_events_of(std::span<const std::byte> transport) noexcept;

// Returns the event of the first chunk alone, by which a connection begins, or Data.
[[nodiscard]] SctpEvent first_sctp_event(std::span<const std::byte> transport) noexcept;

[[nodiscard]] SctpState next_sctp_state(SctpDirection direction,
                                        SctpState state,
                                        SctpEvent event) noexcept;

// Returns whether data may lead out of `state`: then they are the engine's.
[[nodiscard]] constexpr bool follows_sctp_data(SctpState state) noexcept {
    return state == SctpState::None || state == SctpState::CookieWait;
}

[[nodiscard]] constexpr bool is_active(SctpState state) noexcept {
    return state == SctpState::Established;
}

// Returns how many seconds after its last packet a connection in `state` ends.
[[nodiscard]] std::uint32_t sctp_timeout_s(SctpState state) noexcept;

}  // namespace xvs::engine
