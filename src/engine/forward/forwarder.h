// Forwarding methods: what each writes into a connection's packets, as translations. One file each.
#pragma once

#include <cstdint>

#include "engine/lookup/destination_state.h"
#include "engine/router.h"
#include "flow/family.h"
#include "flow/key.h"
#include "flow/layout.h"
#include "flow/tables.h"

namespace xvs::engine {

// What a method knows when it writes a translation down.
template <class Ip>
struct ForwardingContext {
    flow::Tables& tables;
    const DestinationState& destination;
    model::ForwardingMethod
        method;  // the connection's, which an edit of the destination leaves alone
    const flow::FlowKey<Ip>& inbound;   // client -> VIP
    const Route& route;                 // to the real server, or of a reply to the client
    std::uint8_t role = XVS_ROLE_NONE;  // the connection's
};

// Address, next hop and ids are filled in; methods add what they rewrite.
template <class Ip>
[[nodiscard]] xvs_translation blank_translation(const ForwardingContext<Ip>& context) noexcept;

// NAT: the destination becomes the real server; of replies the source becomes the VIP again.
// Kernel: ip_vs_nat_xmit(), handle_response().
template <class Ip>
[[nodiscard]] xvs_translation masquerade_inbound(const ForwardingContext<Ip>& context) noexcept;
template <class Ip>
[[nodiscard]] xvs_translation masquerade_outbound(const ForwardingContext<Ip>& context) noexcept;

// Direct routing: nothing but the next hop. Kernel: ip_vs_dr_xmit().
template <class Ip>
[[nodiscard]] xvs_translation direct_route(const ForwardingContext<Ip>& context) noexcept;

// IP tunnelling: an outer header to the real server. Kernel: ip_vs_tunnel_xmit().
template <class Ip>
[[nodiscard]] xvs_translation tunnel(const ForwardingContext<Ip>& context) noexcept;

// No real server: as direct routing, to where the packet is sent anyway. Without a way there it
// leads nowhere. Kernel: ip_vs_bypass_xmit().
template <class Ip>
[[nodiscard]] xvs_translation bypass(const ForwardingContext<Ip>& context) noexcept;

// The real server is this host: what NAT rewrites if it rewrites anything, then the host's own
// stack. Kernel: ip_vs_nat_send_or_cont() with a local route.
template <class Ip>
[[nodiscard]] xvs_translation local_node(const ForwardingContext<Ip>& context) noexcept;

// What `context.method` writes into requests, or the host's own stack where the route leads there.
// REQUIRES: the route is not unreachable, unless by Bypass.
template <class Ip>
[[nodiscard]] xvs_translation inbound_translation(const ForwardingContext<Ip>& context) noexcept;

// Returns the address that the way of a connection's requests is looked up for.
template <class Ip>
[[nodiscard]] net::IpAddress way_end(const DestinationState& destination,
                                     model::ForwardingMethod method,
                                     const flow::FlowKey<Ip>& inbound) noexcept {
    return method == model::ForwardingMethod::Bypass ? net::IpAddress(inbound.destination_address())
                                                     : destination.config.real.address;
}

// Returns the port of the real server that the connection goes to.
template <class Ip>
[[nodiscard]] net::Port real_port(const ForwardingContext<Ip>& context) noexcept {
    return real_port(context.destination, context.inbound.destination_port_number(), context.role);
}

}  // namespace xvs::engine
