// Worker: one thread's part of the engine, with the connections of the clients that are its own.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>

#include "base/clock.h"
#include "engine/defend/defence.h"
#include "engine/drop_reason.h"
#include "engine/forward/icmp_responder.h"
#include "engine/forward/transmitter.h"
#include "engine/hand_over.h"
#include "engine/lookup/reports.h"
#include "engine/lookup/services.h"
#include "engine/packet_port.h"
#include "engine/pipeline.h"
#include "engine/router.h"
#include "flow/tables.h"

namespace xvs::engine {

// What workers have in common.
struct WorkerParts {
    flow::Tables& tables;
    Services& services;
    Assistances& assistances;
    Router& router;
    IcmpRateLimit& icmp_limit;
    HandOver& hand_over;
    const Settings& settings;
    Defence& defence;
    const Clock& clock;
};

// Thread: every call under this worker's gate, a mutex of the owner's that is held for a burst at a
// time.
class Worker {
public:
    // All of `parts` must outlive the worker. `number` counts from 0.
    Worker(const WorkerParts& parts, PacketPort& port, std::uint8_t number);
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;
    ~Worker() = default;

    // Takes what other workers have handed over, then one burst from the port, through the
    // pipeline; returns how many frames there were.
    std::size_t process_burst() noexcept;

    // Ends what has run out, sends what waited.
    void run_timers() noexcept;

    // Follows what programs in the kernel have replayed of its connections up to now.
    void catch_up() noexcept {
        reports_.follow_all();
        ipv4_.connections().keep_room();
        ipv6_.connections().keep_room();
        ipv4_.restock_low();
        ipv6_.restock_low();
    }

    // Returns whether timers have left some of their work to the next bursts, be they empty.
    [[nodiscard]] bool has_overdue() const noexcept { return has_overdue_; }

    // Returns the workers, a bit each, that it has handed frames over to since the last call: they
    // may be asleep.
    [[nodiscard]] std::uint32_t take_woken() noexcept { return std::exchange(woken_, 0U); }

    void follow(const xvs_report& report) noexcept { reports_.follow(report); }

    [[nodiscard]] std::uint64_t full_rings() const noexcept { return reports_.full_rings(); }

    void retry_waiting() noexcept { transmitter_.retry(); }

    template <class Ip>
    [[nodiscard]] Connections<Ip>& connections() noexcept {
        if constexpr (std::is_same_v<Ip, flow::Ipv4>) {
            return ipv4_.connections();
        } else {
            return ipv6_.connections();
        }
    }

    [[nodiscard]] const DropCounters& drops() const noexcept { return drops_; }

    [[nodiscard]] const PacketTotals& totals() const noexcept { return totals_; }

private:
    // How many connections one call of the timers ends at most, and how many a burst does when the
    // timers had to leave some: more than it can begin.
    static constexpr std::size_t kTimerLimit = 1024;
    static constexpr std::size_t kTimerLimitOfBurst = 4 * kMaxBurst;

    std::size_t process_handed_over() noexcept;
    void process(std::span<const Frame> frames) noexcept;
    void expire_connections(std::size_t limit) noexcept;
    [[nodiscard]] PipelineParts pipeline_parts(const WorkerParts& parts) noexcept;

    flow::Tables& tables_;
    HandOver& hand_over_;
    PacketPort& port_;
    std::uint8_t number_;
    std::uint32_t woken_ = 0;
    DropCounters drops_;
    PacketTotals totals_;
    Identifications identifications_;
    Reports reports_;
    Transmitter transmitter_;
    Pipeline<flow::Ipv4> ipv4_;
    Pipeline<flow::Ipv6> ipv6_;
    std::array<Frame, kMaxBurst> frames_;
    bool has_overdue_ = false;
};

}  // namespace xvs::engine
