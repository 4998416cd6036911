// What programs in the kernel may do with a connection's packets: the masks of its entries.
#include "engine/lookup/connections.h"

namespace xvs::engine {
namespace {

// conn_reuse_mode: connections in FIN_WAIT of which only requests are seen, too.
constexpr std::int32_t kReuseHalfSeen = 2;

bool rewrites_port(const xvs_translation& translation) noexcept {
    const bool is_nat = (translation.rewrite & (XVS_REWRITE_SOURCE | XVS_REWRITE_DESTINATION)) != 0;
    return is_nat && (translation.rewrite & XVS_KEEP_PORT) == 0;
}

}  // namespace

template <class Ip>
bool Connections<Ip>::is_engines(const xvs_connection& record,
                                 std::uint32_t translation) const noexcept {
    // The way of a reply is looked up when the first one comes.
    if (translation == XVS_NONE || is_watched(record)) return true;
    // Without a service they are the host's, by way of the engine.
    if (!services_.serves(Ip::kFamily)) return true;
    // Programs in the kernel copy DF into a tunnel's outer header.
    const auto method = static_cast<model::ForwardingMethod>(record.flags & kConnectionMethodMask);
    if (method == model::ForwardingMethod::Tunnel && settings_.sysctls.pmtu_disc == 0) return true;
    // They know IP in IP alone.
    if (translations_[translation].tunnel != 0) return true;
    // What comes for a client on the director leaves by loopback, whatever it came in by.
    constexpr unsigned kToOwnClient = XVS_TO_HOST | XVS_REWRITE_SOURCE;
    if ((translations_[translation].rewrite & kToOwnClient) == kToOwnClient) return true;
    // Nor do they sum up a whole packet, which another port asks for in SCTP.
    return is_sctp(record) && rewrites_port(translations_[translation]);
}

// Whether a real server's answer makes its template worth keeping.
template <class Ip>
bool Connections<Ip>::has_template_to_assure(const xvs_connection& record) const noexcept {
    if (record.controller == XVS_NONE) return false;
    const xvs_connection& controller = records_[record.controller];
    return (controller.flags & kConnectionTemplate) != 0 &&
           controller.protocol_state != model::kTemplateAssured;
}

template <class Ip>
typename Connections<Ip>::Masks Connections<Ip>::masks_of(
    const xvs_connection& record, bool is_outbound, std::uint32_t translation) const noexcept {
    Masks masks;
    if (is_engines(record, translation)) masks.punt = XVS_EVENT_ANY;
    if (is_tcp(record)) {
        const bool is_half_seen = (record.flags & kConnectionNoOutput) != 0;
        const auto direction = is_outbound    ? TcpDirection::Outbound
                               : is_half_seen ? TcpDirection::InboundOnly
                                              : TcpDirection::Inbound;
        // A client's SYN always comes up: the connection may have to be scheduled anew.
        if (!is_outbound) masks.punt |= XVS_EVENT_SYN;
        masks.report =
            tcp_events_to_report(direction, static_cast<TcpState>(record.protocol_state));
        // Its real server's SYN would open it again.
        const bool may_be_replaced = tables_.has_open_stocks() && masks.punt != XVS_EVENT_ANY &&
                                     record.role == XVS_ROLE_NONE && is_reusable(record);
        if (may_be_replaced) masks.punt |= XVS_PUNT_CLOSED | XVS_EVENT_SYN;
    } else if (is_sctp(record)) {
        masks.punt |= XVS_EVENT_CHUNK;
        if (follows_sctp_data(static_cast<SctpState>(record.protocol_state)))
            masks.punt |= XVS_EVENT_NONE;
    } else if (is_outbound && has_template_to_assure(record)) {
        masks.report = XVS_EVENT_NONE;
    }
    return masks;
}

// Kernel: is_new_conn_expected(), and what ip_vs_in_hook() asks first.
template <class Ip>
bool Connections<Ip>::is_reusable(const xvs_connection& record) const noexcept {
    const std::int32_t mode = settings_.sysctls.conn_reuse_mode;
    if (mode == 0 || record.controller != XVS_NONE) return false;
    if (is_sctp(record))
        return record.protocol_state == static_cast<std::uint8_t>(SctpState::Closed);
    switch (static_cast<TcpState>(record.protocol_state)) {
        case TcpState::TimeWait:
        case TcpState::Close:
            return true;
        case TcpState::FinWait:
            return (mode & kReuseHalfSeen) != 0 && (record.flags & kConnectionNoOutput) != 0;
        default:
            return false;
    }
}

template <class Ip>
void Connections<Ip>::set_masks(const xvs_connection& record) noexcept {
    const Masks inbound = masks_of(record, false, flows_.entry(record.inbound).translation);
    flows_.set_masks(record.inbound, inbound.punt, inbound.report);
    if (record.outbound == XVS_NONE) return;
    const Masks outbound = masks_of(record, true, flows_.entry(record.outbound).translation);
    flows_.set_masks(record.outbound, outbound.punt, outbound.report);
}

template class Connections<flow::Ipv4>;
template class Connections<flow::Ipv6>;

}  // namespace xvs::engine
