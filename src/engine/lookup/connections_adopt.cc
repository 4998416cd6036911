// Connections of an earlier daemon: bound to their real servers again, and their timers set.
#include <algorithm>

#include "engine/lookup/connections.h"

namespace xvs::engine {
namespace {

bool is_template_protocol(std::uint8_t protocol) noexcept {
    return protocol == XVS_TEMPLATE_IP || protocol == XVS_TEMPLATE_TCP ||
           protocol == XVS_TEMPLATE_UDP || protocol == XVS_TEMPLATE_SCTP;
}

bool is_template(const xvs_connection& record) noexcept {
    return (record.flags & kConnectionTemplate) != 0;
}

}  // namespace

template <class Ip>
std::uint32_t Connections<Ip>::adopt(std::span<Connections* const> workers) noexcept {
    std::uint32_t ended = 0;
    const auto for_each = [this](auto&& visit) {
        records_.for_each(0, records_.capacity(), visit);
    };
    for_each([&](std::uint32_t connection, xvs_connection& record) {
        record.controlled = 0;
        if (is_sound(record)) return;
        ++ended;
        forget_role(connection);
        if (record.inbound != XVS_NONE) retire(connection, record.inbound);
        if (record.outbound != XVS_NONE) retire(connection, record.outbound);
        records_.free(connection);
    });
    for_each([&](std::uint32_t connection, xvs_connection&) { adopt_record(connection, workers); });
    return ended;
}

template <class Ip>
bool Connections<Ip>::is_sound(const xvs_connection& record) const noexcept {
    constexpr auto kLastMethod = static_cast<std::uint32_t>(model::ForwardingMethod::Bypass);
    if (is_template(record)) {
        return is_template_protocol(record.protocol) && record.outbound == XVS_NONE &&
               record.controller == XVS_NONE && record.protocol_state <= model::kTemplateAssured;
    }
    if (is_template_protocol(record.protocol) || record.inbound == XVS_NONE) return false;
    if ((record.flags & kConnectionMethodMask) > kLastMethod) return false;
    return record.protocol_state < state_count(record);
}

template <class Ip>
void Connections<Ip>::adopt_record(std::uint32_t connection,
                                   std::span<Connections* const> workers) noexcept {
    xvs_connection& record = records_[connection];
    const Tick now = to_tick(clock_.now());
    record.owner = worker_of(record);
    for (const flow::SlotIndex slot : {record.inbound, record.outbound}) {
        if (slot == XVS_NONE) continue;
        if (flows_.owner(slot) != record.owner) flows_.set_owner(slot, record.owner);
        auto& entry = flows_.entry(slot);
        if (ticks_between(entry.last_seen, now) < 0) flow::store_relaxed(entry.last_seen, now);
    }
    DestinationState& destination = services_.destination(record.destination);
    if (is_template(record)) {
        services_.adopt_template(destination);
    } else {
        const bool is_counted_active = is_in_active_state(record);
        record.flags = is_counted_active ? record.flags & ~kConnectionInactive
                                         : record.flags | kConnectionInactive;
        services_.adopt_connection(destination, is_counted_active, record.outbound != XVS_NONE);
        set_masks(record);
        if (is_half_open(record)) ++workers[record.owner]->half_open_;
        if (is_controlled(record)) {
            ++records_[record.controller].controlled;
        } else {
            record.controller = XVS_NONE;
        }
    }
    const bool is_let_go = record.inbound == XVS_NONE;
    const Tick expires = last_seen(record) + record.timeout;
    const bool is_far = ticks_between(now, expires) > static_cast<std::int32_t>(record.timeout);
    // One that controls others and stays for them was to be looked at a minute later at the most.
    const bool stays = ticks_between(expires, now) >= 0 &&
                       ticks_between(now, record.check_at) > 0 &&
                       ticks_between(now, record.check_at) <=
                           static_cast<std::int32_t>(to_ticks(kControllerExtension));
    const Tick due = stays ? record.check_at : expires;
    workers[record.owner]->schedule_check(connection,
                                          is_let_go && is_far ? now + record.timeout : due);
}

template <class Ip>
std::uint8_t Connections<Ip>::worker_of(const xvs_connection& record) noexcept {
    if (record.inbound == XVS_NONE) return 0;  // a template that was let go
    // What one connection has announced is of the same worker.
    const bool is_announced = is_controlled(record) && !is_template(records_[record.controller]);
    if (is_announced && records_[record.controller].inbound != XVS_NONE)
        return worker_of(records_[record.controller]);
    const flow::FlowKey<Ip> inbound = flows_.key(record.inbound);
    return tables_.worker_of(inbound.source, inbound.source_port);
}

// Both are changed with the one's or the other's lock held, so that must be one.
template <class Ip>
bool Connections<Ip>::is_controlled(const xvs_connection& record) const noexcept {
    if (record.controller == XVS_NONE || !records_.is_live(record.controller)) return false;
    const xvs_connection& controller = records_[record.controller];
    const bool is_own = is_template(controller) || controller.role == XVS_ROLE_FTP;
    return is_own && services_.destination(controller.destination).lock ==
                         services_.destination(record.destination).lock;
}

template class Connections<flow::Ipv4>;
template class Connections<flow::Ipv6>;

}  // namespace xvs::engine
