// PathMtus: paths that take shorter packets than Linux's routes say, as routers on them have told.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/clock.h"
#include "flow/hash.h"
#include "net/address.h"

namespace xvs::host {

// One place an address: whoever comes to it later has it, and the other path is learned again.
// Nothing allocates but the constructor.
class PathMtus {
public:
    static constexpr std::size_t kPaths = 1u << 12;
    // Kernel: net.ipv4.route.mtu_expires, its default.
    static constexpr std::chrono::minutes kLife{10};
    // Kernel: net.ipv4.route.min_pmtu, its default; RFC 8200, 5.
    static constexpr std::uint32_t kLeastIpv4 = 552;
    static constexpr std::uint32_t kLeastIpv6 = 1280;

    explicit PathMtus(const xvs_hash_keys& keys) : keys_(keys), paths_(kPaths) {}

    // Returns how long packets the path takes, or 0 if nobody has told.
    [[nodiscard]] std::uint32_t find(const net::IpAddress& destination) const noexcept;

    // REQUIRES: not 0.
    void learn(const net::IpAddress& destination, std::uint32_t mtu, Nanoseconds now) noexcept;

    // Forgets the paths that `is_over(destination, until)` says; returns whether there were any.
    template <class IsOver>
    bool forget(IsOver&& is_over) noexcept {
        bool has_forgotten = false;
        for (Path& path : paths_) {
            if (path.mtu == 0 || !is_over(path.destination, path.until)) continue;
            path.mtu = 0;
            has_forgotten = true;
        }
        return has_forgotten;
    }

private:
    struct Path {
        net::IpAddress destination;
        std::uint32_t mtu = 0;  // 0: none
        Nanoseconds until{};
    };

    [[nodiscard]] std::size_t place_of(const net::IpAddress& destination) const noexcept;

    xvs_hash_keys keys_;
    std::vector<Path> paths_;
};

}  // namespace xvs::host
