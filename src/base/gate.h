// Gate: a mutex between one worker, which takes it for a burst at a time, and others, who come
// seldom and must not wait long for one that takes it again at once.
#pragma once

#include <atomic>
#include <mutex>
#include <thread>

namespace xvs {

// lock() and unlock() are for all but the worker.
class Gate {
public:
    Gate() = default;
    Gate(const Gate&) = delete;
    Gate& operator=(const Gate&) = delete;
    ~Gate() = default;

    void lock() {
        waiting_.fetch_add(1, std::memory_order_relaxed);
        mutex_.lock();
        waiting_.fetch_sub(1, std::memory_order_relaxed);
    }

    void unlock() { mutex_.unlock(); }

    // The worker's: lets those who wait go first.
    void lock_after_others() {
        while (waiting_.load(std::memory_order_relaxed) > 0)
            std::this_thread::yield();
        mutex_.lock();
    }

private:
    std::mutex mutex_;
    std::atomic<int> waiting_{0};
};

}  // namespace xvs
