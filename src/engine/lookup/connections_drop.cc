// Connections that end before their time, because there are too many.
#include "engine/lookup/connections.h"

namespace xvs::engine {

template <class Ip>
void Connections<Ip>::end_with_controller(std::uint32_t connection) noexcept {
    const std::uint32_t controller = records_[connection].controller;
    end(connection);
    if (controller == XVS_NONE) return;
    const xvs_connection& record = records_[controller];
    const bool is_assured = (record.flags & kConnectionTemplate) != 0 &&
                            record.protocol_state == model::kTemplateAssured;
    if (record.controlled == 0 && !is_assured) end(controller);
}

template <class Ip>
void Connections<Ip>::end_with_any_controller(std::uint32_t connection) noexcept {
    const std::uint32_t controller = records_[connection].controller;
    end(connection);
    if (controller != XVS_NONE && records_[controller].controlled == 0) end(controller);
}

template <class Ip>
void Connections<Ip>::drop_if_asked(std::uint32_t connection, Defence& defence) noexcept {
    const xvs_connection& record = records_[connection];
    if (record.controlled > 0 || record.inbound == XVS_NONE) return;
    if (is_to_drop(record, defence)) end_with_controller(connection);
}

template <class Ip>
bool Connections<Ip>::is_to_drop(const xvs_connection& record, Defence& defence) noexcept {
    constexpr Tick kIdle = to_ticks(std::chrono::seconds(Defence::kIdleSeconds));
    const auto is_idle_one = [&] {
        const Tick idle = to_tick(clock_.now()) - last_seen(record);
        return idle >= kIdle && defence.drops_entry_with(flows_.packets(record.inbound));
    };
    if ((record.flags & kConnectionTemplate) != 0) {
        const ServiceState* service = services_.destination(record.destination).service;
        const bool is_of_one_packets =
            service != nullptr && (service->config.flags & model::kServiceOnePacket) != 0;
        if (is_of_one_packets) return is_idle_one();
        return record.protocol_state != model::kTemplateAssured;
    }
    if (is_sctp(record)) {
        const auto state = static_cast<SctpState>(record.protocol_state);
        if (state == SctpState::Established) return is_idle_one();
        return state == SctpState::Init1 || state == SctpState::Init;
    }
    if (!is_tcp(record)) return is_idle_one();
    switch (static_cast<TcpState>(record.protocol_state)) {
        case TcpState::SynReceived:
        case TcpState::SynAck:
            return true;
        case TcpState::Established:
            return is_idle_one();
        default:
            return false;
    }
}

template class Connections<flow::Ipv4>;
template class Connections<flow::Ipv6>;

}  // namespace xvs::engine
