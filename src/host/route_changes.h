// RouteChanges: which ways may be others now, as far as Linux's events tell.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "net/prefix.h"

namespace xvs::host {

struct RouteChanges {
    // Beyond so many prefixes everything is taken for changed.
    static constexpr std::size_t kMaxPrefixes = 64;

    bool is_any = false;
    bool is_everything = false;
    std::vector<net::Prefix> destinations;  // routes to them came, changed or went
    std::vector<std::uint32_t> interfaces;  // every route by them may have gone without a word

    void add_everything() noexcept {
        is_any = true;
        is_everything = true;
    }

    // Something that is no way's: what is asked from now on may have another answer, yet the ways
    // that are known stay.
    void add_nothing() noexcept { is_any = true; }

    void add_destination(const net::Prefix& prefix) {
        is_any = true;
        if (std::find(destinations.begin(), destinations.end(), prefix) != destinations.end())
            return;
        if (destinations.size() == kMaxPrefixes) {
            is_everything = true;
        } else {
            destinations.push_back(prefix);
        }
    }

    void add_interface(std::uint32_t ifindex) {
        is_any = true;
        interfaces.push_back(ifindex);
    }
};

}  // namespace xvs::host
