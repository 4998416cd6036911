// Engine: services, connections and the packet path as one, driven by whoever owns the thread.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string_view>

#include "base/clock.h"
#include "engine/drop_reason.h"
#include "engine/lookup/services.h"
#include "engine/packet_port.h"
#include "engine/pipeline.h"
#include "engine/router.h"
#include "engine/steering.h"
#include "flow/tables.h"
#include "model/connection.h"
#include "model/timeouts.h"

namespace xvs::engine {

// Thread: every call under the worker's gate, a mutex of the owner's that is held for a burst at a
// time.
class Engine {
public:
    // How often run_timers() wants to be called, and how many connections one call ends at most.
    static constexpr std::chrono::milliseconds kTimerInterval{100};
    static constexpr std::size_t kTimerLimit = 1024;
    // How many a burst ends when the timers had to leave some: more than it can begin.
    static constexpr std::size_t kTimerLimitOfBurst = 4 * kMaxBurst;

    // All of them must outlive the engine. Connections in adopted tables go on: their services are
    // to be added again, then finish_adoption() is to be called, before the first packet.
    Engine(flow::Tables& tables,
           Router& router,
           Steering& steering,
           PacketPort& port,
           const Clock& clock);

    // What an earlier daemon had and has not been added again is removed from here on.
    void finish_adoption();

    // Takes one burst from the port through the pipeline; returns how many frames there were.
    std::size_t process_burst() noexcept;

    // Ends what has run out, sends what waited, moves the rates.
    void run_timers() noexcept;

    // Follows what programs in the kernel have replayed up to now; for whoever looks at connections
    // or counts.
    void catch_up() noexcept { reports_.follow_all(); }

    // Returns whether timers have left some of their work to the next bursts, be they empty.
    [[nodiscard]] bool has_work_left() const noexcept {
        return has_overdue_ || is_estimating_ || is_emptying_trash_ || hastened4_ != XVS_NONE ||
               hastened6_ != XVS_NONE;
    }

    // Sends what waited for a neighbour, as soon as one was resolved.
    void neighbour_resolved() noexcept { transmitter_.retry(); }

    [[nodiscard]] Services& services() noexcept { return services_; }

    [[nodiscard]] const Services& services() const noexcept { return services_; }

    // Calls `visit` for at most `limit` connections from `cursor` on, 0 at first; returns the
    // cursor to go on from, 0 at the end.
    std::uint64_t for_each_connection(
        std::uint64_t cursor,
        std::size_t limit,
        const std::function<void(const model::ConnectionInfo&)>& visit);

    [[nodiscard]] const model::Timeouts& timeouts() const noexcept { return settings_.timeouts; }

    // A zero keeps what is set. Connections take them with their next packet. Those that do are
    // looked at in time, for which all are gone through, some in each burst.
    void set_timeouts(const model::Timeouts& timeouts) noexcept;

    [[nodiscard]] const model::Sysctls& sysctls() const noexcept { return settings_.sysctls; }

    // Errors as model::set_sysctl(). It holds from the next packet on.
    Status set_sysctl(std::string_view name, std::string_view value);

    [[nodiscard]] const DropCounters& drops() const noexcept { return drops_; }

    [[nodiscard]] const PacketTotals& totals() const noexcept { return totals_; }

    [[nodiscard]] std::uint32_t connection_count() noexcept;
    [[nodiscard]] std::uint32_t connection_capacity() noexcept;

private:
    // A burst installs at most 64 entries, so that the table has grown before it must again.
    static constexpr std::size_t kSlotsMovedAtOnce = 512;

    void grow_tables() noexcept;
    void expire_connections(std::size_t limit) noexcept;
    void estimate_rates() noexcept;
    void empty_trash() noexcept;
    void hasten_connections() noexcept;

    flow::Tables& tables_;
    PacketPort& port_;
    const Clock& clock_;
    Settings settings_;
    DropCounters drops_;
    PacketTotals totals_;
    std::uint16_t identification_ = 0;
    Services services_;
    Reports reports_;
    Transmitter transmitter_;
    IcmpRateLimit icmp_limit_;
    Pipeline<flow::Ipv4> ipv4_;
    Pipeline<flow::Ipv6> ipv6_;
    std::array<Frame, kMaxBurst> frames_;
    Nanoseconds estimated_at_;
    Nanoseconds trash_emptied_at_;
    bool has_overdue_ = false;
    bool is_estimating_ = false;
    bool is_emptying_trash_ = false;
    // After a change of timeouts: how far the connections have been gone through.
    std::uint32_t hastened4_ = XVS_NONE;
    std::uint32_t hastened6_ = XVS_NONE;
    bool is_adopting_ = false;
};

}  // namespace xvs::engine
