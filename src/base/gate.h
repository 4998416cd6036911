// Gate: a lock between workers, each of which takes its own part of it for a burst at a time, and
// others, who come seldom and keep all workers out.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace xvs {

// Each part is given away in the order in which it was asked for. A mutex would be taken again by
// whoever has just let go of it, long before the one who waits is awake: an edit could wait for
// seconds on a machine with more to do than it has processors, a worker as long for a listing. So
// an edit waits for one burst of each worker, and a worker for one portion of an edit.
//
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
        for (std::size_t each = 0; each < workers_; ++each)
            lock(each);
    }

    void unlock() {
        for (std::size_t each = workers_; each-- > 0;)
            unlock(each);
    }

    // A worker's part: two atomic additions where nobody else wants it.
    void lock(std::size_t worker) {
        Part& part = parts_[worker];
        const std::uint32_t place = part.asked.fetch_add(1, std::memory_order_relaxed);
        std::uint32_t served = part.served.load(std::memory_order_acquire);
        while (served != place) {
            part.served.wait(served, std::memory_order_acquire);
            served = part.served.load(std::memory_order_acquire);
        }
    }

    void unlock(std::size_t worker) {
        Part& part = parts_[worker];
        part.served.fetch_add(1, std::memory_order_release);
        part.served.notify_all();
    }

    // Returns how many have a worker's part or wait for it.
    [[nodiscard]] std::uint32_t takers(std::size_t worker) const {
        const Part& part = parts_[worker];
        const std::uint32_t served = part.served.load(std::memory_order_acquire);
        return part.asked.load(std::memory_order_relaxed) - served;
    }

private:
    // How many have asked for it, and how many have had it: whoever asked when as many had asked as
    // have had it by now is the one who has it.
    struct alignas(64) Part {
        std::atomic<std::uint32_t> asked{0};
        std::atomic<std::uint32_t> served{0};
    };

    std::size_t workers_;
    std::unique_ptr<Part[]> parts_;
};

}  // namespace xvs
