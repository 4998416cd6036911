#include "engine/lookup/tcp_states.h"

#include <cstddef>
#include <tuple>

namespace xvs::engine {
namespace {

// Rows in the order of strength reversed; the index of an event in a direction's table.
enum EventRow : std::uint8_t { kSyn, kFin, kAck, kRst, kEventRows };

using enum TcpState;

constexpr TcpState NO = None, ES = Established, SS = SynSent, SR = SynReceived, FW = FinWait,
                   TW = TimeWait, CL = Close, CW = CloseWait, LA = LastAck, LI = Listen,
                   SA = SynAck;

using Row = std::array<TcpState, model::kTcpStateCount>;
using Table = std::array<Row, kEventRows>;

// clang-format off
using Tables = std::array<Table, 3>;

constexpr std::array<Tables, 2> kTables{{{{
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
}}, {{
    // Inbound:  NO  ES  SS  SR  FW  TW  CL  CW  LA  LI  SA
    {{/* syn */ {SR, ES, ES, SR, SR, SR, SR, SR, SR, SR, SA},
      /* fin */ {CL, CW, SS, TW, TW, TW, CL, CW, LA, LI, SA},
      /* ack */ {ES, ES, SS, SR, FW, TW, CL, CW, CL, LI, SA},
      /* rst */ {CL, CL, CL, SR, CL, CL, CL, CL, LA, LI, CL}}},
    // Outbound: NO  ES  SS  SR  FW  TW  CL  CW  LA  LI  SA
    {{/* syn */ {SS, ES, SS, SA, SS, SS, SS, SS, SS, LI, SA},
      /* fin */ {TW, FW, SS, TW, FW, TW, CL, TW, LA, LI, TW},
      /* ack */ {ES, ES, SS, ES, FW, TW, CL, CW, LA, ES, ES},
      /* rst */ {CL, CL, SS, CL, CL, TW, CL, CL, CL, CL, CL}}},
    // Only in:  NO  ES  SS  SR  FW  TW  CL  CW  LA  LI  SA
    {{/* syn */ {SA, ES, ES, SR, SA, SA, SA, SA, SA, SA, SA},
      /* fin */ {CL, FW, SS, TW, FW, TW, CL, CW, LA, LI, TW},
      /* ack */ {ES, ES, SS, ES, FW, TW, CL, CW, CL, LI, ES},
      /* rst */ {CL, CL, CL, SR, CL, CL, CL, CL, LA, LI, CL}}},
}}}};
// clang-format on

static_assert(NO == None);

constexpr std::array kEvents{
    XVS_EVENT_FIN, XVS_EVENT_SYN, XVS_EVENT_RST, XVS_EVENT_NONE, XVS_EVENT_ACK};

constexpr TcpState next(const Tables& tables,
                        TcpDirection direction,
                        TcpState state,
                        unsigned events) noexcept {
    const Table& table = tables[static_cast<std::size_t>(direction)];
    const auto column = static_cast<std::size_t>(state);
    if ((events & XVS_EVENT_RST) != 0) return table[kRst][column];
    if ((events & XVS_EVENT_SYN) != 0) return table[kSyn][column];
    if ((events & XVS_EVENT_FIN) != 0) return table[kFin][column];
    if ((events & XVS_EVENT_ACK) != 0) return table[kAck][column];
    return Close;
}

constexpr std::uint8_t changing(TcpDirection direction, TcpState state) noexcept {
    unsigned found = 0;
    for (const Tables& tables : kTables) {
        for (const unsigned event : kEvents) {
            if (next(tables, direction, state, event) != state) found |= event;
        }
    }
    return static_cast<std::uint8_t>(found);
}

using StateSet = std::array<bool, model::kTcpStateCount>;

// Adds the states that `direction` leads to from those in `reached`; returns whether there were
// any. A client's SYN leads nowhere: the engine has handled it before the next packet is replayed.
constexpr bool reach(const Tables& tables, TcpDirection direction, StateSet& reached) noexcept {
    bool has_grown = false;
    for (std::size_t from = 0; from < reached.size(); ++from) {
        for (const unsigned event : kEvents) {
            const bool is_punt = event == XVS_EVENT_SYN && direction != TcpDirection::Outbound;
            if (!reached[from] || is_punt) continue;
            const auto to = static_cast<std::size_t>(
                next(tables, direction, static_cast<TcpState>(from), event));
            has_grown |= !reached[to];
            reached[to] = true;
        }
    }
    return has_grown;
}

constexpr std::uint8_t to_report(TcpDirection direction, TcpState state) noexcept {
    const bool is_half_seen = direction == TcpDirection::InboundOnly;
    StateSet reached{};
    reached[static_cast<std::size_t>(state)] = true;
    bool has_grown = true;
    while (has_grown) {
        has_grown = false;
        for (const Tables& tables : kTables) {
            has_grown |= is_half_seen ? reach(tables, direction, reached)
                                      : reach(tables, TcpDirection::Inbound, reached) ||
                                            reach(tables, TcpDirection::Outbound, reached);
        }
    }
    unsigned events = 0;
    for (std::size_t each = 0; each < reached.size(); ++each) {
        if (reached[each]) events |= changing(direction, static_cast<TcpState>(each));
    }
    return static_cast<std::uint8_t>(events);
}

using Masks =
    std::array<std::array<std::uint8_t, model::kTcpStateCount>, std::tuple_size_v<Tables>>;

constexpr Masks all_to_report() noexcept {
    Masks masks{};
    for (std::size_t direction = 0; direction < masks.size(); ++direction) {
        for (std::size_t state = 0; state < model::kTcpStateCount; ++state) {
            masks[direction][state] =
                to_report(static_cast<TcpDirection>(direction), static_cast<TcpState>(state));
        }
    }
    return masks;
}

constexpr Masks kToReport = all_to_report();

}  // namespace

TcpState next_tcp_state(TcpDirection direction,
                        TcpState state,
                        std::uint8_t events,
                        TcpTable table) noexcept {
    return next(kTables[static_cast<std::size_t>(table)], direction, state, events);
}

std::uint8_t tcp_events_to_report(TcpDirection direction, TcpState state) noexcept {
    return kToReport[static_cast<std::size_t>(direction)][static_cast<std::size_t>(state)];
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
