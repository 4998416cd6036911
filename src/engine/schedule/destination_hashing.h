// dh: each virtual address has its real server, by a table of 256 places.
#pragma once

#include <array>

#include "engine/schedule/scheduler.h"

namespace xvs::engine {

// Kernel: ip_vs_dh.c. Weights count only as zero or not, and nobody stands in for a server that is
// not available.
class DestinationHashing final : public Scheduler {
public:
    DestinationState* schedule(const DestinationList& destinations,
                               const ScheduleRequest& request) noexcept override;
    void destination_added(const DestinationList& destinations) override;
    void destination_will_go(const DestinationList& destinations,
                             const DestinationState& destination) override;
    void take_charge(const DestinationList& destinations) override;

    // Of one service all ask for the same address.
    [[nodiscard]] Foresight foresight() const noexcept override { return Foresight::Turns; }

    void take_turn_of(const Scheduler& other) noexcept override {
        places_ = static_cast<const DestinationHashing&>(other).places_;
    }

private:
    static constexpr unsigned kTableBits = 8;

    // Gives the places to all but `gone` in turn. Cost: by the table's size.
    void assign(const DestinationList& destinations, const DestinationState* gone) noexcept;

    std::array<DestinationState*, 1U << kTableBits> places_{};
};

}  // namespace xvs::engine
