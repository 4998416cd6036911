// Reach: which destinations each next hop has been the way to, well enough to tell that a change of
// routes does not concern it.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <memory>
#include <vector>

#include "net/prefix.h"

namespace xvs::host {

// What is remembered of a next hop is the smallest prefix that its destinations lie in, and for
// some whose destinations lie far apart, as a gateway's do, the networks among them. So an answer
// may be a false yes, never a false no. Nothing allocates but the constructor.
class Reach {
public:
    // Next hops whose networks are remembered; of others beyond them the prefix is.
    static constexpr std::size_t kWide = 64;

    explicit Reach(std::uint32_t next_hops);

    // `index` has become the way to `destination`.
    void add(std::uint32_t index, const net::IpAddress& destination) noexcept;

    // It is the way to nothing.
    void clear(std::uint32_t index) noexcept;

    // Returns whether it may be the way to an address in `prefix`.
    [[nodiscard]] bool may_reach(std::uint32_t index, const net::Prefix& prefix) const noexcept;

private:
    // Networks of an IPv4 address: its first 16 bits. Of an IPv6 one: a hash of its first 48.
    static constexpr std::size_t kNetworks = 1u << 16;
    static constexpr std::uint8_t kIpv4Network = 16;
    static constexpr std::uint8_t kIpv6Network = 48;
    static constexpr std::uint16_t kNone = 0xffff;

    struct Cover {
        net::Prefix prefix;
        bool is_used = false;
        std::uint16_t wide = kNone;
    };

    struct Wide {
        std::bitset<kNetworks> networks;
        bool is_used = false;
    };

    using Covers = std::array<Cover, 2>;  // by family

    [[nodiscard]] static std::size_t place(net::Family family) noexcept {
        return family == net::Family::Ipv4 ? 0 : 1;
    }

    [[nodiscard]] static std::uint8_t network_length(net::Family family) noexcept {
        return family == net::Family::Ipv4 ? kIpv4Network : kIpv6Network;
    }

    [[nodiscard]] static std::size_t network_of(const net::IpAddress& address) noexcept;
    void widen(Cover& cover) noexcept;

    std::vector<Covers> covers_;
    std::unique_ptr<Wide[]> wide_;
};

}  // namespace xvs::host
