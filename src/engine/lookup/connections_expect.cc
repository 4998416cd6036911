// Connections that another one has announced.
#include "engine/lookup/connections.h"

namespace xvs::engine {

// IPVS finds one that is there already again, and has it wait once more.
template <class Ip>
bool Connections<Ip>::expect(std::uint32_t controller,
                             std::uint8_t role,
                             const flow::FlowKey<Ip>& inbound) noexcept {
    const flow::SlotIndex present = flows_.find(inbound, flows_.hash(inbound));
    if (present != XVS_NONE) {
        const std::uint32_t connection = flows_.connection(present);
        // Another worker's, or somebody's requests to that very port, goes on as it is.
        const bool is_own = connection != XVS_NONE && flows_.owner(present) == flows_.number();
        if (is_own && records_[connection].role == role) listen(connection);
        return true;
    }
    const std::uint32_t connection = records_.allocate();
    if (connection == XVS_NONE) return false;
    xvs_connection& record = records_[connection];
    const xvs_connection& control = records_[controller];
    DestinationState& destination = services_.destination(control.destination);
    const bool has_port = inbound.source_port != 0;
    flow::store_release(record.destination, control.destination);
    record.flags = (control.flags & (kConnectionMethodMask | kConnectionOwnClient)) |
                   kConnectionInactive | (has_port ? 0U : kConnectionNoClientPort);
    record.protocol = inbound.protocol;
    record.protocol_state = static_cast<std::uint8_t>(TcpState::Listen);
    record.role = role;
    if (!has_port) assistances_.await_client();
    {
        const SharingLock lock(*destination.lock);
        record.controller = controller;
        ++records_[controller].controlled;
        services_.bind(destination, false);
    }
    schedule_check(connection, to_tick(clock_.now()) + table_timeout(record));
    if (!install_expected(connection, inbound)) {
        end(connection);
        return false;
    }
    flow::store_release(record.timeout, table_timeout(record));
    return true;
}

template <class Ip>
void Connections<Ip>::listen(std::uint32_t connection) noexcept {
    xvs_connection& record = records_[connection];
    set_state(record, static_cast<std::uint8_t>(TcpState::Listen));
    record.timeout = table_timeout(record);
    set_masks(record);
    flow::store_relaxed(flows_.entry(record.inbound).last_seen, to_tick(clock_.now()));
}

// The way is looked up with the first packet of each direction. Without the client's port no reply
// can come.
template <class Ip>
bool Connections<Ip>::install_expected(std::uint32_t connection,
                                       const flow::FlowKey<Ip>& inbound) noexcept {
    xvs_connection& record = records_[connection];
    const Masks masks = masks_of(record, false, XVS_NONE);
    const flow::StripeLock stripe(tables_.has_open_stocks() ? tables_.stripes().of(inbound)
                                                            : nullptr);
    const flow::InsertResult inserted = flows_.insert(inbound,
                                                      flows_.hash(inbound),
                                                      {.translation = XVS_NONE,
                                                       .punt = masks.punt,
                                                       .report = masks.report,
                                                       .last_seen = to_tick(clock_.now()),
                                                       .connection = connection});
    if (!inserted.is_inserted()) return false;
    const flow::SlotIndex former = record.inbound;
    flow::store_release(record.inbound, inserted.slot);
    if (former != XVS_NONE) retire(connection, former);
    if (inbound.source_port == 0) return true;
    NewConnection<Ip> wanted;
    wanted.inbound = inbound;
    wanted.seen = to_tick(clock_.now());
    wanted.outbound = reply_key(record, inbound);
    wanted.outbound_hash = flows_.hash(*wanted.outbound);
    return install_outbound(connection, wanted);
}

template <class Ip>
bool Connections<Ip>::fill_client_port(std::uint32_t connection,
                                       const flow::FlowKey<Ip>& inbound) noexcept {
    xvs_connection& record = records_[connection];
    record.flags &= ~kConnectionNoClientPort;
    assistances_.cease_to_await();
    if (install_expected(connection, inbound)) return true;
    end(connection);
    return false;
}

template <class Ip>
flow::FlowKey<Ip> Connections<Ip>::reply_key(const xvs_connection& record,
                                             const flow::FlowKey<Ip>& inbound) noexcept {
    const DestinationState& destination = services_.destination(record.destination);
    return flow::FlowKey<Ip>::make(
        destination.config.real.address.template as<typename Ip::Address>(),
        real_port(destination, inbound.destination_port_number(), record.role),
        inbound.source_address(),
        inbound.source_port_number(),
        inbound.protocol);
}

// With the real server's lock held.
template <class Ip>
void Connections<Ip>::let_go(std::uint32_t connection) noexcept {
    xvs_connection& record = records_[connection];
    forget_role(connection);
    for (std::uint32_t* const slot : {&record.inbound, &record.outbound}) {
        if (*slot == XVS_NONE) continue;
        const flow::SlotIndex former = *slot;
        flow::store_release(*slot, XVS_NONE);
        retire(connection, former);
    }
}

template <class Ip>
void Connections<Ip>::forget_role(std::uint32_t connection) noexcept {
    xvs_connection& record = records_[connection];
    if (record.role == XVS_ROLE_FTP) assistances_.remove(Ip::kFamily, connection);
    if ((record.flags & kConnectionNoClientPort) != 0) assistances_.cease_to_await();
    record.flags &= ~kConnectionNoClientPort;
}

template class Connections<flow::Ipv4>;
template class Connections<flow::Ipv6>;

}  // namespace xvs::engine
