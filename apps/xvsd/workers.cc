#include "xvsd/workers.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <mutex>

#include <sys/eventfd.h>

#include <fmt/format.h>
#include <poll.h>
#include <pthread.h>

namespace xvs::xvsd {

Workers::Workers(engine::Engine& engine,
                 const std::vector<int>& ports,
                 Gate& gate,
                 const Clock& clock)
    : engine_(engine), gate_(gate), clock_(clock), threads_(ports.size()) {
    for (std::size_t number = 0; number < ports.size(); ++number) {
        threads_[number].number = number;
        threads_[number].port_fd = ports[number];
    }
}

Workers::~Workers() {
    stop();
}

Status Workers::start() {
    for (Thread& each : threads_) {
        each.wake = UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
        if (!each.wake.is_open()) return fail(system_error("starting the workers", errno));
    }
    for (Thread& each : threads_) {
        each.thread = std::thread([this, &each] { run(each); });
        const std::string name =
            threads_.size() == 1 ? "xvsd-worker" : fmt::format("xvsd-worker/{}", each.number);
        ::pthread_setname_np(each.thread.native_handle(), name.c_str());
    }
    return {};
}

void Workers::stop() {
    is_stopping_ = true;
    wake(~0U);
    for (Thread& each : threads_) {
        if (each.thread.joinable()) each.thread.join();
    }
}

void Workers::wake(std::uint32_t workers) const {
    for (const Thread& each : threads_) {
        if ((workers >> each.number & 1U) != 0 && each.wake.is_open())
            static_cast<void>(::eventfd_write(each.wake.get(), 1));
    }
}

void Workers::run(Thread& thread) {
    Nanoseconds timers_at = clock_.now();
    while (!is_stopping_) {
        Outcome outcome;
        for (int burst = 0; burst < kBurstsInARow; ++burst) {
            const bool is_time = clock_.now() >= timers_at;
            outcome = process(thread.number, is_time);
            if (is_time) timers_at = clock_.now() + engine::Engine::kTimerInterval;
            if (outcome.woken != 0) wake(outcome.woken);
            if (outcome.has_chores) run_chores(is_time && thread.number == 0);
            if (outcome.received == 0) break;
        }
        if (outcome.received == 0 && !outcome.has_work && !outcome.has_chores)
            wait(thread, timers_at);
    }
}

// A worker that is alone does everything with its one gate.
Workers::Outcome Workers::process(std::size_t number, bool is_time) {
    const bool is_alone = threads_.size() == 1;
    engine::Worker& worker = engine_.worker(number);
    Outcome outcome;
    gate_.lock(number);
    outcome.received = worker.process_burst();
    if (is_time) worker.run_timers();
    outcome.has_work = worker.has_overdue();
    outcome.woken = worker.take_woken();
    if (!is_alone) {
        outcome.has_chores = (is_time && number == 0) || engine_.has_chores();
    } else {
        engine_.run_chores();
        if (is_time) engine_.run_shared_timers();
        outcome.has_work = engine_.has_work_left();
    }
    gate_.unlock(number);
    return outcome;
}

void Workers::run_chores(bool is_time) {
    const std::lock_guard lock(gate_);
    engine_.run_chores();
    if (is_time) engine_.run_shared_timers();
}

void Workers::wait(const Thread& thread, Nanoseconds until) const {
    using std::chrono::milliseconds;
    // Rounded up: a timer that is called early is called twice.
    const auto left = std::chrono::ceil<milliseconds>(until - clock_.now());
    std::array<pollfd, 2> waiting = {{{.fd = thread.port_fd, .events = POLLIN, .revents = 0},
                                      {.fd = thread.wake.get(), .events = POLLIN, .revents = 0}}};
    ::poll(waiting.data(),
           waiting.size(),
           static_cast<int>(std::clamp(left, milliseconds(0), milliseconds(1000)).count()));
    // What it was woken for is looked for next.
    if ((waiting[1].revents & POLLIN) != 0) {
        eventfd_t count = 0;
        static_cast<void>(::eventfd_read(thread.wake.get(), &count));
    }
}

}  // namespace xvs::xvsd
