// GracePeriod: tells when no program in the kernel can still be using what it read before.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>

namespace xvs::flow {

// Periods are numbered; what was taken out of the tables before period n began may be reused once
// period n has ended. A thread of its own waits for them (4-8 ms each), one at a time and only when
// asked to, so that the worker never does.
class GracePeriod {
public:
    using Number = std::uint64_t;

    // No reader but the worker itself: every period has ended.
    GracePeriod() noexcept = default;

    // Waits for programs in the kernel where they read the tables.
    [[nodiscard]] static std::unique_ptr<GracePeriod> make(bool has_kernel_readers);

    // `wait` returns when every reader that was inside the tables when it was called has left.
    explicit GracePeriod(std::function<void()> wait);
    GracePeriod(const GracePeriod&) = delete;
    GracePeriod& operator=(const GracePeriod&) = delete;
    ~GracePeriod();

    [[nodiscard]] bool is_needed() const noexcept { return thread_.joinable(); }

    // Returns the next period to begin, without asking for it. A full barrier: what this thread has
    // taken out before is seen by all who come inside once that period has begun.
    [[nodiscard]] Number next() const noexcept {
        return begun_.fetch_add(0, std::memory_order_seq_cst) + 1;
    }

    // Asks for a period that begins after this call and returns its number. Never waits. Thread:
    // any, as for has_ended().
    Number request() noexcept;

    [[nodiscard]] bool has_ended(Number period) const noexcept {
        return !is_needed() || ended_.load(std::memory_order_acquire) >= period;
    }

    // Returns whether every period asked for has ended.
    [[nodiscard]] bool is_idle() const noexcept {
        return ended_.load(std::memory_order_acquire) >= wanted_.load(std::memory_order_seq_cst);
    }

private:
    void run() noexcept;

    std::function<void()> wait_;
    mutable std::atomic<Number> begun_ = 0;
    std::atomic<Number> ended_ = 0;
    std::atomic<Number> wanted_ = 0;
    std::atomic<bool> stop_ = false;
    std::thread thread_;
};

// Waits for the programs in the kernel: membarrier(MEMBARRIER_CMD_GLOBAL), which is an RCU grace
// period there. Where the kernel refuses it (nohz_full CPUs), sleeps far longer than any program
// may run.
void wait_for_kernel_readers() noexcept;

}  // namespace xvs::flow
