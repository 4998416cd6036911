// Counters and Rates of a service, a destination or the whole director.
#pragma once

#include <cstdint>

namespace xvs::model {

// Bytes are of layer 3. Kernel: struct ip_vs_counters.
struct Counters {
    std::uint64_t connections = 0;
    std::uint64_t packets_in = 0;
    std::uint64_t packets_out = 0;
    std::uint64_t bytes_in = 0;
    std::uint64_t bytes_out = 0;

    Counters& operator+=(const Counters& other) noexcept {
        connections += other.connections;
        packets_in += other.packets_in;
        packets_out += other.packets_out;
        bytes_in += other.bytes_in;
        bytes_out += other.bytes_out;
        return *this;
    }

    Counters& operator-=(const Counters& other) noexcept {
        connections -= other.connections;
        packets_in -= other.packets_in;
        packets_out -= other.packets_out;
        bytes_in -= other.bytes_in;
        bytes_out -= other.bytes_out;
        return *this;
    }

    bool operator==(const Counters&) const = default;
};

// A second, averaged as the kernel's estimator does (ip_vs_est.c).
struct Rates {
    std::uint64_t connections = 0;
    std::uint64_t packets_in = 0;
    std::uint64_t packets_out = 0;
    std::uint64_t bytes_in = 0;
    std::uint64_t bytes_out = 0;

    bool operator==(const Rates&) const = default;
};

struct Statistics {
    Counters counters;
    Rates rates;
};

}  // namespace xvs::model
