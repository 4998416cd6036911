#include "engine/lookup/connections.h"

namespace xvs::engine {
namespace {

// Void templates of one client network and VIP that are listed.
constexpr std::uint16_t kMostVoid = 64;

}  // namespace

template <class Ip>
Connections<Ip>::Connections(flow::Tables& tables,
                             Services& services,
                             Assistances& assistances,
                             const Clock& clock,
                             const Settings& settings,
                             std::uint8_t worker)
    : tables_(tables),
      flows_(tables.flows<Ip>(worker)),
      records_(tables.connections<Ip>(worker)),
      translations_(tables.translations()),
      services_(services),
      assistances_(assistances),
      clock_(clock),
      settings_(settings),
      checks_(to_tick(clock.now()), tables.connections<Ip>().capacity()) {}

template <class Ip>
std::uint32_t Connections<Ip>::begin(const NewConnection<Ip>& wanted,
                                     DestinationState& destination) noexcept {
    const std::uint32_t connection = records_.allocate();
    if (connection == XVS_NONE) {
        translations_.release(wanted.inbound_translation);
        return XVS_NONE;
    }
    if (wanted.role != XVS_ROLE_NONE) [[unlikely]] {
        const std::uint32_t state = records_[connection].state;
        if (assistances_.add(Ip::kFamily, connection, state) == nullptr) {
            records_.free(connection);
            translations_.release(wanted.inbound_translation);
            return XVS_NONE;
        }
        records_[connection].role = wanted.role;
    }
    xvs_connection& record = records_[connection];
    flow::store_release(record.destination, destination.index);
    record.flags = wanted.flags | kConnectionInactive;
    if (!wanted.is_followed) record.flags |= kConnectionUnfollowed;
    record.protocol = wanted.inbound.protocol;
    record.controller = wanted.controller;
    if (wanted.controller != XVS_NONE) ++records_[wanted.controller].controlled;
    if (wanted.is_followed) begin_state(record, wanted.events);
    if (is_half_open(record)) ++half_open_;
    services_.bind(destination, is_active_record(record));
    schedule_check(connection, wanted.seen + first_timeout(record, wanted));
    return connection;
}

// The state after its first packet.
template <class Ip>
void Connections<Ip>::begin_state(xvs_connection& record, std::uint8_t events) noexcept {
    if (!has_states(record)) return;
    record.protocol_state = next_state(record, false, events);
    if (is_in_active_state(record)) record.flags &= ~kConnectionInactive;
    if (is_established(record)) assure_controller(record);
}

template <class Ip>
bool Connections<Ip>::install(std::uint32_t connection, const NewConnection<Ip>& wanted) noexcept {
    xvs_connection& record = records_[connection];
    const Masks masks = masks_of(record, false, wanted.inbound_translation);
    const flow::StripeLock stripe(tables_.has_open_stocks() ? tables_.stripes().of(wanted.inbound)
                                                            : nullptr);
    const flow::InsertResult inserted = flows_.insert(wanted.inbound,
                                                      wanted.inbound_hash,
                                                      {.translation = wanted.inbound_translation,
                                                       .punt = masks.punt,
                                                       .report = masks.report,
                                                       .last_seen = wanted.seen,
                                                       .connection = connection});
    if (inserted.is_inserted()) {
        flow::store_release(record.inbound, inserted.slot);
        // Without its reply entry it could not be answered.
        if (!wanted.outbound || install_outbound(connection, wanted)) {
            // Last: without it whoever adopts the tables takes the connection for half made.
            flow::store_release(record.timeout, first_timeout(record, wanted));
            return true;
        }
    } else {
        translations_.release(wanted.inbound_translation);
    }
    end(connection);
    return false;
}

// Kernel: ip_vs_conn_new() gives one of no state three seconds.
template <class Ip>
Tick Connections<Ip>::first_timeout(const xvs_connection& record,
                                    const NewConnection<Ip>& wanted) const noexcept {
    return wanted.is_followed ? table_timeout(record) : to_ticks(std::chrono::seconds(3));
}

template <class Ip>
bool Connections<Ip>::install_outbound(std::uint32_t connection,
                                       const NewConnection<Ip>& wanted) noexcept {
    // The way to the client is looked up when the first reply comes, hence no translation yet.
    const Masks masks = masks_of(records_[connection], true, XVS_NONE);
    const flow::NewEntry entry{.translation = XVS_NONE,
                               .flags = XVS_FLOW_OUTBOUND,
                               .punt = masks.punt,
                               .report = masks.report,
                               .last_seen = wanted.seen,
                               .connection = connection};
    flow::InsertResult inserted = flows_.insert(*wanted.outbound, wanted.outbound_hash, entry);
    if (inserted.outcome == flow::InsertOutcome::Exists) {
        if (flows_.is_drawn(inserted.slot) && !complete(inserted.slot)) return false;
        const std::uint32_t former = flows_.connection(inserted.slot);
        // What real servers ask for themselves is not taken from them.
        if (records_[former].outbound != inserted.slot) return false;
        flow::store_release(records_[former].outbound, XVS_NONE);
        retire(former, inserted.slot);
        inserted = flows_.insert(*wanted.outbound, wanted.outbound_hash, entry);
    }
    if (!inserted.is_inserted()) return false;
    records_[connection].outbound = inserted.slot;
    return true;
}

template <class Ip>
std::uint32_t Connections<Ip>::create_template(const flow::FlowKey<Ip>& key,
                                               DestinationState& destination,
                                               std::uint32_t timeout_s) noexcept {
    const std::uint32_t connection = records_.allocate();
    if (connection == XVS_NONE) return XVS_NONE;
    const Tick now = to_tick(clock_.now());
    const flow::InsertResult inserted = flows_.insert(key,
                                                      flows_.hash(key),
                                                      {.translation = XVS_NONE,
                                                       .punt = XVS_EVENT_ANY,
                                                       .last_seen = now,
                                                       .connection = connection});
    if (!inserted.is_inserted()) {
        records_.free(connection);
        return XVS_NONE;
    }
    xvs_connection& record = records_[connection];
    flow::store_release(record.inbound, inserted.slot);
    flow::store_release(record.destination, destination.index);
    record.flags = kConnectionTemplate | static_cast<std::uint32_t>(destination.config.method);
    record.protocol = key.protocol;
    ++destination.persistent_connections;
    const Tick timeout = to_ticks(std::chrono::seconds(timeout_s));
    schedule_check(connection, now + timeout);
    flow::store_release(record.timeout, timeout);
    return connection;
}

template <class Ip>
std::uint32_t Connections<Ip>::find_template(const flow::FlowKey<Ip>& key) noexcept {
    const flow::SlotIndex slot = flows_.find(key, flows_.hash(key));
    if (slot == XVS_NONE) return XVS_NONE;
    const std::uint32_t connection = flows_.connection(slot);
    const xvs_connection& record = records_[connection];
    const DestinationState& destination = services_.destination(record.destination);
    const bool is_left =
        settings_.sysctls.expire_quiescent_template != 0 && destination.config.weight == 0;
    if (destination.is_available && !is_left) {
        flows_.note_packet(slot, to_tick(clock_.now()));
        return connection;
    }
    make_void(connection);
    return XVS_NONE;
}

// The client's port, which says nothing of a template, tells those of one client apart. Without
// room it is not listed any more.
template <class Ip>
void Connections<Ip>::make_void(std::uint32_t connection) noexcept {
    xvs_connection& record = records_[connection];
    const flow::SlotIndex former = record.inbound;
    const flow::FlowKey<Ip> key = flows_.key(former);
    const flow::NewEntry entry{.translation = XVS_NONE,
                               .punt = XVS_EVENT_ANY,
                               .last_seen = flows_.last_seen(former),
                               .connection = connection};
    flow::store_release(record.inbound, XVS_NONE);
    retire(connection, former);
    for (std::uint16_t number = 0; number < kMostVoid; ++number) {
        const flow::FlowKey<Ip> wanted = flow::FlowKey<Ip>::make(key.source_address(),
                                                                 net::Port{number},
                                                                 key.destination_address(),
                                                                 kPortOfVoid,
                                                                 key.protocol);
        const flow::InsertResult inserted = flows_.insert(wanted, flows_.hash(wanted), entry);
        if (inserted.is_inserted()) {
            flows_.set_owner(inserted.slot, record.owner);
            return flow::store_release(record.inbound, inserted.slot);
        }
        if (inserted.outcome == flow::InsertOutcome::Full) return;
    }
}

template <class Ip>
void Connections<Ip>::assure_controller(const xvs_connection& record) noexcept {
    if (record.controller == XVS_NONE) return;
    if ((records_[record.controller].flags & kConnectionTemplate) == 0) return;
    flow::store_relaxed(records_[record.controller].protocol_state, model::kTemplateAssured);
}

template <class Ip>
void Connections<Ip>::follow(std::uint32_t connection,
                             bool is_outbound,
                             std::uint8_t events,
                             Tick seen) noexcept {
    xvs_connection& record = records_[connection];
    record.flags &= ~kConnectionUnfollowed;
    if (is_outbound && (events & XVS_EVENT_SYN) != 0) record.flags &= ~kConnectionUnanswered;
    advance(record, is_outbound, events);
    record.timeout = table_timeout(record);
    set_masks(record);
    const Tick expires = seen + record.timeout;
    if (ticks_between(expires, record.check_at) > 0) schedule_check(connection, expires);
}

template <class Ip>
void Connections<Ip>::follow(const xvs_report& report) noexcept {
    if (report.events == XVS_REPORT_LOST) return take_back(report);
    if (report.events == XVS_REPORT_REPLACED) return end_replaced(report);
    const flow::SlotIndex slot = flows_.find_reported(report.slot, report.state);
    if (slot == XVS_NONE) return;
    // Another CPU may have met the next packet, and be read first.
    if (flows_.is_drawn(slot) && !complete(slot)) return;
    if (report.events == XVS_REPORT_DRAWN) return;
    const auto is_outbound = (flows_.entry(slot).flags & XVS_FLOW_OUTBOUND) != 0;
    const std::uint32_t connection = flows_.connection(slot);
    const bool is_syn = is_outbound && (report.events & XVS_EVENT_SYN) != 0;
    if (is_syn && is_late_answer(records_[connection])) return;
    follow(connection, is_outbound, report.events, report.tick);
}

template <class Ip>
void Connections<Ip>::advance(xvs_connection& record,
                              bool is_outbound,
                              std::uint8_t events) noexcept {
    if (has_states(record)) {
        if (is_outbound) record.flags &= ~kConnectionNoOutput;
        set_state(record, next_state(record, is_outbound, events));
    } else if (is_outbound) {
        // A template of datagrams is worth keeping once its real server has answered.
        assure_controller(record);
    }
}

template <class Ip>
std::uint8_t Connections<Ip>::next_state(const xvs_connection& record,
                                         bool is_outbound,
                                         std::uint8_t events) const noexcept {
    const bool is_half_seen = (record.flags & kConnectionNoOutput) != 0;
    const auto direction = is_outbound    ? TcpDirection::Outbound
                           : is_half_seen ? TcpDirection::InboundOnly
                                          : TcpDirection::Inbound;
    if (is_sctp(record)) {
        return static_cast<std::uint8_t>(
            next_sctp_state(static_cast<SctpDirection>(direction),
                            static_cast<SctpState>(record.protocol_state),
                            sctp_event(events)));
    }
    return static_cast<std::uint8_t>(
        next_tcp_state(direction, static_cast<TcpState>(record.protocol_state), events, table()));
}

template <class Ip>
void Connections<Ip>::set_state(xvs_connection& record, std::uint8_t state) noexcept {
    const bool was_active = is_active_record(record);
    if (is_half_open(record)) --half_open_;
    record.protocol_state = state;
    if (is_half_open(record)) ++half_open_;
    if (was_active != is_in_active_state(record)) {
        const SharingLock lock(lock_of(record));
        DestinationState& destination = services_.destination(record.destination);
        if (was_active) {
            record.flags |= kConnectionInactive;
            --destination.active_connections;
        } else {
            record.flags &= ~kConnectionInactive;
            ++destination.active_connections;
        }
    }
    if (is_established(record)) assure_controller(record);
}

template <class Ip>
void Connections<Ip>::set_translation(flow::SlotIndex slot, std::uint32_t translation) noexcept {
    const std::uint32_t former = flows_.entry(slot).translation;
    flows_.set_translation(slot, translation);
    if (former != XVS_NONE) translations_.release(former);
    set_masks(records_[flows_.connection(slot)]);
}

template <class Ip>
SharingMutex& Connections<Ip>::lock_of(const xvs_connection& record) noexcept {
    return *services_.destination(record.destination).lock;
}

template <class Ip>
void Connections<Ip>::end(std::uint32_t connection) noexcept {
    const SharingLock lock(lock_of(records_[connection]));
    if (records_[connection].controlled > 0) return let_go(connection);
    end_locked(connection);
}

template <class Ip>
void Connections<Ip>::end_locked(std::uint32_t connection) noexcept {
    const xvs_connection& record = records_[connection];
    DestinationState& destination = services_.destination(record.destination);
    if ((record.flags & kConnectionTemplate) != 0) {
        services_.unbind_template(destination);
    } else {
        services_.unbind(destination, is_active_record(record));
    }
    if (is_half_open(record)) --half_open_;
    if (record.controller != XVS_NONE) --records_[record.controller].controlled;
    forget_role(connection);
    if (record.inbound != XVS_NONE) retire(connection, record.inbound);
    if (record.outbound != XVS_NONE) retire(connection, record.outbound);
    records_.free(connection);
}

template <class Ip>
void Connections<Ip>::set_aside(std::uint32_t connection) noexcept {
    xvs_connection& record = records_[connection];
    if (record.inbound != XVS_NONE) retire(connection, record.inbound);
    if (record.outbound != XVS_NONE) retire(connection, record.outbound);
    flow::store_release(record.inbound, XVS_NONE);
    flow::store_release(record.outbound, XVS_NONE);
}

template <class Ip>
void Connections<Ip>::retire(std::uint32_t connection, flow::SlotIndex slot) noexcept {
    if (flows_.connection(slot) != connection) return;
    const std::uint32_t translation = flows_.entry(slot).translation;
    flows_.retire(slot);
    if (translation != XVS_NONE) translations_.release(translation);
}

template <class Ip>
Tick Connections<Ip>::next_check(const xvs_connection& record,
                                 Tick expires,
                                 Tick now) const noexcept {
    if ((record.flags & kConnectionTemplate) != 0) return expires;
    const Tick soonest = now + table_timeout(record);
    return ticks_between(soonest, expires) > 0 ? soonest : expires;
}

template <class Ip>
void Connections<Ip>::revisit(std::uint32_t connection, bool ends_orphans) noexcept {
    const xvs_connection& record = records_[connection];
    const bool is_left = ends_orphans && !services_.destination(record.destination).is_available;
    if (is_left && record.controlled == 0) return end_with_any_controller(connection);
    const bool is_template = (record.flags & kConnectionTemplate) != 0;
    const bool is_followed = !has_states(record) || record.protocol_state != 0;
    if (!is_template && is_followed && is_listed(connection)) set_masks(record);
    const Tick wanted = next_check(record, record.check_at, to_tick(clock_.now()));
    if (wanted != record.check_at) schedule_check(connection, wanted);
}

template <class Ip>
void Connections<Ip>::schedule_check(std::uint32_t connection, Tick at) noexcept {
    const Tick due = checks_.clamp(at);
    checks_.schedule(connection, due);
    records_[connection].check_at = due;
}

template <class Ip>
Tick Connections<Ip>::last_seen(const xvs_connection& record) const noexcept {
    // A template that was let go ends with the last connection it controls.
    if (record.inbound == XVS_NONE) return record.check_at - record.timeout;
    const Tick inbound = flows_.last_seen(record.inbound);
    if (record.outbound == XVS_NONE) return inbound;
    const Tick outbound = flows_.last_seen(record.outbound);
    return ticks_between(inbound, outbound) > 0 ? outbound : inbound;
}

template <class Ip>
Tick Connections<Ip>::timeout(const xvs_connection& record, Tick last) const noexcept {
    const bool has_its_own = (record.flags & (kConnectionTemplate | kConnectionUnfollowed)) != 0;
    const bool has_met_change = ticks_between(settings_.timeouts_changed_at, last) > 0;
    return has_met_change && !has_its_own ? table_timeout(record) : record.timeout;
}

template <class Ip>
Tick Connections<Ip>::table_timeout(const xvs_connection& record) const noexcept {
    std::uint32_t seconds = settings_.timeouts.udp_s;
    if (is_tcp(record)) {
        seconds = tcp_timeout_s(static_cast<TcpState>(record.protocol_state), settings_.timeouts);
    } else if (is_sctp(record)) {
        seconds = sctp_timeout_s(static_cast<SctpState>(record.protocol_state));
    }
    return to_ticks(std::chrono::seconds(seconds));
}

template <class Ip>
bool Connections<Ip>::is_active_record(const xvs_connection& record) noexcept {
    return (record.flags & kConnectionInactive) == 0;
}

template class Connections<flow::Ipv4>;
template class Connections<flow::Ipv6>;

}  // namespace xvs::engine
