#include "engine/lookup/tcp_states.h"

#include <cstddef>

namespace xvs::engine {
namespace {

// Rows in the order of strength reversed; the index of an event in a direction's table.
enum EventRow : std::uint8_t { kSyn, kFin, kAck, kRst, kEventRows };

using enum TcpState;

constexpr TcpState NO = None, ES = Established, SS = SynSent, SR = SynReceived, FW = FinWait,
                   TW = TimeWait, CL = Close, CW = CloseWait, LA = LastAck, LI = Listen;

using Row = std::array<TcpState, model::kTcpStateCount>;
using Table = std::array<Row, kEventRows>;

// clang-format off
constexpr std::array<Table, 3> kTables{{
    // Inbound:  NO  ES  SS  SR  FW  TW  CL  CW  LA  LI  SA
    {{/* syn */ {SR, ES, ES, SR, SR, SR, SR, SR, SR, SR, SR},
      /* fin */ {CL, CW, SS, TW, TW, TW, CL, CW, LA, LI, TW},
      /* ack */ {ES, ES, SS, ES, FW, TW, CL, CW, CL, LI, ES},
      /* rst */ {CL, CL, CL, SR, CL, CL, CL, CL, LA, LI, SR}}},
    // Outbound: NO  ES  SS  SR  FW  TW  CL  CW  LA  LI  SA
    {{/* syn */ {SS, ES, SS, SR, SS, SS, SS, SS, SS, LI, SR},
      /* fin */ {TW, FW, SS, TW, FW, TW, CL, TW, LA, LI, TW},
      /* ack */ {ES, ES, SS, ES, FW, TW, CL, CW, LA, ES, ES},
      /* rst */ {CL, CL, SS, CL, CL, TW, CL, CL, CL, CL, CL}}},
    // Only in:  NO  ES  SS  SR  FW  TW  CL  CW  LA  LI  SA
    {{/* syn */ {SR, ES, ES, SR, SR, SR, SR, SR, SR, SR, SR},
      /* fin */ {CL, FW, SS, TW, FW, TW, CL, CW, LA, LI, TW},
      /* ack */ {ES, ES, SS, ES, FW, TW, CL, CW, CL, LI, ES},
      /* rst */ {CL, CL, CL, SR, CL, CL, CL, CL, LA, LI, CL}}},
}};
// clang-format on

static_assert(NO == None);

}  // namespace

TcpState next_tcp_state(TcpDirection direction, TcpState state, std::uint8_t events) noexcept {
    const Table& table = kTables[static_cast<std::size_t>(direction)];
    const auto column = static_cast<std::size_t>(state);
    if ((events & XVS_EVENT_RST) != 0) return table[kRst][column];
    if ((events & XVS_EVENT_SYN) != 0) return table[kSyn][column];
    if ((events & XVS_EVENT_FIN) != 0) return table[kFin][column];
    if ((events & XVS_EVENT_ACK) != 0) return table[kAck][column];
    return Close;
}

std::uint8_t tcp_events_that_change(TcpDirection direction, TcpState state) noexcept {
    std::uint8_t changing = 0;
    for (const unsigned event :
         {XVS_EVENT_FIN, XVS_EVENT_SYN, XVS_EVENT_RST, XVS_EVENT_NONE, XVS_EVENT_ACK}) {
        const auto events = static_cast<std::uint8_t>(event);
        if (next_tcp_state(direction, state, events) != state) changing |= events;
    }
    return changing;
}

bool is_active(TcpState state) noexcept {
    return state == Established || state == SynSent || state == SynReceived || state == SynAck;
}

std::uint32_t tcp_timeout_s(TcpState state, const model::Timeouts& timeouts) noexcept {
    switch (state) {
        case None:
            return 2;
        case Established:
            return timeouts.tcp_s;
        case SynSent:
            return 120;
        case SynReceived:
            return 60;
        case FinWait:
            return timeouts.tcp_fin_s;
        case TimeWait:
            return 120;
        case Close:
            return 10;
        case CloseWait:
            return 60;
        case LastAck:
            return 30;
        case Listen:
            return 120;
        case SynAck:
            return 120;
        case Last:
            return 2;
    }
    return 2;
}

}  // namespace xvs::engine
