#include "engine/lookup/sctp_states.h"

#include <array>

#include "net/sctp.h"

namespace xvs::engine {
namespace {

using enum SctpState;

constexpr SctpState NO = None, I1 = Init1, IN = Init, CS = CookieSent, CR = CookieReplied,
                    CW = CookieWait, CO = Cookie, CE = CookieEchoed, ES = Established,
                    SS = ShutdownSent, SR = ShutdownReceived, SA = ShutdownAckSent, RJ = Rejected,
                    CL = Closed;

using Row = std::array<SctpState, model::kSctpStateCount>;
using Table = std::array<Row, kSctpEventCount>;

// clang-format off
constexpr std::array<Table, 3> kTables{{
    // Inbound:           NO  I1  IN  CS  CR  CW  CO  CE  ES  SS  SR  SA  RJ  CL
    {{/* data */         {ES, I1, IN, CS, CR, CW, CO, CE, ES, SS, SR, SA, RJ, CL},
      /* init */         {I1, IN, IN, CS, CR, CW, CO, CE, ES, SS, SR, SA, IN, IN},
      /* init ack */     {CW, CW, CW, CS, CR, CO, CO, CE, ES, SS, SR, SA, RJ, CL},
      /* cookie echo */  {CR, IN, IN, CR, CR, CW, CO, CE, ES, SS, SR, SA, RJ, CL},
      /* cookie ack */   {ES, I1, IN, CS, CR, CW, CO, ES, ES, SS, SR, SA, RJ, CL},
      /* shutdown */     {SR, I1, IN, CS, CR, CW, CO, CE, SR, SS, SR, SA, RJ, CL},
      /* shutdown ack */ {CL, IN, IN, CS, CR, CW, CO, CE, ES, CL, SR, CL, RJ, CL},
      /* complete */     {CL, CL, CL, CS, CR, CW, CO, CE, ES, SS, SR, CL, RJ, CL},
      /* error */        {CL, I1, IN, CS, CR, CW, CO, CL, ES, SS, SR, SA, RJ, CL},
      /* abort */        {CL, CL, CL, CL, CL, RJ, CL, CL, CL, CL, CL, CL, CL, CL}}},
    // Outbound:          NO  I1  IN  CS  CR  CW  CO  CE  ES  SS  SR  SA  RJ  CL
    {{/* data */         {ES, I1, IN, CS, CR, CW, CO, CE, ES, SS, SR, SA, RJ, CL},
      /* init */         {CW, CW, CW, CW, CW, CW, CW, CW, ES, CW, CW, CW, CW, CW},
      /* init ack */     {CS, CS, CS, CS, CR, CW, CO, CE, ES, SS, SR, SA, RJ, CL},
      /* cookie echo */  {CE, CE, CE, CE, CE, CE, CE, CE, ES, SS, SR, SA, RJ, CL},
      /* cookie ack */   {ES, ES, ES, ES, ES, ES, ES, ES, ES, SS, SR, SA, RJ, CL},
      /* shutdown */     {SS, SS, SS, SS, SS, SS, SS, SS, SS, SS, SR, SA, RJ, CL},
      /* shutdown ack */ {SA, SA, SA, SA, SA, CW, CO, CE, ES, SA, SA, SA, RJ, CL},
      /* complete */     {CL, I1, IN, CS, CR, CW, CO, CE, ES, SS, SR, SA, RJ, CL},
      /* error */        {CL, CL, CL, CL, CL, CW, CO, CE, ES, SS, SR, SA, RJ, CL},
      /* abort */        {CL, RJ, CL, CL, CL, CL, CL, CL, CL, CL, CL, CL, CL, CL}}},
    // Only in:           NO  I1  IN  CS  CR  CW  CO  CE  ES  SS  SR  SA  RJ  CL
    {{/* data */         {ES, I1, IN, CS, CR, ES, CO, CE, ES, SS, SR, SA, RJ, CL},
      /* init */         {I1, IN, IN, IN, IN, IN, CO, CE, ES, SS, SR, SA, IN, IN},
      /* init ack */     {CE, CE, CE, CE, CE, CE, CO, CE, ES, SS, SR, SA, RJ, CL},
      /* cookie echo */  {ES, ES, ES, ES, ES, ES, CO, CE, ES, SS, SR, SA, RJ, CL},
      /* cookie ack */   {ES, I1, IN, ES, ES, CW, ES, ES, ES, SS, SR, SA, RJ, CL},
      /* shutdown */     {SR, I1, IN, CS, CR, CW, CO, CE, SR, SS, SR, SA, RJ, CL},
      /* shutdown ack */ {CL, IN, IN, CS, CR, CW, CO, CE, CL, CL, SR, CL, RJ, CL},
      /* complete */     {CL, CL, CL, CL, CL, CW, CO, CE, ES, SS, CL, CL, RJ, CL},
      /* error */        {CL, I1, IN, CS, CR, CW, CO, CE, ES, SS, SR, SA, RJ, CL},
      /* abort */        {CL, CL, CL, CL, CL, RJ, CL, CL, CL, CL, CL, CL, CL, CL}}},
}};
// clang-format on

static_assert(NO == None);

// Data lead out of no state but those that follows_sctp_data() names.
constexpr bool is_data_followed() noexcept {
    for (const Table& table : kTables) {
        for (std::size_t state = 0; state < model::kSctpStateCount; ++state) {
            const auto each = static_cast<SctpState>(state);
            const bool leads_out = table[static_cast<std::size_t>(SctpEvent::Data)][state] != each;
            if (leads_out && !follows_sctp_data(each)) return false;
        }
    }
    return true;
}

static_assert(is_data_followed());

constexpr SctpEvent event_of(std::uint8_t chunk) noexcept {
    switch (chunk) {
        case net::sctp_chunk::kInit:
            return SctpEvent::Init;
        case net::sctp_chunk::kInitAck:
            return SctpEvent::InitAck;
        case net::sctp_chunk::kCookieEcho:
            return SctpEvent::CookieEcho;
        case net::sctp_chunk::kCookieAck:
            return SctpEvent::CookieAck;
        case net::sctp_chunk::kShutdown:
            return SctpEvent::Shutdown;
        case net::sctp_chunk::kShutdownAck:
            return SctpEvent::ShutdownAck;
        case net::sctp_chunk::kShutdownComplete:
            return SctpEvent::ShutdownComplete;
        case net::sctp_chunk::kError:
            return SctpEvent::Error;
        case net::sctp_chunk::kAbort:
            return SctpEvent::Abort;
        default:
            return SctpEvent::Data;
    }
}

}  // namespace

std::uint8_t sctp_events_of(std::span<const std::byte> transport) noexcept {
    const auto sctp = net::SctpView::parse(transport);
    if (!sctp) return 0;
    const auto first = sctp->chunk_at(0);
    if (!first) return 0;
    const SctpEvent event = event_of(first->type);
    const bool may_hide_abort = event == SctpEvent::CookieEcho || event == SctpEvent::CookieAck;
    if (may_hide_abort && first->length >= net::SctpView::kChunkHeaderSize) {
        const auto second = sctp->chunk_at(net::SctpView::padded(first->length));
        if (second && second->type == net::sctp_chunk::kAbort) return sctp_events(SctpEvent::Abort);
    }
    return sctp_events(event);
}

SctpEvent first_sctp_event(std::span<const std::byte> transport) noexcept {
    const auto sctp = net::SctpView::parse(transport);
    const auto first = sctp ? sctp->chunk_at(0) : std::nullopt;
    return first ? event_of(first->type) : SctpEvent::Data;
}

SctpState next_sctp_state(SctpDirection direction, SctpState state, SctpEvent event) noexcept {
    return kTables[static_cast<std::size_t>(direction)][static_cast<std::size_t>(event)]
                  [static_cast<std::size_t>(state)];
}

std::uint32_t sctp_timeout_s(SctpState state) noexcept {
    switch (state) {
        case None:
        case Last:
            return 2;
        case Init1:
        case Rejected:
            return 4;
        case Established:
            return 900;
        default:
            return 61;
    }
}

}  // namespace xvs::engine
