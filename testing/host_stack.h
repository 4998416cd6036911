// HostStack: what Linux does with the packets that XVS leaves to it, as far as scenarios show it:
// those for its own addresses it takes, the others it forwards.
#pragma once

#include <map>
#include <optional>
#include <tuple>

#include "testing/director.h"
#include "testing/scenario.h"

namespace xvs::test {

class HostStack {
public:
    explicit HostStack(Director& director) : director_(director) {}

    // Returns what becomes of the packet: the stack gets it ("host"), or a host of the topology
    // does. Nothing when it is a fragment that waits for others.
    [[nodiscard]] std::optional<Sighting> take(const Bytes& packet);

    // Returns a packet that the stack itself sends, as whoever it is for gets it.
    [[nodiscard]] static std::optional<Sighting> send(const Bytes& packet);

private:
    using DatagramKey = std::tuple<net::IpAddress, net::IpAddress, std::uint32_t>;

    [[nodiscard]] std::optional<Bytes> reassembled(const Bytes& packet);

    Director& director_;
    // Payloads by their offsets; the packet's own end by its last fragment.
    std::map<DatagramKey, std::map<std::size_t, Bytes>> fragments_;
};

}  // namespace xvs::test
