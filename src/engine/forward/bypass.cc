#include "engine/forward/forwarder.h"

namespace xvs::engine {

template <class Ip>
xvs_translation bypass(const ForwardingContext<Ip>& context) noexcept {
    return blank_translation(context);
}

template xvs_translation bypass(const ForwardingContext<flow::Ipv4>&) noexcept;
template xvs_translation bypass(const ForwardingContext<flow::Ipv6>&) noexcept;

}  // namespace xvs::engine
