// Defence: what drop_entry, drop_packet and secure_tcp do, always or while the table is nearly
// full.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "engine/settings.h"

namespace xvs::engine {

// Kernel: update_defense_level(), ip_vs_todrop(), todrop_entry().
//
// DIFFERS FROM IPVS: ADR-0015. The memory that the automatic modes watch is what the connection
// table has left, in pages; the kernel's is all of the machine's.
class Defence {
public:
    // `settings` must outlive it.
    explicit Defence(Settings& settings) noexcept : settings_(settings) {}

    // Looks at the memory left, in pages; to be called once a second and after a setting has
    // changed. The automatic modes 1 and 2 become each other.
    void update(std::int64_t available) noexcept;

    // Returns whether a packet that would begin a connection is to be dropped; every so many are.
    // Thread: any worker.
    [[nodiscard]] bool drops_packet() noexcept {
        const std::int32_t rate = drop_rate_.load(std::memory_order_relaxed);
        if (rate == 0) return false;
        if (drop_counter_.fetch_sub(1, std::memory_order_relaxed) - 1 > 0) return false;
        drop_counter_.store(rate, std::memory_order_relaxed);
        return true;
    }

    // Whether random entries of connections are to be dropped.
    [[nodiscard]] bool drops_entries() const noexcept { return drops_entries_; }

    // Whether one that has been idle for kIdleSeconds and has had so many packets is among those to
    // be dropped: of those with n packets each n-th, of those with more than 8 none.
    [[nodiscard]] bool drops_entry_with(std::uint32_t packets) noexcept;

    static constexpr std::uint32_t kIdleSeconds = 60;

    // Returns a number below `bound`.
    [[nodiscard]] std::uint32_t draw(std::uint32_t bound) noexcept;

private:
    static constexpr std::uint32_t kMostPackets = 8;

    Settings& settings_;
    std::atomic<std::int32_t> drop_rate_ = 0;
    std::atomic<std::int32_t> drop_counter_ = 0;
    bool drops_entries_ = false;
    std::array<std::uint32_t, kMostPackets + 1> seen_{};
    std::uint64_t random_ = 0;
};

}  // namespace xvs::engine
