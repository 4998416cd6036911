// mh: each client has its real server, by Maglev's table: a change of one server moves few clients
// of the others. With mh-port the client's port counts too; with mh-fallback another serves it
// while its own is not available.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/schedule/scheduler.h"

namespace xvs::engine {

// The table depends on the servers' addresses, ports, order and last weights above 0 alone, so all
// directors agree. Kernel: ip_vs_mh.c.
//
// It is made anew by the first request after an edit, some 0.1 ms of it, so that edits themselves
// cost nothing and many of them no more than one.
class MaglevHashing final : public Scheduler {
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

    // Those beyond are not served, and the table stays what it was until there are fewer again.
    [[nodiscard]] std::size_t max_destinations() const noexcept override { return kTableSize; }

private:
    static constexpr std::uint16_t kTableSize = 4093;  // prime; IP_VS_MH_TAB_SIZE's default
    static constexpr std::uint16_t kNobody = 0xffff;

    // A server, and its walk over the table, which visits each place once.
    struct Walk {
        DestinationState* destination = nullptr;
        std::uint16_t place = 0;
        std::uint16_t step = 0;
        std::uint32_t turns = 0;  // places that it takes in a round
    };

    void make_room(std::size_t count);
    // `gone` is passed over. Allocates nothing.
    void fill(const DestinationList& destinations, const DestinationState* gone) noexcept;
    void begin_walks(const DestinationList& destinations, const DestinationState* gone) noexcept;
    [[nodiscard]] DestinationState* owner(std::uint32_t hashed) const noexcept;
    [[nodiscard]] DestinationState* owner_of_place(std::uint32_t place) const noexcept;

    std::vector<Walk> walks_;
    std::vector<std::uint16_t> owners_;  // of each place, as an index into walks_
    bool is_stale_ = false;
};

}  // namespace xvs::engine
