// xvsd: the XVS director of one network namespace.
#include <chrono>
#include <csignal>

#include <fmt/format.h>
#include <pthread.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include "xvsd/director.h"
#include "xvsd/instance.h"
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

int serve(const xvsd::Options& options) {
    if (const Status status = xvsd::check_privileges(); !status) return report(status.error());
    auto instance = xvsd::Instance::claim();
    if (!instance) return report(instance.error());
    if (const Status status = xvsd::drop_privileges(); !status) return report(status.error());
    set_up_log(options);
    spdlog::info(
        "XVS {}: balanced packets are met before nftables and iptables, whose rules do not "
        "see them",
        XVS_VERSION);
    auto director = xvsd::Director::create(options, *instance);
    if (!director) return report(director.error());
    const Status status = (*director)->run();
    return status ? 0 : report(status.error());
}

}  // namespace

int main(int argc, char** argv) {
    int exit_code = 0;
    const auto options = xvsd::parse_options(argc, argv, exit_code);
    if (!options) return exit_code;
    if (options->wait_s) return wait(*options->wait_s);
    block_signals();
    return serve(*options);
}
