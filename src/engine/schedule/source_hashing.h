// sh: each client has its real server, by a table of 256 places shared out by weight. With sh-port
// its port counts too; with sh-fallback another serves it while its own is not available.
#pragma once

#include <array>
#include <cstdint>

#include "engine/schedule/scheduler.h"

namespace xvs::engine {

class SourceHashing final : public Scheduler {
public:
    DestinationState* schedule(const DestinationList& destinations,
                               const ScheduleRequest& request) noexcept override;
    void destination_added(const DestinationList& destinations) override;
    void destination_will_go(const DestinationList& destinations,
                             const DestinationState& destination) override;
    void destination_changed(const DestinationList& destinations,
                             const DestinationState& destination,
                             std::int32_t former_weight) override;
    void take_charge(const DestinationList& destinations) override;

    [[nodiscard]] Foresight foresight() const noexcept override { return Foresight::Clients; }

    [[nodiscard]] ClientTable client_table(std::uint32_t service_flags) const noexcept override;
    DestinationState* at_place(const DestinationList& destinations,
                               std::uint32_t place,
                               std::uint32_t service_flags) noexcept override;

private:
    static constexpr unsigned kTableBits = 8;

    // Gives the places to all but `gone`, to each as many together as it weighs, until all are
    // taken. Cost: by the table's size.
    void assign(const DestinationList& destinations, const DestinationState* gone) noexcept;

    std::array<DestinationState*, 1U << kTableBits> places_{};
};

}  // namespace xvs::engine
