// Traffic: who talks to whom in the benchmark, and the 60-byte TCP packets they send.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "flow/family.h"
#include "net/address.h"

namespace xvs::bench {

inline constexpr std::uint32_t kRealServers = 16;
inline constexpr net::Port kVirtualPort{80};
inline constexpr net::Port kRealPort{8080};

// Clients are numbered: each number is an address and port of its own.
inline constexpr std::uint32_t kPortsPerClient = 1u << 14;

template <class Ip>
struct Endpoint {
    typename Ip::Address address;
    net::Port port{};
};

template <class Ip>
[[nodiscard]] Endpoint<Ip> client(std::uint32_t number) noexcept;
template <class Ip>
[[nodiscard]] Endpoint<Ip> virtual_service() noexcept;
// REQUIRES: number < kRealServers.
template <class Ip>
[[nodiscard]] Endpoint<Ip> real_server(std::uint32_t number) noexcept;
// One that is no virtual service.
template <class Ip>
[[nodiscard]] Endpoint<Ip> stranger() noexcept;

// Writes a TCP packet of no payload with its Ethernet header, padded to 60 bytes; returns its
// length.
template <class Ip>
std::size_t write_packet(std::byte* frame,
                         const Endpoint<Ip>& from,
                         const Endpoint<Ip>& to,
                         std::uint8_t tcp_flags) noexcept;

// Goes through the numbers below `count` in an order that no prefetcher knows, each as often as
// any other.
class RandomOrder {
public:
    explicit RandomOrder(std::uint32_t count) noexcept
        : count_(count), mask_(std::bit_ceil(count) - 1) {}

    std::uint32_t next() noexcept {
        do {
            at_ = (at_ * 1664525u + 1013904223u) & mask_;
        } while (at_ >= count_);
        return at_;
    }

private:
    std::uint32_t count_;
    std::uint32_t mask_;
    std::uint32_t at_ = 0;
};

}  // namespace xvs::bench
