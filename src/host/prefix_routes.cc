#include "host/prefix_routes.h"

namespace xvs::host {

void PrefixRoutes::add(const net::Prefix& prefix, std::uint32_t ifindex) {
    routes_.emplace(prefix, ifindex);
    if (prefixes_.insert(prefix).second) ++lengths_[prefix.length];
}

void PrefixRoutes::remove(const net::Prefix& prefix, std::uint32_t ifindex) {
    routes_.erase({prefix, ifindex});
    const auto left = routes_.lower_bound({prefix, 0});
    if (left != routes_.end() && left->first == prefix) return;
    if (prefixes_.erase(prefix) > 0) --lengths_[prefix.length];
}

bool PrefixRoutes::contains(const net::IpAddress& address) const noexcept {
    for (std::size_t length = 0; length <= address.size() * 8; ++length) {
        if (lengths_[length] != 0 &&
            prefixes_.contains(net::Prefix::of(address, static_cast<std::uint8_t>(length))))
            return true;
    }
    return false;
}

}  // namespace xvs::host
