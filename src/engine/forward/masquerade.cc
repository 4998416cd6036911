#include "engine/forward/forwarder.h"
#include "net/checksum.h"

namespace xvs::engine {
namespace {

template <class Address>
struct Rewriting {
    Address from;
    net::Port from_port;
    Address to;
    net::Port to_port;
};

template <class Address>
void write(xvs_translation& translation, const Rewriting<Address>& rewriting) noexcept {
    const net::ChecksumDelta address = net::ChecksumDelta().replace(rewriting.from, rewriting.to);
    net::ChecksumDelta full = address;
    full.replace(rewriting.from_port, rewriting.to_port);
    translation.network_difference = to_wire16(address.value());
    translation.address_difference = to_wire16(address.value());
    translation.full_difference = to_wire16(full.value());
    // One translation serves all ports of an any-port service.
    if (rewriting.from_port == rewriting.to_port) {
        translation.rewrite |= XVS_KEEP_PORT;
    } else {
        translation.port = to_wire16(net::number(rewriting.to_port));
    }
    rewriting.to.store(reinterpret_cast<std::byte*>(translation.address));
}

}  // namespace

template <class Ip>
xvs_translation masquerade_inbound(const ForwardingContext<Ip>& context) noexcept {
    using Address = typename Ip::Address;
    xvs_translation translation = blank_translation(context);
    translation.rewrite = XVS_REWRITE_DESTINATION;
    write(translation,
          Rewriting<Address>{
              .from = context.inbound.destination_address(),
              .from_port = context.inbound.destination_port_number(),
              .to = context.destination.config.real.address.template as<Address>(),
              .to_port = real_port(context),
          });
    return translation;
}

template <class Ip>
xvs_translation masquerade_outbound(const ForwardingContext<Ip>& context) noexcept {
    using Address = typename Ip::Address;
    xvs_translation translation = blank_translation(context);
    translation.rewrite = XVS_REWRITE_SOURCE;
    write(translation,
          Rewriting<Address>{
              .from = context.destination.config.real.address.template as<Address>(),
              .from_port = real_port(context),
              .to = context.inbound.destination_address(),
              .to_port = context.inbound.destination_port_number(),
          });
    return translation;
}

template xvs_translation masquerade_inbound(const ForwardingContext<flow::Ipv4>&) noexcept;
template xvs_translation masquerade_inbound(const ForwardingContext<flow::Ipv6>&) noexcept;
template xvs_translation masquerade_outbound(const ForwardingContext<flow::Ipv4>&) noexcept;
template xvs_translation masquerade_outbound(const ForwardingContext<flow::Ipv6>&) noexcept;

}  // namespace xvs::engine
