#include "xvsd/director.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <string>

#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/sysinfo.h>

#include <fmt/format.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include "xvsd/report.h"

namespace xvs::xvsd {
namespace {

Result<std::array<std::uint32_t, 2>> random_words() {
    std::array<std::uint32_t, 2> words{};
    if (::getrandom(words.data(), sizeof(words), 0) != sizeof(words))
        return fail(system_error("random numbers", errno));
    return words;
}

std::uint64_t memory_of_machine() noexcept {
    struct sysinfo info {};

    if (::sysinfo(&info) != 0) return 0;
    return std::uint64_t{info.totalram} * info.mem_unit;
}

Result<UniqueFd> open_signals() {
    sigset_t signals;
    ::sigemptyset(&signals);
    ::sigaddset(&signals, SIGTERM);
    ::sigaddset(&signals, SIGINT);
    ::sigaddset(&signals, SIGUSR1);
    UniqueFd fd(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!fd.is_open()) return fail(system_error("signalfd", errno));
    return fd;
}

}  // namespace

Result<std::unique_ptr<Director>> Director::create(const Options& options, Instance& instance) {
    std::unique_ptr<Director> director(new Director(options, instance));
    auto signals = open_signals();
    if (!signals) return fail(signals.error());
    director->signals_ = std::move(*signals);
    if (auto status = director->make_mirror(); !status) return fail(status.error());
    if (auto status = director->make_tables(); !status) return fail(status.error());
    if (auto status = director->make_packet_path(); !status) return fail(status.error());
    if (auto status = director->make_control(); !status) return fail(status.error());
    return director;
}

Director::~Director() {
    if (worker_) worker_->stop();
    // From here on packets stay with the host.
    served_.reset();
}

Status Director::make_tables() {
    const std::uint32_t connections = options_.connections != 0
                                          ? options_.connections
                                          : flow::default_connections(memory_of_machine());
    const auto seed = random_words();
    if (!seed) return fail(seed.error());
    auto tables = flow::Tables::create(
        storage_, flow::sizes_for(connections, offload::possible_cpus()), *seed);
    if (!tables) return fail(tables.error());
    tables_ = std::move(*tables);
    spdlog::info("room for {} connections of IPv4 and as many of IPv6", connections);
    return {};
}

Status Director::make_mirror() {
    auto mirror = host::Mirror::open(events_);
    if (!mirror) return fail(mirror.error());
    mirror_ = std::move(*mirror);
    if (auto status = mirror_->synchronize(); !status) return status;
    return check_interfaces();
}

Status Director::make_packet_path() {
    auto link = host::PrivateLink::create();
    if (!link) return fail(link.error());
    private_link_.emplace(std::move(*link));
    // What a killed daemon left of its link is gone only now.
    if (auto status = mirror_->synchronize(); !status) return status;
    if (auto status = load_programs(); !status) return status;

    auto port = io::SlowPathPort::open({.far_ifindex = private_link_->far_ifindex(),
                                        .interfaces = program_->interfaces(),
                                        .outer_headers = program_->outer_headers()});
    if (!port) return fail(port.error());
    port_ = std::move(*port);
    const auto seed = random_words();
    if (!seed) return fail(seed.error());
    auto router = host::KernelRouter::open(*mirror_, tables_->next_hops(), clock_, *seed);
    if (!router) return fail(router.error());
    router_ = std::move(*router);
    tap_watch_.emplace(*router_, *mirror_, gate_, clock_, options_.peer_redirect);
    engine_.emplace(*tables_, *router_, *steering_, *port_, clock_);
    worker_.emplace(*engine_, port_->fd(), gate_, clock_);
    events_.attach({.router = router_.get(),
                    .engine = &*engine_,
                    .port = port_.get(),
                    .served = &*served_,
                    .steering = &*steering_,
                    .private_link = &*private_link_},
                   *mirror_);
    return {};
}

// Without its replaying part, if the kernel refuses that one.
Result<std::unique_ptr<offload::SteeringProgram>> Director::load_program(
    offload::SteeringProgram::Options options) const {
    auto program = offload::SteeringProgram::load(options);
    if (program || !options.replays) return program;
    const std::string cause = program.error().context;
    options.replays = false;
    program = offload::SteeringProgram::load(options);
    if (program) {
        spdlog::error("no fast path: {}; every balanced packet goes through user space", cause);
    }
    return program;
}

// Programs that outlive the process (clsact) must know whether it lives.
Status Director::load_programs() {
    offload::SteeringProgram::Options options{.storage = &storage_,
                                              .header = &tables_->header(),
                                              .control = -1,
                                              .replays = options_.has_fast_path,
                                              .is_watched = false,
                                              .is_tested = false};
    auto program = load_program(options);
    if (!program) return fail(program.error());
    const auto how = offload::find_tc_attach((*program)->program(offload::SteeringPart::Drop),
                                             private_link_->far_ifindex());
    if (how == offload::TcAttach::Clsact) {
        options.is_watched = true;
        program = load_program(options);
        if (!program) return fail(program.error());
    }
    (*program)->control().near_ifindex = private_link_->near_ifindex();
    program_ = std::move(*program);
    steering_.emplace(*program_);
    served_.emplace(*program_, how);
    return attach_private_link(how);
}

Status Director::attach_private_link(offload::TcAttach how) {
    using offload::SteeringPart;
    using offload::TcDirection;
    auto back = offload::TcHook::attach(program_->program(SteeringPart::Return),
                                        private_link_->near_ifindex(),
                                        TcDirection::Ingress,
                                        how);
    if (!back) return fail(back.error());
    return_hook_.emplace(std::move(*back));
    auto drop = offload::TcHook::attach(program_->program(SteeringPart::Drop),
                                        private_link_->far_ifindex(),
                                        TcDirection::Ingress,
                                        how);
    if (!drop) return fail(drop.error());
    drop_hook_.emplace(std::move(*drop));
    return {};
}

Status Director::check_interfaces() const {
    for (const std::string& name : options_.interfaces) {
        const host::Link* link = mirror_->find_link(std::string_view(name));
        if (link == nullptr) {
            return fail(ErrorCode::NoSuchDevice,
                        fmt::format("there is no interface {} in this network namespace; see: ip "
                                    "link",
                                    name));
        }
        if (!link->is_layer3()) {
            return fail(ErrorCode::InvalidArgument,
                        fmt::format("interface {} receives no packets for this host itself (it is "
                                    "loopback, or part of a bridge or bond): name the one above it",
                                    name));
        }
    }
    return {};
}

Status Director::make_control() {
    auto has_route = host::ask_linux_for_routes();
    if (!has_route) return fail(has_route.error());
    warnings_.emplace(std::move(*has_route));
    services_.emplace(*engine_, gate_);
    if (auto status = restore_services(); !status) return status;
    handler_.emplace(*services_, daemons_, [this] { services_changed(); });
    if (auto status = worker_->start(); !status) return status;
    auto server = control::netlink::Server::open(*handler_, clock_);
    if (!server) return fail(server.error());
    server_ = std::move(*server);
    return {};
}

// Before the port answers, so that no client sees a director without its services.
Status Director::restore_services() {
    if (options_.is_ephemeral) return {};
    std::error_code error;
    std::filesystem::create_directories(options_.state_directory, error);
    if (error || ::access(options_.state_directory.c_str(), W_OK | X_OK) != 0) {
        return fail(ErrorCode::NotPermitted,
                    fmt::format("services cannot be kept in {}: {}; name another directory with "
                                "--state-dir, or keep nothing with --ephemeral",
                                options_.state_directory,
                                error ? error.message() : std::strerror(errno)));
    }
    state_file_.emplace(options_.state_directory);
    const auto restored = state_file_->restore(*services_, daemons_);
    if (!restored) return fail(restored.error());
    for (const std::string& problem : restored->problems)
        spdlog::warn("{}", problem);
    if (restored->services != 0) {
        spdlog::info("restored {} services with {} real servers from {}",
                     restored->services,
                     restored->destinations,
                     state_file_->path().string());
    }
    state_saver_.emplace(*state_file_, *services_, daemons_, clock_, [](const Error& failure) {
        spdlog::error("services are not kept: {}", failure.context);
    });
    return {};
}

void Director::services_changed() {
    warn_at_ = clock_.now() + kWarningDelay;
    if (state_saver_) state_saver_->edited();
}

Status Director::run() {
    repair_at_ = clock_.now() + kRepairInterval;
    warn_at_ = clock_.now() + kWarningDelay;
    instance_.announce_ready();
    log_start();
    while (!is_stopping_) {
        std::array<pollfd, 4> waiting = {{{.fd = signals_.get(), .events = POLLIN, .revents = 0},
                                          {.fd = mirror_->fd(), .events = POLLIN, .revents = 0},
                                          {.fd = server_->fd(), .events = POLLIN, .revents = 0},
                                          {.fd = instance_.fd(), .events = POLLIN, .revents = 0}}};
        if (::poll(waiting.data(), waiting.size(), timeout_ms()) < 0 && errno != EINTR)
            return fail(system_error("waiting for events", errno));
        for (const pollfd& ready : waiting) {
            if (ready.revents != 0) handle(ready.fd);
        }
        run_timers();
    }
    spdlog::info("stopping: balanced packets go to the host's own stack from now on");
    instance_.announce_stopping();
    log_counters();
    return state_saver_ ? state_saver_->save_now() : Status{};
}

void Director::log_start() const {
    spdlog::info("ready: serving {} interface{}", served_->size(), served_->size() == 1 ? "" : "s");
}

void Director::handle(int fd) {
    if (fd == signals_.get()) {
        handle_signals();
    } else if (fd == mirror_->fd()) {
        const std::lock_guard lock(gate_);
        mirror_->on_readable();
    } else if (fd == server_->fd()) {
        server_->on_readable();
    } else {
        instance_.answer();
    }
}

void Director::handle_signals() {
    signalfd_siginfo signal{};
    while (::read(signals_.get(), &signal, sizeof(signal)) == sizeof(signal)) {
        if (signal.ssi_signo == SIGUSR1) {
            log_counters();
        } else {
            is_stopping_ = true;
        }
    }
}

void Director::log_counters() {
    std::vector<std::string> lines;
    {
        const std::lock_guard lock(gate_);
        lines = report_packets(*engine_, *port_);
    }
    for (const std::string& line : lines)
        spdlog::info("{}", line);
}

void Director::run_timers() {
    const Nanoseconds now = clock_.now();
    if (state_saver_) {
        if (const auto due = state_saver_->next_deadline(); due && *due <= now) {
            state_saver_->on_timer();
        }
    }
    if (const auto due = server_->next_deadline(); due && *due <= now) server_->on_timer();
    if (const auto due = tap_watch_->next_deadline(); due && *due <= now) tap_watch_->on_timer();
    if (events_.take_has_changed() && !warn_at_) warn_at_ = now + kWarningDelay;
    if (warn_at_ && *warn_at_ <= now) warn();
    if (events_.take_may_need_repair() || repair_at_ <= now) {
        repair_at_ = now + kRepairInterval;
        const std::lock_guard lock(gate_);
        served_->repair();
    }
}

int Director::timeout_ms() const {
    Nanoseconds next = repair_at_;
    if (warn_at_) next = std::min(next, *warn_at_);
    if (const auto due = server_->next_deadline()) next = std::min(next, *due);
    if (const auto due = tap_watch_->next_deadline()) next = std::min(next, *due);
    if (state_saver_) {
        if (const auto due = state_saver_->next_deadline()) next = std::min(next, *due);
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - clock_.now());
    return static_cast<int>(std::max<std::int64_t>(left.count(), 0));
}

void Director::warn() {
    warn_at_.reset();
    std::vector<host::WantedService> wanted;
    for (const control::ServiceStatus& status : services_->services()) {
        host::WantedService service{.key = status.service.key, .destinations = {}};
        for (const auto& destination : services_->destinations(status.service.key))
            service.destinations.push_back(destination.destination);
        wanted.push_back(std::move(service));
    }
    for (const std::string& sentence : warnings_->check(wanted, mirror_->local_prefixes()))
        spdlog::warn("{}", sentence);
}

}  // namespace xvs::xvsd
