// Taps: who listens to all packets of an interface, as tcpdump does.
#pragma once

#include <cstdint>
#include <set>
#include <string_view>

#include "base/result.h"

namespace xvs::host {

// Packet sockets that are shown what leaves: those for every protocol. Ones for a single protocol
// (LLDP, say) see only what comes in.
struct Taps {
    bool is_on_all = false;              // one that is bound to no interface
    std::set<std::uint32_t> interfaces;  // ifindex

    [[nodiscard]] bool is_on(std::uint32_t ifindex) const {
        return is_on_all || interfaces.contains(ifindex);
    }

    bool operator==(const Taps&) const = default;
};

// What /proc/net/packet says.
[[nodiscard]] Taps parse_packet_sockets(std::string_view text);

// Looks at those of this thread's network namespace. Fails where /proc does not show them.
[[nodiscard]] Result<Taps> find_taps();

}  // namespace xvs::host
