// What dh, sh and mh make of an address and a port.
#pragma once

#include <cstdint>

#include "engine/schedule/scheduler.h"
#include "model/virtual_service.h"
#include "net/address.h"

namespace xvs::engine {

// Returns an address as one number in host order; of IPv6 its four words exclusive-ored. Kernel:
// ip_vs_sh_hashkey(), ip_vs_dh_hashkey(), ip_vs_mh_hashkey().
[[nodiscard]] inline std::uint32_t folded(const net::IpAddress& address) noexcept {
    if (address.family() == net::Family::Ipv4) return address.v4().value();
    std::uint32_t word = 0;
    for (std::size_t at = 0; at < net::Ipv6Address::kSize; at += sizeof(word))
        word ^= load_be32(address.bytes().data() + at);
    return word;
}

// Returns the upper `bits` of a multiplication by the golden ratio. Kernel: hash_32().
[[nodiscard]] constexpr std::uint32_t golden_hash(std::uint32_t value, unsigned bits) noexcept {
    constexpr std::uint32_t kGoldenRatio = 0x61C88647;
    return (value * kGoldenRatio) >> (32 - bits);
}

// Whether the service is to hash the client's port too: sh-port, mh-port.
[[nodiscard]] constexpr bool hashes_port(std::uint32_t service_flags) noexcept {
    return (service_flags & model::kServiceScheduler2) != 0;
}

// Returns the client's port if so, else 0.
[[nodiscard]] inline std::uint32_t hashed_port(const ScheduleRequest& request) noexcept {
    return hashes_port(request.service_flags) ? net::number(request.client_port) : 0;
}

// Whether others serve a client whose own real server is not available (sh-fallback, mh-fallback).
[[nodiscard]] constexpr bool has_fallback(std::uint32_t service_flags) noexcept {
    return (service_flags & model::kServiceScheduler1) != 0;
}

}  // namespace xvs::engine
