#include "host/path_mtus.h"

#include <algorithm>

#include "host/neighbour_index.h"

namespace xvs::host {

std::size_t PathMtus::place_of(const net::IpAddress& destination) const noexcept {
    static_assert((kPaths & (kPaths - 1)) == 0);
    return hash_addresses(keys_, destination, {}, 0) & (kPaths - 1);
}

std::uint32_t PathMtus::find(const net::IpAddress& destination) const noexcept {
    const Path& path = paths_[place_of(destination)];
    return path.destination == destination ? path.mtu : 0;
}

void PathMtus::learn(const net::IpAddress& destination,
                     std::uint32_t mtu,
                     Nanoseconds now) noexcept {
    const std::uint32_t least = destination.family() == net::Family::Ipv4 ? kLeastIpv4 : kLeastIpv6;
    paths_[place_of(destination)] =
        Path{.destination = destination, .mtu = std::max(mtu, least), .until = now + kLife};
}

}  // namespace xvs::host
