// The TCP state table of IPVS: what a packet's flags make of a connection's state.
#pragma once

#include <array>
#include <cstdint>

#include "flow/layout.h"
#include "model/connection.h"
#include "model/timeouts.h"

namespace xvs::engine {

using model::TcpState;

// Which of the three tables a packet is looked up in. InboundOnly stands in for Inbound while a
// connection's replies are not seen here (DR and TUN). Kernel: ip_vs_proto_tcp.c, TCP_DIR_*.
enum class TcpDirection : std::uint8_t { Inbound, Outbound, InboundOnly };

// secure_tcp keeps half-open connections apart from those that a client has completed.
enum class TcpTable : std::uint8_t { Normal, Secure };

// Returns the XVS_EVENT_* bits of TCP flags as they stand in the header's 14th byte.
[[nodiscard]] constexpr std::uint8_t tcp_events(std::uint8_t tcp_flags) noexcept {
    const auto events = static_cast<std::uint8_t>(
        tcp_flags & (XVS_EVENT_FIN | XVS_EVENT_SYN | XVS_EVENT_RST | XVS_EVENT_ACK));
    return events != 0 ? events : static_cast<std::uint8_t>(XVS_EVENT_NONE);
}

// Returns the state after a packet with `events`. Of several events the strongest counts: RST, SYN,
// FIN, ACK; none of them closes.
[[nodiscard]] TcpState next_tcp_state(TcpDirection direction,
                                      TcpState state,
                                      std::uint8_t events,
                                      TcpTable table = TcpTable::Normal) noexcept;

// Returns what a flow entry's report mask holds while the engine knows of `state`: the events that
// lead out of it, or out of any state that packets may have led to whose reports are still under
// way. Else an RST right behind the handshake's last ACK, which changes nothing before that ACK,
// would go unnoticed. InboundOnly: as long as no reply is seen. Of both tables, so that the mask
// stays right when secure_tcp begins or ends.
[[nodiscard]] std::uint8_t tcp_events_to_report(TcpDirection direction, TcpState state) noexcept;

// Returns whether a connection in `state` counts as ActiveConn. Kernel 6.1: tcp_state_active_table.
[[nodiscard]] bool is_active(TcpState state) noexcept;

// Returns how many seconds after its last packet a connection in `state` ends.
[[nodiscard]] std::uint32_t tcp_timeout_s(TcpState state, const model::Timeouts& timeouts) noexcept;

}  // namespace xvs::engine
