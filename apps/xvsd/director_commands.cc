// What a running director is told to do.
#include <cerrno>
#include <mutex>

#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "engine/ticks.h"
#include "flow/grace_period.h"
#include "xvsd/director.h"
#include "xvsd/status.h"

namespace xvs::xvsd {

control::CommandSocket::Reply Director::handle_command(std::string_view command) {
    if (command == "status") return {.text = status_text(), .descriptors = {}};
    if (command == "detach") {
        if (auto status = detach(); !status)
            return {.text = fail(status.error()), .descriptors = {}};
        return {.text = "", .descriptors = {}};
    }
    if (command == "takeover") {
        if (auto status = hand_over(); !status)
            return {.text = fail(status.error()), .descriptors = {}};
        std::vector<int> descriptors = ports_->receive_sockets();
        descriptors.push_back(netlink_socket_.get());
        descriptors.push_back(instance_->commands().fd());
        return {.text = "", .descriptors = std::move(descriptors)};
    }
    return {.text = fail(ErrorCode::InvalidArgument,
                         fmt::format("this xvsd ({}) knows no command {}", XVS_VERSION, command)),
            .descriptors = {}};
}

// What may fail comes first: then this daemon goes on.
Status Director::hand_over() {
    if (kept_.pins() == nullptr) {
        return fail(
            ErrorCode::NotSupported,
            fmt::format("the daemon that runs here cannot be taken over from, since nothing "
                        "outlives it: {}",
                        kept_.why_not()));
    }
    // Requests that come from here on wait in it for the other daemon.
    netlink_socket_ = UniqueFd(::fcntl(server_->fd(), F_DUPFD_CLOEXEC, 0));
    if (!netlink_socket_.is_open())
        return fail(system_error("handing the netlink port over", errno));
    if (state_saver_) {
        if (auto status = state_saver_->save_now(); !status) return status;
    }
    workers_->stop();
    empty_sockets();
    constexpr std::chrono::seconds kPatience{1};
    server_->finish_answers(kPatience);
    server_.reset();
    state_lock_.reset();
    is_handed_over_ = true;
    is_stopping_ = true;
    return {};
}

// What workers have handed over to each other is seen to, and what AF_XDP sockets hold still: what
// the engine must see comes by tc from here on. The workers have stopped.
void Director::empty_sockets() {
    if (!af_xdp_) return;
    const std::lock_guard lock(gate_);
    af_xdp_->disconnect_all();
    if (ports_->socket_count() > 0) flow::wait_for_kernel_readers();
    while (ports_->has_received() || engine_->has_handed_over())
        (void)engine_->process_burst();
    ports_->remove_all_sockets();
}

// All that it has attached.
void Director::hand_back() {
    if (workers_) workers_->stop();
    empty_sockets();
    af_xdp_.reset();
    xdp_.reset();
    if (served_) served_->release_all();
    if (return_hook_) return_hook_->detach();
    if (drop_hook_) drop_hook_->detach();
}

// A start that failed leaves nothing, unless there was something: that is for a later daemon.
void Director::undo() {
    if (!has_made_tables_ || kept_.pins() == nullptr) return;
    hand_back();
    if (private_link_ && !private_link_->was_found()) private_link_->keep(false);
    kept_.pins()->remove();
}

Status Director::detach() {
    is_stopping_ = true;
    hand_back();
    private_link_->keep(false);
    const auto removed = kept_.remove_leftover();
    return removed ? Status{} : Status(fail(removed.error()));
}

std::string Director::status_text() {
    DaemonStatus status{
        .no_fast_path = no_fast_path_,
        .not_pinned = kept_.pins() == nullptr ? kept_.why_not() : "",
        .pins = kept_.pins() == nullptr ? "" : kept_.pins()->name(),
        .state_directory = state_file_ ? kept_.state_directory() : "no file",
        .orphan_timeout_s = static_cast<std::uint32_t>(options_.orphan_timeout.count()),
        .workers = options_.workers,
        .ftp_ports = options_.ftp_ports,
        .attached_by = served_->how() == offload::TcAttach::Tcx
                           ? "tcx"
                           : "clsact, since this kernel has no tcx",
        .interfaces = {}};
    const std::lock_guard lock(gate_);
    status.interfaces = events_.attach_points(*mirror_);
    status.connections = engine_->connection_count();
    status.capacity = engine_->connection_capacity();
    status.stock = engine_->stock_depths();
    status.drawn = engine_->drawn_connections();
    status.ended_for_room = engine_->ended_for_room();
    status.full_rings = engine_->full_rings();
    status.services = engine_->services().in_order().size();
    const auto refusals = program_->refusals();
    const engine::DropCounters drops = engine_->drops();
    status.without_room = drops[engine::DropReason::ConnectionTableFull];
    status.access_prefixes = engine_->services().access_lists().prefixes();
    status.denied = drops[engine::DropReason::ClientDenied] + refusals[XVS_ACCESS_DENIED - 1];
    status.not_allowed =
        drops[engine::DropReason::ClientNotAllowed] + refusals[XVS_ACCESS_NOT_ALLOWED - 1];
    return to_text(status);
}

void Director::tell_alive() {
    const Nanoseconds now = clock_.now();
    heartbeat_at_ = now + kHeartbeat;
    __atomic_store_n(&program_->control().heartbeat, engine::to_tick(now), __ATOMIC_RELEASE);
}

// Once: whoever fills a table must not fill the log as well. `xvs status` counts.
void Director::warn_of_shortages() {
    if (!is_full_ring_said_ && engine_->full_rings() > 0) {
        is_full_ring_said_ = true;
        spdlog::warn(
            "the programs in the kernel report more than xvsd has read: a CPU's ring was full; "
            "packets that change a connection's state then come by user space, and none is lost");
    }
    if (is_full_said_ || engine_->drops()[engine::DropReason::ConnectionTableFull] == 0) return;
    is_full_said_ = true;
    spdlog::warn(
        "new connections are dropped for want of room: {} of a family are there, and none is "
        "half-open; for more, xvsd --detach and start with --connections",
        engine_->connection_capacity());
}

void Director::log_stop() const {
    if (is_handed_over_) {
        spdlog::info("handed over to another xvsd");
    } else if (kept_.pins() == nullptr) {
        spdlog::info("stopping: balanced packets go to the host's own stack from now on");
    } else {
        spdlog::info(
            "stopping: {}, new connections wait for the next xvsd{}; to hand everything back "
            "to the host: xvsd --detach",
            no_fast_path_.empty() ? "established connections go on in the kernel"
                                  : "established connections wait",
            options_.orphan_timeout.count() != 0
                ? fmt::format(", {} s at most", options_.orphan_timeout.count())
                : "");
    }
}

}  // namespace xvs::xvsd
