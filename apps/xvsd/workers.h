// Workers: the threads that take packets through the engine, one for each of its workers.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/gate.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "engine/engine.h"

namespace xvs::xvsd {

class Workers {
public:
    // `ports`: for each worker a descriptor that is readable when packets have come. All of them
    // must outlive the threads; `gate` is of as many workers as the engine has.
    Workers(engine::Engine& engine, const std::vector<int>& ports, Gate& gate, const Clock& clock);

    Workers(const Workers&) = delete;
    Workers& operator=(const Workers&) = delete;
    ~Workers();

    [[nodiscard]] Status start();
    void stop();

private:
    // Bursts without a look at anything else; some 100 us.
    static constexpr int kBurstsInARow = 16;

    struct Thread {
        std::size_t number = 0;
        int port_fd = -1;
        UniqueFd wake;
        std::thread thread;
    };

    // What a burst has left to do.
    struct Outcome {
        std::size_t received = 0;
        bool has_work = false;    // of the worker's own, or of all
        bool has_chores = false;  // that need all gates
        std::uint32_t woken = 0;  // workers that have got something
    };

    void run(Thread& thread);
    [[nodiscard]] Outcome process(std::size_t number, bool is_time);
    void run_chores(bool is_time);
    void wake(std::uint32_t workers) const;
    void wait(const Thread& thread, Nanoseconds until) const;

    engine::Engine& engine_;
    Gate& gate_;
    const Clock& clock_;
    std::atomic<bool> is_stopping_{false};
    std::vector<Thread> threads_;
};

}  // namespace xvs::xvsd
