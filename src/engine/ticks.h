// Ticks: time as the shared tables keep it, see XVS_TICK_SHIFT.
#pragma once

#include <chrono>
#include <cstdint>

#include "base/clock.h"
#include "flow/layout.h"

namespace xvs::engine {

using Tick = std::uint32_t;

[[nodiscard]] constexpr Tick to_tick(Nanoseconds since_boot) noexcept {
    return static_cast<Tick>(static_cast<std::uint64_t>(since_boot.count()) >> XVS_TICK_SHIFT);
}

// Rounds up, so that nothing ends early.
[[nodiscard]] constexpr Tick to_ticks(Nanoseconds duration) noexcept {
    const auto count = static_cast<std::uint64_t>(duration.count());
    return static_cast<Tick>((count + (std::uint64_t{1} << XVS_TICK_SHIFT) - 1) >> XVS_TICK_SHIFT);
}

[[nodiscard]] constexpr Nanoseconds from_ticks(Tick ticks) noexcept {
    return Nanoseconds(static_cast<std::int64_t>(std::uint64_t{ticks} << XVS_TICK_SHIFT));
}

// Returns how far `later` lies after `earlier`; negative if before. Ticks wrap.
[[nodiscard]] constexpr std::int32_t ticks_between(Tick earlier, Tick later) noexcept {
    return static_cast<std::int32_t>(later - earlier);
}

}  // namespace xvs::engine
