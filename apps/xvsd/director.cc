#include "xvsd/director.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <string>

#include <sys/file.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/sysinfo.h>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include "engine/ticks.h"
#include "offload/array_values.h"
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

// Two daemons that kept their services in one place would each restore the other's.
Result<UniqueFd> lock_directory(const std::string& directory) {
    const std::string path = directory + "/lock";
    UniqueFd lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!lock.is_open()) return fail(system_error("opening " + path, errno));
    if (::flock(lock.get(), LOCK_EX | LOCK_NB) == 0) return lock;
    return fail(ErrorCode::InUse,
                fmt::format("another xvsd, of another network namespace, keeps its services in {}; "
                            "name another directory with --state-dir",
                            directory));
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

Result<std::unique_ptr<Director>> Director::create(const Options& options,
                                                   KeptState& kept,
                                                   std::optional<Instance> instance) {
    std::unique_ptr<Director> director(new Director(options, kept, std::move(instance)));
    auto signals = open_signals();
    if (!signals) return fail(signals.error());
    director->signals_ = std::move(*signals);
    using Step = Status (Director::*)();
    // What takes long comes before another daemon is asked to hand over.
    constexpr Step kSteps[] = {&Director::make_mirror,
                               &Director::make_tables,
                               &Director::make_program,
                               &Director::take_over,
                               &Director::adopt_tables,
                               &Director::make_packet_path,
                               &Director::make_control};
    for (const Step step : kSteps) {
        if (auto status = ((*director).*step)(); !status) {
            director->undo();
            return fail(status.error());
        }
    }
    return director;
}

Director::~Director() {
    if (workers_) workers_->stop();
    // From here on packets stay with the host, unless the programs are to outlive this.
    xdp_.reset();
    served_.reset();
}

// Those of an earlier daemon are only looked at: it may be running still.
Status Director::make_tables() {
    if (auto status = offload::SteeringProgram::make_shared_arrays(storage_); !status)
        return status;
    const auto found = flow::Tables::look(storage_);
    if (!found) return fail(found.error());
    if (*found != nullptr) {
        if (options_.connections != 0 && options_.connections != (*found)->connections4) {
            spdlog::warn(
                "there is room for {} connections of IPv4, as an earlier daemon made it, not for "
                "{}; to change it: xvsd --detach, then start with --connections",
                (*found)->connections4,
                options_.connections);
        }
        return check_workers(**found);
    }
    const std::uint32_t connections = options_.connections != 0
                                          ? options_.connections
                                          : flow::default_connections(memory_of_machine());
    const auto seed = random_words();
    if (!seed) return fail(seed.error());
    const std::uint32_t cpus = offload::possible_cpus();
    auto tables = flow::Tables::create(storage_,
                                       offload::fit_to_kernel(flow::sizes_for(
                                           connections, cpus, std::max(cpus, options_.workers))),
                                       *seed);
    if (!tables) return fail(tables.error());
    tables_ = std::move(*tables);
    has_made_tables_ = true;
    spdlog::info("room for {} connections of IPv4 and as many of IPv6", connections);
    return {};
}

// The tables have a row of counters and rings of reports for each worker there may be.
Status Director::check_workers(const xvs_table_header& header) const {
    if (options_.workers <= header.workers) return {};
    return fail(
        ErrorCode::OutOfRange,
        fmt::format("the tables that an earlier daemon made have room for {} workers, not for {}: "
                    "start with --workers {}, or hand everything back to the host first, with "
                    "xvsd --detach (established connections end with that)",
                    header.workers,
                    options_.workers,
                    header.workers));
}

// From here on an earlier daemon's tables are this one's.
Status Director::adopt_tables() {
    if (tables_) return {};
    auto tables = flow::Tables::adopt(storage_);
    if (!tables) return fail(tables.error());
    tables_ = std::move(*tables);
    return {};
}

Status Director::make_mirror() {
    auto mirror = host::Mirror::open(events_);
    if (!mirror) return fail(mirror.error());
    mirror_ = std::move(*mirror);
    if (auto status = mirror_->synchronize(); !status) return status;
    return check_interfaces();
}

Status Director::make_program() {
    const bool is_kept = kept_.pins() != nullptr;
    auto link = is_kept ? host::PrivateLink::find_or_create() : host::PrivateLink::create();
    if (!link) return fail(link.error());
    private_link_.emplace(std::move(*link));
    // What a killed daemon left of its link is gone only now.
    if (auto status = mirror_->synchronize(); !status) return status;
    const auto header = tables_ ? Result<const xvs_table_header*>(&tables_->header())
                                : flow::Tables::look(storage_);
    if (!header) return fail(header.error());
    return load_programs(**header);
}

// The point of no return: the other daemon serves nobody once it has answered.
Status Director::take_over() {
    if (instance_) return {};
    constexpr std::chrono::seconds kPatience{60};
    auto answer = control::ask_daemon("takeover", kPatience);
    if (!answer) return fail(answer.error());
    constexpr std::size_t kMinDescriptors = 3;
    if (answer->descriptors.size() < kMinDescriptors) {
        return fail(ErrorCode::NotSupported,
                    "the daemon that runs here did not hand over what this one needs: stop it, and "
                    "start this one without --takeover");
    }
    instance_.emplace(Instance::take_over(std::move(answer->descriptors.back())));
    answer->descriptors.pop_back();
    netlink_socket_ = std::move(answer->descriptors.back());
    answer->descriptors.pop_back();
    taken_sockets_ = std::move(answer->descriptors);
    spdlog::info("took over from the daemon that ran here");
    return {};
}

Status Director::make_packet_path() {
    auto ports = PacketPorts::open({.far_ifindex = private_link_->far_ifindex(),
                                    .interfaces = program_->interfaces(),
                                    .outer_headers = program_->outer_headers(),
                                    .workers = options_.workers},
                                   std::move(taken_sockets_));
    if (!ports) return fail(ports.error());
    ports_ = std::move(*ports);
    af_xdp_.emplace(options_.af_xdp, *program_, *xdp_, *ports_, memory_of_machine());
    const auto seed = random_words();
    if (!seed) return fail(seed.error());
    auto router = host::KernelRouter::open(*mirror_, tables_->next_hops(), clock_, *seed);
    if (!router) return fail(router.error());
    router_ = std::move(*router);
    tap_watch_.emplace(*router_, *mirror_, gate_, clock_, options_.peer_redirect);
    if (options_.workers > 1) router_->share();
    const std::vector<engine::PacketPort*> all = ports_->all();
    engine_.emplace(*tables_, *router_, *steering_, all, clock_);
    engine_->ftp().set_ports(options_.ftp_ports);
    if (program_->draws()) engine_->set_stock_depths(options_.stock);
    workers_.emplace(*engine_, ports_->descriptors(), gate_, clock_);
    if (const auto* adopted = tables_->adoption()) {
        spdlog::info(
            "an earlier daemon left {} connections, which go on, and {} half-made ones, "
            "which do not",
            adopted->connections,
            adopted->ended);
    }
    return {};
}

// The programs meet packets from here on: they must know what is whose by now.
Status Director::attach() {
    steering_->put_gathered();
    tell_alive();
    program_->control().orphan_ticks =
        kept_.pins() != nullptr ? engine::to_ticks(options_.orphan_timeout) : 0;
    program_->control().workers = options_.workers;
    private_link_->keep(kept_.pins() != nullptr);
    if (auto status = attach_private_link(served_->how()); !status) return status;
    const std::lock_guard lock(gate_);
    events_.attach({.router = router_.get(),
                    .engine = &*engine_,
                    .ports = ports_.get(),
                    .served = &*served_,
                    .xdp = has_use_for_xdp() ? &*xdp_ : nullptr,
                    .af_xdp = &*af_xdp_,
                    .steering = &*steering_,
                    .program = program_.get(),
                    .private_link = &*private_link_},
                   *mirror_);
    served_->release_others();
    xdp_->release_others();
    return {};
}

Status Director::attach_private_link(offload::TcAttach how) {
    using offload::SteeringPart;
    using offload::TcDirection;
    auto back = offload::TcHook::attach(program_->program(SteeringPart::Return),
                                        {.ifindex = private_link_->near_ifindex(),
                                         .direction = TcDirection::Ingress,
                                         .how = how,
                                         .pins = kept_.pins()});
    if (!back) return fail(back.error());
    return_hook_.emplace(std::move(*back));
    auto drop = offload::TcHook::attach(program_->program(SteeringPart::Drop),
                                        {.ifindex = private_link_->far_ifindex(),
                                         .direction = TcDirection::Ingress,
                                         .how = how,
                                         .pins = kept_.pins()});
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
        if (!link->is_layer3() && !link->is_loopback()) {
            return fail(ErrorCode::InvalidArgument,
                        fmt::format("interface {} receives no packets for this host itself (it is "
                                    "part of a bridge or bond): name the one above it",
                                    name));
        }
    }
    return {};
}

Status Director::make_control() {
    auto has_route = host::ask_linux_for_routes();
    if (!has_route) return fail(has_route.error());
    services_.emplace(*engine_, gate_);
    if (auto status = restore_services(); !status) return status;
    engine_->finish_adoption();
    if (auto status = attach(); !status) return status;
    const auto is_local = [this](const net::IpAddress& address) {
        return mirror_->is_local(address);
    };
    setup_watch_.emplace(host::SetupWarnings(std::move(*has_route), is_local), *services_, clock_);
    handler_.emplace(*services_, daemons_, [this] { services_changed(); });
    if (auto status = workers_->start(); !status) return status;
    {
        const std::lock_guard lock(gate_);
        af_xdp_->start();
    }
    using control::netlink::Server;
    auto server = netlink_socket_.is_open()
                      ? Server::take_over(*handler_, clock_, std::move(netlink_socket_))
                      : Server::open(*handler_, clock_);
    if (!server) return fail(server.error());
    server_ = std::move(*server);
    return {};
}

// Before the port answers, so that no client sees a director without its services.
Status Director::restore_services() {
    if (options_.is_ephemeral) return {};
    const std::string& directory = kept_.state_directory();
    std::error_code error;
    std::filesystem::create_directories(directory, error);
    if (error || ::access(directory.c_str(), W_OK | X_OK) != 0) {
        return fail(ErrorCode::NotPermitted,
                    fmt::format("services cannot be kept in {}: {}; name another directory with "
                                "--state-dir, or keep nothing with --ephemeral",
                                directory,
                                error ? error.message() : std::strerror(errno)));
    }
    auto lock = lock_directory(directory);
    if (!lock) return fail(lock.error());
    state_lock_ = std::move(*lock);
    state_file_.emplace(directory);
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
    setup_watch_->edited();
    if (state_saver_) state_saver_->edited();
}

Status Director::run() {
    repair_at_ = clock_.now() + kRepairInterval;
    instance_->announce_ready();
    log_start();
    while (!is_stopping_) {
        std::array<pollfd, 4> waiting = {
            {{.fd = signals_.get(), .events = POLLIN, .revents = 0},
             {.fd = mirror_->fd(), .events = POLLIN, .revents = 0},
             {.fd = server_->fd(), .events = POLLIN, .revents = 0},
             {.fd = instance_->commands().fd(), .events = POLLIN, .revents = 0}}};
        if (::poll(waiting.data(), waiting.size(), timeout_ms()) < 0 && errno != EINTR)
            return fail(system_error("waiting for events", errno));
        for (const pollfd& ready : waiting) {
            if (ready.revents != 0 && !is_stopping_) handle(ready.fd);
        }
        if (!is_stopping_) run_timers();
    }
    log_stop();
    workers_->stop();
    empty_sockets();
    // After a takeover systemd follows the one that is there now.
    if (!is_handed_over_) instance_->announce_stopping();
    log_counters();
    if (is_handed_over_) return {};
    return state_saver_ ? state_saver_->save_now() : Status{};
}

void Director::log_start() const {
    const std::size_t count =
        served_->size() - (served_->is_served(engine::kLoopbackInterface) ? 1 : 0);
    spdlog::info("ready: serving {} interface{}", count, count == 1 ? "" : "s");
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
        instance_->commands().answer(
            [this](std::string_view command) { return handle_command(command); });
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
        lines = report_packets(*engine_, *ports_, program_->refusals());
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
    if (heartbeat_at_ <= now) {
        tell_alive();
        const std::lock_guard lock(gate_);
        warn_of_shortages();
        af_xdp_->on_timer();
        router_->make_room();
        router_->forget_old_paths();
    }
    load_missing_programs();
    if (events_.take_has_changed()) {
        setup_watch_->host_changed();
        services_->interfaces_changed();
    }
    if (const auto due = setup_watch_->next_deadline(); due && *due <= now)
        setup_watch_->on_timer();
    if (events_.take_may_need_repair() || repair_at_ <= now) {
        repair_at_ = now + kRepairInterval;
        const std::lock_guard lock(gate_);
        served_->repair();
    }
}

int Director::timeout_ms() const {
    Nanoseconds next = std::min(repair_at_, heartbeat_at_);
    if (const auto due = setup_watch_->next_deadline()) next = std::min(next, *due);
    if (const auto due = server_->next_deadline()) next = std::min(next, *due);
    if (const auto due = tap_watch_->next_deadline()) next = std::min(next, *due);
    if (state_saver_) {
        if (const auto due = state_saver_->next_deadline()) next = std::min(next, *due);
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - clock_.now());
    return static_cast<int>(std::max<std::int64_t>(left.count(), 0));
}

}  // namespace xvs::xvsd
