// xvsd: the XVS director of one network namespace.
#include <chrono>
#include <csignal>
#include <optional>
#include <thread>

#include <fmt/format.h>
#include <pthread.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include "base/steady_heap.h"
#include "control/command_socket.h"
#include "xvsd/director.h"
#include "xvsd/instance.h"
#include "xvsd/kept_state.h"
#include "xvsd/options.h"
#include "xvsd/privileges.h"

namespace {

using namespace xvs;

void set_up_log(const xvsd::Options& options) {
    auto logger = spdlog::stderr_color_mt("xvsd");
    logger->set_pattern("%Y-%m-%d %H:%M:%S.%e xvsd[%P] %l: %v");
    logger->flush_on(spdlog::level::trace);
    if (options.is_verbose) logger->set_level(spdlog::level::debug);
    spdlog::set_default_logger(std::move(logger));
}

int report(const Error& error) {
    fmt::print(stderr, "xvsd: {}\n", error.context);
    return 1;
}

// Threads that are started later inherit it: signals come by the control thread's descriptor alone.
void block_signals() {
    sigset_t signals;
    ::sigemptyset(&signals);
    ::sigaddset(&signals, SIGTERM);
    ::sigaddset(&signals, SIGINT);
    ::sigaddset(&signals, SIGUSR1);
    ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    ::signal(SIGPIPE, SIG_IGN);
}

int wait(double seconds) {
    const auto patience = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::duration<double>(seconds));
    const Status status = xvsd::wait_until_ready(patience);
    return status ? 0 : report(status.error());
}

// Whoever was asked answers when it is done.
constexpr std::chrono::seconds kPatience{60};

Result<xvsd::KeptState> become_daemon(const xvsd::Options& options) {
    auto kept = xvsd::KeptState::find(options);
    if (!kept) return kept;
    if (Status status = xvsd::drop_privileges(); !status) return fail(status.error());
    set_up_log(options);
    kept->open();
    return kept;
}

// In the place of a daemon that runs, or of nobody.
Status serve(const xvsd::Options& options) {
    if (Status status = xvsd::check_privileges(); !status) return status;
    std::optional<xvsd::Instance> instance;
    const bool is_takeover = options.is_takeover && control::is_daemon_ready();
    if (!is_takeover) {
        auto claimed = xvsd::Instance::claim();
        if (!claimed) return fail(claimed.error());
        instance.emplace(std::move(*claimed));
    }
    auto kept = become_daemon(options);
    if (!kept) return fail(kept.error());
    spdlog::info(
        "XVS {}: balanced packets are met before nftables and iptables, whose rules do not "
        "see them; xvsadm --deny and --allow keep clients out",
        XVS_VERSION);
    auto director = xvsd::Director::create(options, *kept, std::move(instance));
    if (!director) return fail(director.error());
    return (*director)->run();
}

// Once a daemon that is stopping has stopped.
Result<xvsd::Instance> claim_soon() {
    constexpr std::chrono::seconds kLongestStop{5};
    const auto until = std::chrono::steady_clock::now() + kLongestStop;
    while (true) {
        auto instance = xvsd::Instance::claim();
        if (instance || instance.error().code != ErrorCode::InUse) return instance;
        if (std::chrono::steady_clock::now() >= until) return instance;
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
}

// Has the daemon that runs here hand everything back, or does it for one that is dead.
Status detach(const xvsd::Options& options) {
    if (Status status = xvsd::check_privileges(); !status) return status;
    if (control::is_daemon_ready()) {
        const auto answer = control::ask_daemon("detach", kPatience);
        if (answer) return {};
        // One that was stopping at this moment does not answer any more.
        if (control::is_daemon_ready()) return fail(answer.error());
    }
    auto instance = claim_soon();
    if (!instance) return fail(instance.error());
    auto kept = become_daemon(options);
    if (!kept) return fail(kept.error());
    const auto removed = kept->remove_leftover();
    if (!removed) return fail(removed.error());
    const char* outcome = *removed ? "removed what a dead xvsd had left"
                                   : "there was nothing of xvsd's in this network namespace";
    fmt::print("{}\n", outcome);
    return {};
}

}  // namespace

int main(int argc, char** argv) {
    int exit_code = 0;
    const auto options = xvsd::parse_options(argc, argv, exit_code);
    if (!options) return exit_code;
    if (options->wait_s) return wait(*options->wait_s);
    keep_heap_steady();
    block_signals();
    const Status status = options->is_detach ? detach(*options) : serve(*options);
    return status ? 0 : report(status.error());
}
