// twos: two real servers drawn by weight, and of them the one with fewer connections for its
// weight.
#pragma once

#include <cstdint>

#include "engine/schedule/scheduler.h"

namespace xvs::engine {

class PowerOfTwos final : public Scheduler {
public:
    explicit PowerOfTwos(std::uint64_t seed) noexcept : state_(seed) {}

    DestinationState* schedule(const DestinationList& destinations,
                               const ScheduleRequest& request) noexcept override;

    [[nodiscard]] Foresight foresight() const noexcept override { return Foresight::Counts; }

private:
    // Returns a number from 0 to `last`, both included.
    [[nodiscard]] std::uint64_t draw(std::uint64_t last) noexcept;

    std::uint64_t state_;
};

}  // namespace xvs::engine
