#include "xvsd/worker.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <mutex>

#include <sys/eventfd.h>

#include <poll.h>
#include <pthread.h>

namespace xvs::xvsd {

Worker::~Worker() {
    stop();
}

Status Worker::start() {
    wake_ = UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!wake_.is_open()) return fail(system_error("starting the worker", errno));
    thread_ = std::thread([this] { run(); });
    ::pthread_setname_np(thread_.native_handle(), "xvsd-worker");
    return {};
}

void Worker::stop() {
    if (!thread_.joinable()) return;
    is_stopping_ = true;
    static_cast<void>(::eventfd_write(wake_.get(), 1));
    thread_.join();
}

void Worker::run() {
    Nanoseconds timers_at = clock_.now();
    while (!is_stopping_) {
        std::size_t received = 0;
        for (int burst = 0; burst < kBurstsInARow; ++burst) {
            gate_.lock_after_others();
            const std::lock_guard lock(gate_, std::adopt_lock);
            received = engine_.process_burst();
            if (clock_.now() >= timers_at) {
                engine_.run_timers();
                timers_at = clock_.now() + engine::Engine::kTimerInterval;
            }
            if (received == 0) break;
        }
        if (received == 0 && !engine_.has_work_left()) wait(timers_at);
    }
}

void Worker::wait(Nanoseconds until) const {
    using std::chrono::milliseconds;
    // Rounded up: a timer that is called early is called twice.
    const auto left = std::chrono::ceil<milliseconds>(until - clock_.now());
    std::array<pollfd, 2> waiting = {{{.fd = port_fd_, .events = POLLIN, .revents = 0},
                                      {.fd = wake_.get(), .events = POLLIN, .revents = 0}}};
    ::poll(waiting.data(),
           waiting.size(),
           static_cast<int>(std::clamp(left, milliseconds(0), milliseconds(1000)).count()));
}

}  // namespace xvs::xvsd
