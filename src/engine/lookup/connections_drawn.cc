// Connections that programs in the kernel have begun with a decision from a stock: their entries
// are there, DRAWN, and their records are made by what the entries say.
#include <sched.h>

#include "engine/lookup/connections.h"

namespace xvs::engine {
namespace {

// Yields of the CPU to the program that holds a stripe; far more than it takes.
constexpr unsigned kPatience = 1U << 14;

void await_free(const std::uint32_t* stripe) noexcept {
    for (unsigned tries = 0; tries < kPatience && flow::load_acquire(*stripe) != 0; ++tries)
        (void)::sched_yield();
}

// The DRAWN entry of that key. Where a program replaces a closed connection's, both are live for a
// moment, with the client's stripe held, and the other one may be found first.
template <class Ip>
flow::SlotIndex find_drawn(const flow::FlowTable<Ip>& flows,
                           const flow::FlowKey<Ip>& key,
                           const std::uint32_t* stripe) noexcept {
    const std::uint32_t hash = flows.hash(key);
    flow::SlotIndex slot = flows.find(key, hash);
    if (slot != XVS_NONE && !flows.is_drawn(slot) && stripe != nullptr) {
        await_free(stripe);
        slot = flows.find(key, hash);
    }
    return slot != XVS_NONE && flows.is_drawn(slot) ? slot : XVS_NONE;
}

}  // namespace

template <class Ip>
bool Connections<Ip>::complete(flow::SlotIndex slot) noexcept {
    flow::SlotIndex inbound = slot;
    if ((flows_.entry(slot).flags & XVS_FLOW_OUTBOUND) != 0) inbound = find_drawn_request(slot);
    if (inbound == XVS_NONE) return false;
    const std::uint32_t translation = flows_.entry(inbound).translation;
    const bool is_whole = translation != XVS_NONE && is_of_server(translations_[translation]);
    flow::SlotIndex outbound = XVS_NONE;
    const bool has_replies =
        is_whole && (translations_[translation].rewrite & XVS_REWRITE_DESTINATION) != 0;
    if (has_replies) outbound = find_drawn_reply(inbound);
    if (is_whole && (outbound != XVS_NONE || !has_replies) && record_drawn(inbound, outbound))
        return !flows_.is_drawn(slot);
    retire_drawn(inbound);
    if (outbound != XVS_NONE) retire_drawn(outbound);
    return false;
}

template <class Ip>
bool Connections<Ip>::is_of_server(const xvs_translation& translation) const noexcept {
    return (translation.rewrite & (XVS_REWRITE_SOURCE | XVS_TO_HOST)) == 0 &&
           tables_.destinations().is_current(translation.destination,
                                             translation.destination_generation);
}

// The one that a program installed with it, just before. REQUIRES: requests are rewritten.
template <class Ip>
flow::SlotIndex Connections<Ip>::find_drawn_reply(flow::SlotIndex request) const noexcept {
    const flow::FlowKey<Ip> inbound = flows_.key(request);
    const xvs_translation& written = translations_[flows_.entry(request).translation];
    flow::FlowKey<Ip> key = inbound.reversed();
    std::memcpy(&key.source, written.address, sizeof(key.source));
    if ((written.rewrite & XVS_KEEP_PORT) == 0) key.source_port = written.port;
    return find_drawn(flows_, key, tables_.stripes().of(inbound));
}

// Where the way of replies was not known, neither is the VIP: then the report tells of the request.
template <class Ip>
flow::SlotIndex Connections<Ip>::find_drawn_request(flow::SlotIndex reply) const noexcept {
    const std::uint32_t translation = flows_.entry(reply).translation;
    if (translation == XVS_NONE) return XVS_NONE;
    const xvs_translation& written = translations_[translation];
    flow::FlowKey<Ip> key = flows_.key(reply).reversed();
    std::memcpy(&key.destination, written.address, sizeof(key.destination));
    if ((written.rewrite & XVS_KEEP_PORT) == 0) key.destination_port = written.port;
    return find_drawn(flows_, key, tables_.stripes().of(key));
}

// Returns false when there is no room.
template <class Ip>
bool Connections<Ip>::record_drawn(flow::SlotIndex inbound, flow::SlotIndex outbound) noexcept {
    const xvs_translation& written = translations_[flows_.entry(inbound).translation];
    DestinationState& destination = services_.destination(written.destination);
    tables_.stocks().outstanding().take(written.family, 1);
    if (!records_.has_free(1)) (void)make_room(false);
    const SharingLock lock(*destination.lock);
    forget_stocked(destination);
    const std::uint32_t connection = records_.allocate();
    if (connection == XVS_NONE) return false;
    xvs_connection& record = records_[connection];
    // The method is the decision's, whatever the real server's has become since.
    const auto method = (written.rewrite & XVS_ENCAPSULATE) != 0 ? model::ForwardingMethod::Tunnel
                        : outbound != XVS_NONE ? model::ForwardingMethod::Masquerade
                                               : model::ForwardingMethod::DirectRoute;
    flow::store_release(record.destination, destination.index);
    record.flags = static_cast<std::uint32_t>(method) | kConnectionInactive;
    if (outbound == XVS_NONE) record.flags |= kConnectionNoOutput;
    record.protocol = flows_.entry(inbound).protocol;
    begin_state(record, is_tcp(record) ? XVS_EVENT_SYN : XVS_EVENT_NONE);
    if (is_half_open(record)) ++half_open_;
    if (is_tcp(record) && outbound != XVS_NONE) record.flags |= kConnectionUnanswered;
    services_.bind(destination, is_active_record(record));
    schedule_check(connection, flows_.last_seen(inbound) + table_timeout(record));
    services_.count_connection(destination);
    if (outbound != XVS_NONE && flows_.entry(outbound).punt == XVS_EVENT_ANY) {
        // The program did not know whether its client's replies go the usual way.
        const std::uint32_t usual = flows_.entry(outbound).translation;
        flows_.set_translation(outbound, XVS_NONE);
        if (usual != XVS_NONE) translations_.release(usual);
    }
    flow::store_release(record.inbound, inbound);
    record.outbound = outbound;
    (void)flows_.complete(inbound, connection);
    if (outbound != XVS_NONE) (void)flows_.complete(outbound, connection);
    set_masks(record);
    flow::store_release(record.timeout, table_timeout(record));
    ++drawn_;
    note_low(destination);
    return true;
}

// What other CPUs have met since may have been read before the answer to its SYN, which came
// first and led nowhere; after the end of the connection it would open it again.
template <class Ip>
bool Connections<Ip>::is_late_answer(xvs_connection& record) noexcept {
    if ((record.flags & kConnectionUnanswered) == 0) return false;
    record.flags &= ~kConnectionUnanswered;
    return record.protocol_state != static_cast<std::uint8_t>(TcpState::SynReceived);
}

template <class Ip>
void Connections<Ip>::retire_drawn(flow::SlotIndex slot) noexcept {
    const std::uint32_t translation = flows_.entry(slot).translation;
    flows_.retire(slot);
    if (translation != XVS_NONE) translations_.release(translation);
}

template <class Ip>
void Connections<Ip>::take_back(const xvs_report& report) noexcept {
    tables_.stocks().outstanding().take(report.family, 1);
    if (report.state < translations_.capacity()) {
        DestinationState& destination =
            services_.destination(translations_[report.state].destination);
        const SharingLock lock(*destination.lock);
        forget_stocked(destination);
    }
    for (const std::uint32_t each : {report.state, report.slot}) {
        if (each < translations_.capacity()) translations_.release(each);
    }
}

// A program has begun another connection in its place; of the other direction's entry alone, one
// by another virtual address. What has ended since has retired its entries.
template <class Ip>
void Connections<Ip>::end_replaced(const xvs_report& report) noexcept {
    if (!flows_.is_replaced(report.slot, report.state)) return;
    const std::uint32_t connection = flows_.connection(report.slot);
    if (records_[connection].inbound == report.slot) return end(connection);
    flow::store_release(records_[connection].outbound, XVS_NONE);
    retire(connection, report.slot);
}

// What an earlier daemon stocked was never counted.
template <class Ip>
void Connections<Ip>::forget_stocked(DestinationState& destination) noexcept {
    if (destination.stocked_connections > 0) --destination.stocked_connections;
}

template <class Ip>
void Connections<Ip>::note_low(DestinationState& destination) noexcept {
    ServiceState* const service = destination.service;
    if (service == nullptr || service->stock.is_waiting || !service->stock.is_low(destination))
        return;
    if (low_count_ == low_services_.size()) return;
    service->stock.is_waiting = true;
    low_services_[low_count_++] = service;
}

template <class Ip>
ServiceState* Connections<Ip>::take_low_service() noexcept {
    return low_count_ == 0 ? nullptr : low_services_[--low_count_];
}

template <class Ip>
void Connections<Ip>::fill_masks(xvs_decision& decision,
                                 model::Protocol protocol,
                                 model::ForwardingMethod method) noexcept {
    xvs_connection record{};
    record.controller = XVS_NONE;
    record.protocol = static_cast<std::uint8_t>(protocol);
    record.flags = static_cast<std::uint32_t>(method);
    if (method != model::ForwardingMethod::Masquerade) record.flags |= kConnectionNoOutput;
    begin_state(record, is_tcp(record) ? XVS_EVENT_SYN : XVS_EVENT_NONE);
    const Masks inbound = masks_of(record, false, decision.inbound);
    const Masks outbound = masks_of(record, true, decision.outbound);
    decision.inbound_punt = inbound.punt;
    decision.inbound_report = inbound.report;
    decision.outbound_punt = outbound.punt;
    decision.outbound_report = outbound.report;
}

template <class Ip>
void Connections<Ip>::adopt_drawn() noexcept {
    for (flow::SlotIndex slot = 0; slot < flows_.capacity(); ++slot) {
        if (!flows_.is_drawn(slot)) continue;
        flow::FlowKey<Ip> key = flows_.key(slot);
        if ((flows_.entry(slot).flags & XVS_FLOW_OUTBOUND) != 0) key = key.reversed();
        flows_.set_owner(slot, tables_.worker_of(key.source, key.source_port));
    }
}

template <class Ip>
void Connections<Ip>::complete_adopted(std::span<Connections* const> workers) noexcept {
    for (flow::SlotIndex slot = 0; slot < flows_.capacity(); ++slot) {
        if (!flows_.is_drawn(slot)) continue;
        const std::uint8_t owner = flows_.owner(slot);
        const bool is_live = owner < workers.size() && workers[owner]->complete(slot);
        if (!is_live && flows_.is_drawn(slot)) retire_drawn(slot);
    }
}

template class Connections<flow::Ipv4>;
template class Connections<flow::Ipv6>;

}  // namespace xvs::engine
