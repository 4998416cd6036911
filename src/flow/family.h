// Ipv4, Ipv6: an address family as a type, so that the packet path never carries it as a flag.
#pragma once

#include "flow/layout.h"
#include "net/address.h"

namespace xvs::flow {

struct Ipv4 {
    using Address = net::Ipv4Address;
    using Flow = xvs_flow4;
    static constexpr net::Family kFamily = net::Family::Ipv4;
};

struct Ipv6 {
    using Address = net::Ipv6Address;
    using Flow = xvs_flow6;
    static constexpr net::Family kFamily = net::Family::Ipv6;
};

}  // namespace xvs::flow
