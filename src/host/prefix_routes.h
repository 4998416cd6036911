// PrefixRoutes: the prefixes that routes of one kind have, whichever interfaces they are of.
#pragma once

#include <array>
#include <cstdint>
#include <set>
#include <utility>

#include "net/prefix.h"

namespace xvs::host {

// Thread: one. Several interfaces may have a route to the same prefix: an address may stand on
// each of them, and is there until the last one lost it.
class PrefixRoutes {
public:
    void add(const net::Prefix& prefix, std::uint32_t ifindex);

    void remove(const net::Prefix& prefix, std::uint32_t ifindex);

    // Allocates nothing. Cost: a look-up for each length that there is.
    [[nodiscard]] bool contains(const net::IpAddress& address) const noexcept;

    // Each once.
    [[nodiscard]] const std::set<net::Prefix>& prefixes() const noexcept { return prefixes_; }

private:
    std::set<std::pair<net::Prefix, std::uint32_t>> routes_;
    std::set<net::Prefix> prefixes_;
    std::array<std::uint32_t, net::Ipv6Address::kBits + 1> lengths_{};  // how many have which
};

}  // namespace xvs::host
