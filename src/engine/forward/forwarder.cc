#include "engine/forward/forwarder.h"

namespace xvs::engine {

template <class Ip>
xvs_translation blank_translation(const ForwardingContext<Ip>& context) noexcept {
    xvs_translation translation{};
    const DestinationState& destination = context.destination;
    translation.destination = destination.index;
    translation.destination_generation =
        context.tables.destinations()[destination.index].generation;
    translation.service = context.tables.destinations()[destination.index].service;
    translation.family = static_cast<std::uint8_t>(Ip::kFamily);
    translation.next_hop = XVS_NONE;
    if (context.route.kind == RouteKind::Unicast) {
        translation.next_hop = context.route.next_hop;
        translation.next_hop_generation =
            context.tables.next_hops()[context.route.next_hop].generation;
    }
    return translation;
}

template <class Ip>
xvs_translation inbound_translation(const ForwardingContext<Ip>& context) noexcept {
    if (context.method == model::ForwardingMethod::Bypass) return bypass(context);
    if (context.route.kind == RouteKind::Local) return local_node(context);
    switch (context.method) {
        case model::ForwardingMethod::Masquerade:
            return masquerade_inbound(context);
        case model::ForwardingMethod::Tunnel:
            return tunnel(context);
        default:
            return direct_route(context);
    }
}

template xvs_translation inbound_translation(const ForwardingContext<flow::Ipv4>&) noexcept;
template xvs_translation inbound_translation(const ForwardingContext<flow::Ipv6>&) noexcept;
template xvs_translation blank_translation(const ForwardingContext<flow::Ipv4>&) noexcept;
template xvs_translation blank_translation(const ForwardingContext<flow::Ipv6>&) noexcept;

}  // namespace xvs::engine
