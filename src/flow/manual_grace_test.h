// ManualGrace: grace periods that end when a test says so.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

#include "flow/grace_period.h"

namespace xvs::flow {

class ManualGrace {
public:
    ManualGrace() : period_([this] { wait(); }) {}

    ManualGrace(const ManualGrace&) = delete;
    ManualGrace& operator=(const ManualGrace&) = delete;

    ~ManualGrace() { set_open(true); }

    [[nodiscard]] GracePeriod& period() noexcept { return period_; }

    // Ends every period that was asked for.
    void end_all() {
        set_open(true);
        while (!period_.is_idle())
            std::this_thread::yield();
        set_open(false);
    }

private:
    void wait() {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return is_open_; });
    }

    void set_open(bool is_open) {
        const std::lock_guard lock(mutex_);
        is_open_ = is_open;
        changed_.notify_all();
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    bool is_open_ = false;
    GracePeriod period_;  // its thread ends first
};

}  // namespace xvs::flow
