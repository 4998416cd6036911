#include "engine/forward/forwarder.h"

namespace xvs::engine {

template <class Ip>
xvs_translation local_node(const ForwardingContext<Ip>& context) noexcept {
    const bool is_nat = context.method == model::ForwardingMethod::Masquerade;
    xvs_translation translation = is_nat ? masquerade_inbound(context) : blank_translation(context);
    translation.rewrite |= XVS_TO_HOST;
    return translation;
}

template xvs_translation local_node(const ForwardingContext<flow::Ipv4>&) noexcept;
template xvs_translation local_node(const ForwardingContext<flow::Ipv6>&) noexcept;

}  // namespace xvs::engine
