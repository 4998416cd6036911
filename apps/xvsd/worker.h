// Worker: the thread that takes packets through the engine.
#pragma once

#include <atomic>
#include <thread>

#include "base/clock.h"
#include "base/gate.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "engine/engine.h"

namespace xvs::xvsd {

class Worker {
public:
    // `port_fd` is readable when packets have come. All of them must outlive the worker.
    Worker(engine::Engine& engine, int port_fd, Gate& gate, const Clock& clock)
        : engine_(engine), port_fd_(port_fd), gate_(gate), clock_(clock) {}

    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;
    ~Worker();

    [[nodiscard]] Status start();
    void stop();

private:
    // Bursts without a look at anything else; some 100 us.
    static constexpr int kBurstsInARow = 16;

    void run();
    void wait(Nanoseconds until) const;

    engine::Engine& engine_;
    int port_fd_;
    Gate& gate_;
    const Clock& clock_;
    UniqueFd wake_;
    std::atomic<bool> is_stopping_{false};
    std::thread thread_;
};

}  // namespace xvs::xvsd
