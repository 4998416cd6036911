// Gate: a mutex between workers, each of which takes its own part of it for a burst at a time, and
// others, who come seldom, keep all workers out, and must not wait long for one that takes its part
// again at once.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <thread>

namespace xvs {

// lock() and unlock() are for all but the workers in their bursts.
class Gate {
public:
    explicit Gate(std::size_t workers = 1)
        : workers_(workers), parts_(std::make_unique<Part[]>(workers)) {}

    Gate(const Gate&) = delete;
    Gate& operator=(const Gate&) = delete;
    ~Gate() = default;

    // Keeps all workers out. A worker must not hold its part.
    void lock() {
        for (std::size_t each = 0; each < workers_; ++each) {
            Part& part = parts_[each];
            part.waiting.fetch_add(1, std::memory_order_relaxed);
            part.mutex.lock();
            part.waiting.fetch_sub(1, std::memory_order_relaxed);
        }
    }

    void unlock() {
        for (std::size_t each = workers_; each-- > 0;)
            parts_[each].mutex.unlock();
    }

    // A worker's part: lets those who wait go first.
    void lock_after_others(std::size_t worker = 0) {
        Part& part = parts_[worker];
        while (part.waiting.load(std::memory_order_relaxed) > 0)
            std::this_thread::yield();
        part.mutex.lock();
    }

    void unlock(std::size_t worker) { parts_[worker].mutex.unlock(); }

private:
    struct alignas(64) Part {
        std::mutex mutex;
        std::atomic<int> waiting{0};
    };

    std::size_t workers_;
    std::unique_ptr<Part[]> parts_;
};

}  // namespace xvs
