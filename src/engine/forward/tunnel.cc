#include <algorithm>

#include "engine/forward/forwarder.h"
#include "net/ipv4.h"
#include "net/ipv6.h"

namespace xvs::engine {

template <class Ip>
xvs_translation tunnel(const ForwardingContext<Ip>& context) noexcept {
    xvs_translation translation = blank_translation(context);
    const net::IpAddress& real = context.destination.config.real.address;
    translation.rewrite = XVS_ENCAPSULATE;
    translation.tunnel = static_cast<std::uint8_t>(context.destination.config.tunnel.type);
    translation.outer_family = static_cast<std::uint8_t>(real.family());
    translation.overhead = static_cast<std::uint16_t>(real.family() == net::Family::Ipv4
                                                          ? net::Ipv4View::kMinHeaderSize
                                                          : net::Ipv6View::kHeaderSize);
    const net::IpAddress& source = context.route.source;
    std::copy_n(reinterpret_cast<const std::uint8_t*>(source.bytes().data()),
                sizeof(translation.outer_source),
                translation.outer_source);
    std::copy_n(reinterpret_cast<const std::uint8_t*>(real.bytes().data()),
                sizeof(translation.outer_destination),
                translation.outer_destination);
    return translation;
}

template xvs_translation tunnel(const ForwardingContext<flow::Ipv4>&) noexcept;
template xvs_translation tunnel(const ForwardingContext<flow::Ipv6>&) noexcept;

}  // namespace xvs::engine
