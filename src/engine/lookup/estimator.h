// The rate estimator of IPVS: an average that forgets a quarter every two seconds, in fixed point.
#pragma once

#include <chrono>

#include "model/counters.h"

namespace xvs::engine {

inline constexpr std::chrono::seconds kEstimatePeriod{2};

// Moves `scaled` towards what came since `from`, and `from` to `now`. Kernel: ip_vs_est.c scales
// connections and packets by 2^10, bytes by 2^5.
inline void estimate(const model::Counters& now,
                     model::Counters& from,
                     model::Rates& scaled) noexcept {
    const auto approach = [](std::uint64_t& rate, std::uint64_t delta, unsigned shift) {
        const auto sample = static_cast<std::int64_t>(delta << shift);
        rate += static_cast<std::uint64_t>((sample - static_cast<std::int64_t>(rate)) >> 2);
    };
    approach(scaled.connections, now.connections - from.connections, 9);
    approach(scaled.packets_in, now.packets_in - from.packets_in, 9);
    approach(scaled.packets_out, now.packets_out - from.packets_out, 9);
    approach(scaled.bytes_in, now.bytes_in - from.bytes_in, 4);
    approach(scaled.bytes_out, now.bytes_out - from.bytes_out, 4);
    from = now;
}

// Returns what a listing shows of a scaled rate.
[[nodiscard]] inline model::Rates read_rates(const model::Rates& scaled) noexcept {
    return {.connections = (scaled.connections + 0x1ff) >> 10,
            .packets_in = (scaled.packets_in + 0x1ff) >> 10,
            .packets_out = (scaled.packets_out + 0x1ff) >> 10,
            .bytes_in = (scaled.bytes_in + 0xf) >> 5,
            .bytes_out = (scaled.bytes_out + 0xf) >> 5};
}

}  // namespace xvs::engine
