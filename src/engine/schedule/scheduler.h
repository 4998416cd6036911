// Scheduler: which real server gets a new connection. One file each; the table is in schedulers.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "engine/lookup/destination_state.h"
#include "engine/ticks.h"
#include "flow/layout.h"
#include "model/sysctls.h"
#include "net/address.h"

namespace xvs::engine {

// What is known of the packet that asks for a real server.
struct ScheduleRequest {
    net::IpAddress client;
    net::IpAddress virtual_address;
    net::Port client_port{};
    std::uint32_t service_flags = 0;
    Tick now = 0;
};

// What decisions depend on besides the list (what it holds, weights, who is overloaded), which says
// whether they can be made before anybody asks.
enum class Foresight : std::uint8_t {
    None,     // on who asks
    Turns,    // on those before, at most
    Counts,   // on how many connections real servers have
    Clients,  // on who asks, by a table of clients
};

// Such a table.
struct ClientTable {
    std::uint32_t kind = XVS_STOCK_IN_TURN;  // how a client's place is found: XVS_STOCK_BY_*
    std::uint32_t places = 0;                // at most XVS_PLACES
};

class Scheduler {
public:
    Scheduler() = default;
    Scheduler(const Scheduler&) = delete;
    Scheduler& operator=(const Scheduler&) = delete;
    virtual ~Scheduler() = default;

    // Returns an eligible real server, or nullptr when there is none. Thread: under the service's
    // lock. Must not allocate.
    virtual DestinationState* schedule(const DestinationList& destinations,
                                       const ScheduleRequest& request) noexcept = 0;

    // Called once the list holds the new destination, its first. Cost of this and the next two: not
    // by how many destinations there are.
    virtual void destination_added(const DestinationList& destinations) { (void)destinations; }

    // Called while the list still holds the destination to go.
    virtual void destination_will_go(const DestinationList& destinations,
                                     const DestinationState& destination) {
        (void)destinations;
        (void)destination;
    }

    // Called after an edit of a destination, which had that weight before.
    virtual void destination_changed(const DestinationList& destinations,
                                     const DestinationState& destination,
                                     std::int32_t former_weight) {
        (void)destinations;
        (void)destination;
        (void)former_weight;
    }

    // Called when the scheduler is put in charge of a list.
    virtual void take_charge(const DestinationList& destinations) { (void)destinations; }

    [[nodiscard]] virtual Foresight foresight() const noexcept { return Foresight::None; }

    // Makes this one decide from here on as `other`, of the same kind and in charge of the same
    // list, would. Must not allocate. REQUIRES: foresight() is Turns.
    virtual void take_turn_of(const Scheduler& other) noexcept { (void)other; }

    // Before it decides ahead for `request`, where foresight() is Counts: notes what it remembers
    // of earlier decisions, if that changes with each.
    virtual void note(const ScheduleRequest& request) noexcept { (void)request; }

    // Has it remember what it would if, since note(), it had decided up to `last` and no further;
    // nullptr: nothing. Must not allocate.
    virtual void recall(const ScheduleRequest& request, DestinationState* last) noexcept {
        (void)request;
        (void)last;
    }

    // Of the service with those flags. REQUIRES: foresight() is Clients.
    [[nodiscard]] virtual ClientTable client_table(std::uint32_t service_flags) const noexcept {
        (void)service_flags;
        return {};
    }

    // Returns what schedule() returns for each client with that place, or nullptr where that is
    // nobody, or not the same for all of them. REQUIRES: foresight() is Clients, and `place` one of
    // the table's.
    virtual DestinationState* at_place(const DestinationList& destinations,
                                       std::uint32_t place,
                                       std::uint32_t service_flags) noexcept {
        (void)destinations;
        (void)place;
        (void)service_flags;
        return nullptr;
    }

    // How many destinations it can be put in charge of.
    [[nodiscard]] virtual std::size_t max_destinations() const noexcept { return SIZE_MAX; }
};

// What schedulers are made with.
struct SchedulerParts {
    const model::Sysctls& sysctls;  // must outlive them
    std::uint64_t seed = 0;         // random
};

// Returns the scheduler of that name ("rr", "wlc"), or nullptr when there is none.
[[nodiscard]] std::unique_ptr<Scheduler> make_scheduler(std::string_view name,
                                                        const SchedulerParts& parts);

[[nodiscard]] bool has_scheduler(std::string_view name) noexcept;

}  // namespace xvs::engine
