// Capture: what passes an interface of a laboratory, as an AF_PACKET socket sees it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "lab/network_namespace.h"
#include "net/address.h"

namespace xvs::lab {

struct OuterHeader {
    net::IpAddress source;
    net::IpAddress destination;

    bool operator==(const OuterHeader&) const = default;
};

// One TCP or UDP packet at one interface. Addresses, ports and TTL are the inner packet's where
// there is an outer header.
struct Sighting {
    std::string node;
    std::string interface;
    bool sent = false;  // by this node; otherwise received

    net::MacAddress from_mac;
    net::MacAddress to_mac;
    std::optional<OuterHeader> outer;
    net::Endpoint source;
    net::Endpoint destination;
    unsigned ttl = 0;
    std::uint8_t tcp_flags = 0;  // 0 for UDP
};

// Returns what `frame` is, but where it was seen; nullopt for all but TCP and UDP, bare or
// in IPIP.
[[nodiscard]] std::optional<Sighting> describe_frame(std::span<const std::byte> frame);

class Capture {
public:
    // Captures from now on. Frames for other hosts are left out.
    [[nodiscard]] static Result<Capture> start(const NetworkNamespace& where,
                                               std::string node,
                                               std::string interface);

    // Returns what came since the last call.
    [[nodiscard]] std::vector<Sighting> take();

private:
    Capture(UniqueFd socket, std::string node, std::string interface);

    UniqueFd socket_;
    std::string node_;
    std::string interface_;
};

}  // namespace xvs::lab
