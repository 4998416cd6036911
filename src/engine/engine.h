// Engine: the workers and what they have in common: services, settings, and what is to be done now
// and then while none of them is at work.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "engine/assist/assistances.h"
#include "engine/assist/ftp_assistant.h"
#include "engine/defend/defence.h"
#include "engine/drop_reason.h"
#include "engine/lookup/services.h"
#include "engine/packet_port.h"
#include "engine/pipeline.h"
#include "engine/router.h"
#include "engine/shared_router.h"
#include "engine/steering.h"
#include "engine/worker.h"
#include "flow/tables.h"
#include "model/connection.h"
#include "model/timeouts.h"

namespace xvs::engine {

// Thread: one that holds the gates of all workers. A worker's thread calls its Worker, under that
// one's gate alone.
class Engine {
public:
    // How often run_timers() wants to be called, of each worker and of this.
    static constexpr std::chrono::milliseconds kTimerInterval{100};

    // One worker for each of `ports`, at most as many as the tables have room for. All of them must
    // outlive the engine. Connections in adopted tables go on: their services are to be added
    // again, then finish_adoption() is to be called, before the first packet.
    Engine(flow::Tables& tables,
           Router& router,
           Steering& steering,
           std::span<PacketPort* const> ports,
           const Clock& clock);

    // Has programs in the kernel begin connections by decisions that are made ahead of time, so
    // many for a service, and 0 none; services that are added from here on have a stock of them.
    // To be called before the first service is added.
    void set_stock_depths(const ServiceStock::Depths& depths) noexcept;

    // How many a service gets; 0 where there are no stocks.
    [[nodiscard]] const ServiceStock::Depths& stock_depths() const noexcept {
        return stock_depths_;
    }

    // How many connections programs in the kernel have begun, as far as it is known.
    [[nodiscard]] std::uint64_t drawn_connections() const noexcept;

    // How many half-open ones, and templates of theirs, have ended since others needed room.
    [[nodiscard]] std::uint64_t ended_for_room() const noexcept;

    // How often the reports of a CPU were found to fill their ring.
    [[nodiscard]] std::uint64_t full_rings() const noexcept;

    // With one worker.
    Engine(flow::Tables& tables,
           Router& router,
           Steering& steering,
           PacketPort& port,
           const Clock& clock);

    // FTP's ports; REQUIRES: no worker is at work.
    [[nodiscard]] FtpAssistant& ftp() noexcept { return ftp_; }

    // What an earlier daemon had and has not been added again is removed from here on.
    void finish_adoption();

    [[nodiscard]] std::size_t workers() const noexcept { return workers_.size(); }

    [[nodiscard]] Worker& worker(std::size_t number) noexcept { return *workers_[number]; }

    // A burst of each worker, then what they have left to this; for whoever has one thread for all.
    // Returns how many frames there were.
    std::size_t process_burst() noexcept;

    // The same of all timers.
    void run_timers() noexcept;

    // Returns whether something is left to the next bursts, be they empty.
    [[nodiscard]] bool has_work_left() const noexcept;

    // What takes all gates, once a timer interval: moves the rates, empties the trash.
    void run_shared_timers() noexcept;

    // Returns whether run_chores() has something to do. Thread: a worker,
    // under its gate.
    [[nodiscard]] bool has_chores() const noexcept;

    // A part of what all gates are needed for: the flow table grows, rates are moved, the trash is
    // emptied, connections are looked at for new timeouts.
    void run_chores() noexcept;

    // Follows what programs in the kernel have replayed up to now; for whoever looks at connections
    // or counts.
    void catch_up() noexcept;

    // Whether frames wait that a worker has handed over to another.
    [[nodiscard]] bool has_handed_over() noexcept;

    // Sends what waited for a neighbour, as soon as one was resolved.
    void neighbour_resolved() noexcept;

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

    // Of all workers.
    [[nodiscard]] DropCounters drops() const noexcept;
    [[nodiscard]] PacketTotals totals() const noexcept;

    [[nodiscard]] std::uint32_t connection_count() noexcept;
    [[nodiscard]] std::uint32_t connection_capacity() noexcept;

private:
    // A burst installs at most 64 entries, so that the table has grown before it must again.
    static constexpr std::size_t kSlotsMovedAtOnce = 512;

    [[nodiscard]] WorkerParts worker_parts() noexcept;
    void adopt();
    template <class Ip>
    void adopt_connections();
    void follow_all_rings() noexcept;
    template <class Ip>
    void complete_adopted() noexcept;
    void grow_tables() noexcept;
    template <class Ip>
    void grow_table() noexcept;
    void estimate_rates() noexcept;
    void empty_trash() noexcept;
    // What the table has left for connections, in pages; of the family that has less.
    [[nodiscard]] std::int64_t memory_left() noexcept;
    void defend() noexcept;
    template <class Ip>
    void drop_random(std::uint32_t portions) noexcept;
    void begin_revisit() noexcept;
    void revisit_connections() noexcept;
    void open_stocks() noexcept;
    void allow_reuse() noexcept;
    template <class Ip>
    [[nodiscard]] std::uint32_t revisit_from(std::uint32_t cursor) noexcept;
    template <class Ip>
    std::uint32_t visit_connections(std::uint32_t cursor,
                                    std::uint32_t limit,
                                    const std::function<void(const model::ConnectionInfo&)>& visit);

    flow::Tables& tables_;
    const Clock& clock_;
    Settings settings_;
    Defence defence_{settings_};
    SharedRouter shared_router_;
    Router& router_;  // of the workers
    Services services_;
    FtpAssistant ftp_;
    Assistances assistances_;
    IcmpRateLimit icmp_limit_;
    HandOver hand_over_;
    std::vector<std::unique_ptr<Worker>> workers_;
    Nanoseconds estimated_at_;
    Nanoseconds trash_emptied_at_;
    Nanoseconds defended_at_;
    bool is_estimating_ = false;
    bool is_emptying_trash_ = false;
    // After a change of settings or real servers: how far the connections have been gone through.
    std::uint32_t revisited4_ = XVS_NONE;
    std::uint32_t revisited6_ = XVS_NONE;
    // Whether a real server was removed while expire_nodest_conn was set. Kernel:
    // ip_vs_enqueue_expire_nodest_conns().
    bool ends_orphans_ = false;
    bool is_adopting_ = false;
    ServiceStock::Depths stock_depths_;
};

}  // namespace xvs::engine
