// Skeleton: the least that must be done for a packet, on the same memory and in the same burst.
#pragma once

#include <cstdint>
#include <memory>

#include "base/timer_wheel.h"
#include "bench/memory/burst_port.h"
#include "bench/memory/traffic.h"
#include "flow/tables.h"

namespace xvs::bench {

// Parses, hashes, looks the entry up, rewrites, updates checksums and counters, writes MAC
// addresses; or leaves it at the hash where there is no entry. No services, states, checks of what
// it reads, fragments, offloads, neighbours or ICMP. `tables` must outlive it.
template <class Ip>
class Skeleton {
public:
    explicit Skeleton(flow::Tables& tables) : tables_(tables) {}

    void run(const BurstPort& port) noexcept;

private:
    flow::Tables& tables_;
};

// A connection's record, its entries and its place in the timer wheel, made and taken away: in
// tables of its own, with as many live connections.
template <class Ip>
class ConnectionSkeleton {
public:
    [[nodiscard]] static Result<std::unique_ptr<ConnectionSkeleton>> create(flow::Storage& storage,
                                                                            std::uint32_t live,
                                                                            std::uint32_t capacity,
                                                                            bool has_replies);

    // For create() alone.
    ConnectionSkeleton(std::unique_ptr<flow::Tables> tables,
                       std::uint32_t live,
                       std::uint32_t capacity,
                       bool has_replies);

    // Makes a burst of connections.
    void run_burst() noexcept;

    // Ends what has run out meanwhile, and returns how many that were.
    std::size_t run_timers() noexcept;

private:
    static constexpr std::uint32_t kLifeInTicks = 3600;

    [[nodiscard]] flow::FlowKey<Ip> key(std::uint32_t number) const noexcept;
    void connect(const flow::FlowKey<Ip>& key, std::uint32_t now) noexcept;
    void end(std::uint32_t connection) noexcept;
    [[nodiscard]] std::uint32_t now() const noexcept;

    std::unique_ptr<flow::Tables> tables_;
    std::uint32_t live_;
    bool has_replies_;
    TimerWheel<> wheel_;
    std::uint32_t number_ = 0;
    std::uint64_t passed_ = 0;  // time, in bursts
};

}  // namespace xvs::bench
