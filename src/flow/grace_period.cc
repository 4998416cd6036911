#include "flow/grace_period.h"

#include <chrono>
#include <csignal>
#include <utility>

#include <linux/membarrier.h>
#include <sys/syscall.h>

#include <pthread.h>
#include <unistd.h>

namespace xvs::flow {

GracePeriod::GracePeriod(std::function<void()> wait) : wait_(std::move(wait)) {
    // Signals are the main thread's.
    sigset_t all;
    sigset_t before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    thread_ = std::thread([this] { run(); });
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    ::pthread_setname_np(thread_.native_handle(), "xvs-grace");
}

std::unique_ptr<GracePeriod> GracePeriod::make(bool has_kernel_readers) {
    if (!has_kernel_readers) return std::make_unique<GracePeriod>();
    return std::make_unique<GracePeriod>(&wait_for_kernel_readers);
}

GracePeriod::~GracePeriod() {
    if (!thread_.joinable()) return;
    stop_.store(true, std::memory_order_seq_cst);
    wanted_.fetch_add(1, std::memory_order_seq_cst);
    wanted_.notify_one();
    thread_.join();
}

GracePeriod::Number GracePeriod::request() noexcept {
    if (!is_needed()) return 0;
    const Number period = next();
    Number wanted = wanted_.load(std::memory_order_relaxed);
    // Another worker may have asked for a later one.
    while (wanted < period) {
        if (!wanted_.compare_exchange_weak(wanted, period, std::memory_order_seq_cst)) continue;
        wanted_.notify_one();
        break;
    }
    return period;
}

void GracePeriod::run() noexcept {
    while (true) {
        const Number ended = ended_.load(std::memory_order_relaxed);
        Number wanted = wanted_.load(std::memory_order_seq_cst);
        while (wanted <= ended) {
            wanted_.wait(wanted, std::memory_order_seq_cst);
            wanted = wanted_.load(std::memory_order_seq_cst);
        }
        if (stop_.load(std::memory_order_seq_cst)) return;
        begun_.store(ended + 1, std::memory_order_seq_cst);
        wait_();
        ended_.store(ended + 1, std::memory_order_release);
    }
}

void wait_for_kernel_readers() noexcept {
    if (::syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) == 0) return;
    std::this_thread::sleep_for(std::chrono::seconds(1));
}

}  // namespace xvs::flow
