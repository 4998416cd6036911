// Connections as listings show them.
#include <algorithm>

#include "engine/lookup/connections.h"

namespace xvs::engine {
namespace {

model::Protocol listed_protocol(std::uint8_t protocol) noexcept {
    switch (protocol) {
        case XVS_TEMPLATE_TCP:
            return model::Protocol::Tcp;
        case XVS_TEMPLATE_UDP:
            return model::Protocol::Udp;
        case XVS_TEMPLATE_SCTP:
            return model::Protocol::Sctp;
        case XVS_TEMPLATE_IP:
            return model::Protocol::Ip;
        default:
            return static_cast<model::Protocol>(protocol);
    }
}

bool is_void(const DestinationState& destination, net::Port virtual_port) noexcept {
    return virtual_port == kPortOfVoid && destination.service_key.port != kPortOfVoid;
}

// A template for any port has no port of its own to send to. Kernel: ip_vs_sched_persist(),
// ip_vs_check_template().
net::Port template_real_port(const DestinationState& destination, net::Port virtual_port) noexcept {
    if (is_void(destination, virtual_port)) return kPortOfVoid;
    return virtual_port == net::Port{0} ? net::Port{0} : destination.config.real.port;
}

}  // namespace

template <class Ip>
model::ConnectionInfo Connections<Ip>::info(std::uint32_t connection) const noexcept {
    const xvs_connection& record = records_[connection];
    const flow::FlowKey<Ip> key = flows_.key(record.inbound);
    const DestinationState& destination = services_.destination(record.destination);
    const Tick last = last_seen(record);
    const Tick expires = last + timeout(record, last);
    const Tick now = to_tick(clock_.now());
    std::int32_t left = ticks_between(now, expires);
    // It stays for those that it controls, and is looked at again at times.
    const bool is_template = (record.flags & kConnectionTemplate) != 0;
    if (left <= 0 && record.controlled > 0) left = ticks_between(now, record.check_at);
    model::ConnectionInfo info;
    info.protocol = listed_protocol(record.protocol);
    info.client = {.address = key.source_address(), .port = key.source_port_number()};
    info.virtual_endpoint = {.address = key.destination_address(),
                             .port = key.destination_port_number()};
    info.real = {.address = destination.config.real.address,
                 .port = is_template
                             ? template_real_port(destination, key.destination_port_number())
                             : real_port(destination, key.destination_port_number(), record.role)};
    info.state = record.protocol_state;
    info.expires_in_s = static_cast<std::uint32_t>(
        std::chrono::floor<std::chrono::seconds>(from_ticks(static_cast<Tick>(std::max(left, 0))))
            .count());
    if (destination.is_bypass()) info.real.port = net::Port{0};
    if (is_template && is_void(destination, key.destination_port_number()))
        info.client.port = net::Port{0};
    info.flags = record.flags & ~kConnectionsOwnFlags;
    return info;
}

template model::ConnectionInfo Connections<flow::Ipv4>::info(std::uint32_t) const noexcept;
template model::ConnectionInfo Connections<flow::Ipv6>::info(std::uint32_t) const noexcept;

}  // namespace xvs::engine
