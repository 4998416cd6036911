#include <algorithm>

#include "engine/forward/forwarder.h"
#include "engine/forward/tunnel_header.h"
#include "net/ipv4.h"
#include "net/ipv6.h"

namespace xvs::engine {
namespace {

// Between the outer IP header and the packet inside. Kernel: __ip_vs_get_out_rt().
std::size_t tunnel_header_size(const model::TunnelOptions& options) noexcept {
    switch (options.type) {
        case model::TunnelType::Gue:
            return kUdpHeaderSize + kGueHeaderSize;
        case model::TunnelType::Gre:
            return options.flags == 0 ? kGreHeaderSize : kGreHeaderSize + kGreChecksumSize;
        case model::TunnelType::Ipip:
            break;
    }
    return 0;
}

}  // namespace

template <class Ip>
xvs_translation tunnel(const ForwardingContext<Ip>& context) noexcept {
    xvs_translation translation = blank_translation(context);
    const net::IpAddress& real = context.destination.config.real.address;
    translation.rewrite = XVS_ENCAPSULATE;
    const model::TunnelOptions& options = context.destination.config.tunnel;
    translation.tunnel = static_cast<std::uint8_t>(options.type);
    if (options.type != model::TunnelType::Ipip) translation.tunnel_flags = options.flags;
    if (options.type == model::TunnelType::Gue)
        translation.tunnel_port = to_wire16(net::number(options.port));
    translation.outer_family = static_cast<std::uint8_t>(real.family());
    const std::size_t ip_header = real.family() == net::Family::Ipv4 ? net::Ipv4View::kMinHeaderSize
                                                                     : net::Ipv6View::kHeaderSize;
    translation.overhead = static_cast<std::uint16_t>(ip_header + tunnel_header_size(options));
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
