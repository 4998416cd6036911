#include "engine/engine.h"

#include <algorithm>
#include <array>

namespace xvs::engine {
namespace {

// Removed real servers are looked at this often. Kernel: IP_VS_DEST_TRASH_PERIOD / 2.
constexpr std::chrono::seconds kTrashInterval{60};

// A cursor names a family and a record; 0 is where a listing starts and ends.
constexpr std::uint64_t kIpv6Cursor = std::uint64_t{1} << 32;

}  // namespace

Engine::Engine(
    flow::Tables& tables, Router& router, Steering& steering, PacketPort& port, const Clock& clock)
    : Engine(tables, router, steering, std::array{&port}, clock) {}

Engine::Engine(flow::Tables& tables,
               Router& router,
               Steering& steering,
               std::span<PacketPort* const> ports,
               const Clock& clock)
    : tables_(tables),
      clock_(clock),
      shared_router_(router),
      router_(ports.size() > 1 ? static_cast<Router&>(shared_router_) : router),
      services_(tables, steering, router_, settings_.sysctls, clock),
      assistances_(tables, steering, std::array<Assistant*, 1>{&ftp_}),
      icmp_limit_(clock),
      hand_over_(ports.size()),
      estimated_at_(clock.now()),
      trash_emptied_at_(clock.now()),
      defended_at_(clock.now()) {
    settings_.timeouts_changed_at = to_tick(clock.now());
    if (ports.size() > 1) {
        tables_.share_among(ports.size());
        services_.share();
        assistances_.share();
        icmp_limit_.share();
    }
    for (PacketPort* port : ports) {
        const auto number = static_cast<std::uint8_t>(workers_.size());
        workers_.push_back(std::make_unique<Worker>(worker_parts(), *port, number));
    }
    if (tables.adoption() == nullptr) {
        tables.header().timeouts_changed_at = settings_.timeouts_changed_at;
    } else {
        adopt();
    }
}

WorkerParts Engine::worker_parts() noexcept {
    return {.tables = tables_,
            .services = services_,
            .assistances = assistances_,
            .router = router_,
            .icmp_limit = icmp_limit_,
            .hand_over = hand_over_,
            .settings = settings_,
            .defence = defence_,
            .clock = clock_};
}

// The earlier daemon may have had another number of workers: what programs report of an entry is
// for the new owner from a grace period after it has changed.
void Engine::adopt() {
    is_adopting_ = true;
    adopt_connections<flow::Ipv4>();
    adopt_connections<flow::Ipv6>();
    if (tables_.grace_period().is_needed()) flow::wait_for_kernel_readers();
}

template <class Ip>
void Engine::adopt_connections() {
    std::vector<Connections<Ip>*> all;
    for (const auto& worker : workers_)
        all.push_back(&worker->connections<Ip>());
    tables_.note_ended(workers_.front()->connections<Ip>().adopt(all));
    workers_.front()->connections<Ip>().adopt_drawn();
}

std::size_t Engine::process_burst() noexcept {
    std::size_t count = 0;
    for (const auto& worker : workers_)
        count += worker->process_burst();
    run_chores();
    return count;
}

void Engine::run_timers() noexcept {
    for (const auto& worker : workers_)
        worker->run_timers();
    run_shared_timers();
}

bool Engine::has_work_left() const noexcept {
    const bool has_overdue = std::any_of(
        workers_.begin(), workers_.end(), [](const auto& worker) { return worker->has_overdue(); });
    return has_overdue || is_estimating_ || is_emptying_trash_ || revisited4_ != XVS_NONE ||
           revisited6_ != XVS_NONE;
}

void Engine::run_shared_timers() noexcept {
    services_.end_aged_stocks();
    grow_tables();
    defend();
    revisit_connections();
    estimate_rates();
    if (!is_emptying_trash_ && clock_.now() - trash_emptied_at_ >= kTrashInterval) {
        trash_emptied_at_ = clock_.now();
        empty_trash();
    }
}

bool Engine::has_chores() const noexcept {
    return tables_.flows<flow::Ipv4>().has_to_grow() || tables_.flows<flow::Ipv6>().has_to_grow() ||
           is_estimating_ || is_emptying_trash_ || revisited4_ != XVS_NONE ||
           revisited6_ != XVS_NONE;
}

// Connections that have run out come before what is not urgent.
void Engine::run_chores() noexcept {
    grow_tables();
    for (const auto& worker : workers_) {
        if (worker->has_overdue()) return;
    }
    if (is_estimating_) {
        estimate_rates();
    } else if (is_emptying_trash_) {
        empty_trash();
    } else {
        revisit_connections();
    }
}

void Engine::catch_up() noexcept {
    if (is_adopting_) return follow_all_rings();
    for (const auto& worker : workers_)
        worker->catch_up();
}

// Also those of workers that the earlier daemon had.
void Engine::follow_all_rings() noexcept {
    for (std::size_t number = 0; number < tables_.header().workers; ++number) {
        tables_.reports(number).drain_all([this](const xvs_report& report) {
            // References of an earlier daemon's.
            if (report.events == XVS_REPORT_LOST) return;
            const bool is_ipv4 = report.family == static_cast<std::uint8_t>(net::Family::Ipv4);
            const auto owner_in = [&](const auto& flows) -> std::size_t {
                const flow::SlotIndex slot = flows.find_reported(report.slot, report.state);
                return slot == XVS_NONE ? 0 : flows.owner(slot);
            };
            const std::size_t owner = is_ipv4 ? owner_in(tables_.flows<flow::Ipv4>())
                                              : owner_in(tables_.flows<flow::Ipv6>());
            if (owner < workers_.size()) workers_[owner]->follow(report);
        });
    }
}

bool Engine::has_handed_over() noexcept {
    for (std::size_t number = 0; number < workers_.size(); ++number) {
        if (hand_over_.has_frames(number)) return true;
    }
    return false;
}

void Engine::neighbour_resolved() noexcept {
    for (const auto& worker : workers_)
        worker->retry_waiting();
}

void Engine::grow_tables() noexcept {
    grow_table<flow::Ipv4>();
    grow_table<flow::Ipv6>();
}

template <class Ip>
void Engine::grow_table() noexcept {
    flow::FlowTable<Ip>& flows = tables_.flows<Ip>();
    if (!flows.has_to_grow()) return;
    // Entries of programs that had not seen it grow have their records before they move.
    if (stock_depths_.turns != 0 && flows.is_growing()) catch_up();
    flow::ConnectionTable<Ip>& records = tables_.connections<Ip>();
    flows.continue_growing(
        kSlotsMovedAtOnce,
        [&](std::uint32_t connection, flow::SlotIndex from, flow::SlotIndex to) noexcept {
            if (to == XVS_NONE) {
                workers_[records[connection].owner]->template connections<Ip>().end(connection);
            } else {
                records.note_move(connection, from, to);
            }
        });
}

std::int64_t Engine::memory_left() noexcept {
    constexpr std::int64_t kPage = 4096;
    const auto left = [](const auto& records, std::size_t size) {
        const std::size_t free = std::size_t{records.capacity()} - records.size();
        return static_cast<std::int64_t>(free * size) / kPage;
    };
    return std::min(left(tables_.connections<flow::Ipv4>(),
                         sizeof(xvs_connection) + 2 * sizeof(flow::Ipv4::Flow)),
                    left(tables_.connections<flow::Ipv6>(),
                         sizeof(xvs_connection) + 2 * sizeof(flow::Ipv6::Flow)));
}

// Kernel: defense_work_handler(), once a second. Entries are looked at in portions.
void Engine::defend() noexcept {
    constexpr std::uint32_t kPortions = std::chrono::seconds(1) / kTimerInterval;
    if (clock_.now() - defended_at_ >= std::chrono::seconds(1)) {
        defended_at_ = clock_.now();
        defence_.update(memory_left());
    }
    if (!defence_.drops_entries()) return;
    drop_random<flow::Ipv4>(kPortions);
    drop_random<flow::Ipv6>(kPortions);
}

// Kernel: ip_vs_random_dropentry() looks at a 32nd of the table each second.
template <class Ip>
void Engine::drop_random(std::uint32_t portions) noexcept {
    constexpr std::uint32_t kShare = 32;
    flow::ConnectionTable<Ip>& records = tables_.connections<Ip>();
    const std::uint32_t parts = kShare * portions;
    for (std::uint32_t left = (records.capacity() + parts - 1) / parts; left > 0; --left) {
        const std::uint32_t connection = defence_.draw(records.capacity());
        if (!records.is_live(connection)) continue;
        Worker& owner = *workers_[records[connection].owner];
        owner.connections<Ip>().drop_if_asked(connection, defence_);
    }
}

void Engine::estimate_rates() noexcept {
    if (settings_.sysctls.run_estimation == 0) return;
    const Nanoseconds now = clock_.now();
    const Nanoseconds elapsed = std::min<Nanoseconds>(now - estimated_at_, kEstimatePeriod);
    is_estimating_ = !services_.estimate_rates(elapsed);
    if (is_estimating_ || elapsed < kEstimatePeriod) return;
    estimated_at_ += kEstimatePeriod;
    // Periods in which nothing ran are not made up for.
    if (now - estimated_at_ >= kEstimatePeriod) {
        estimated_at_ = now - (now - estimated_at_) % kEstimatePeriod;
    }
}

void Engine::empty_trash() noexcept {
    is_emptying_trash_ = services_.empty_trash();
}

std::uint64_t Engine::for_each_connection(
    std::uint64_t cursor,
    std::size_t limit,
    const std::function<void(const model::ConnectionInfo&)>& visit) {
    const auto position = static_cast<std::uint32_t>(cursor);
    const auto count = static_cast<std::uint32_t>(limit);
    if (cursor < kIpv6Cursor) {
        const std::uint32_t next = visit_connections<flow::Ipv4>(position, count, visit);
        return next != XVS_NONE ? next : kIpv6Cursor;
    }
    const std::uint32_t next = visit_connections<flow::Ipv6>(position, count, visit);
    return next != XVS_NONE ? kIpv6Cursor + next : 0;
}

template <class Ip>
std::uint32_t Engine::visit_connections(
    std::uint32_t cursor,
    std::uint32_t limit,
    const std::function<void(const model::ConnectionInfo&)>& visit) {
    const Connections<Ip>& connections = workers_.front()->connections<Ip>();
    return tables_.connections<Ip>().for_each(
        cursor, limit, [&](std::uint32_t index, const xvs_connection&) {
            if (connections.is_listed(index)) visit(connections.info(index));
        });
}

void Engine::set_timeouts(const model::Timeouts& timeouts) noexcept {
    catch_up();  // what came before has the timeouts of its time
    if (timeouts.tcp_s != 0) settings_.timeouts.tcp_s = timeouts.tcp_s;
    if (timeouts.tcp_fin_s != 0) settings_.timeouts.tcp_fin_s = timeouts.tcp_fin_s;
    if (timeouts.udp_s != 0) settings_.timeouts.udp_s = timeouts.udp_s;
    settings_.timeouts_changed_at = to_tick(clock_.now());
    if (is_adopting_) return;
    tables_.header().timeouts_changed_at = settings_.timeouts_changed_at;
    begin_revisit();
}

void Engine::begin_revisit() noexcept {
    revisited4_ = 0;
    revisited6_ = 0;
}

Status Engine::set_sysctl(std::string_view name, std::string_view value) {
    catch_up();  // what came before has the settings of its time
    const model::Sysctls former = settings_.sysctls;
    services_.end_stocks();
    Status status = model::set_sysctl(settings_.sysctls, name, value);
    if (status) status = services_.prepare_bypass();
    if (!status) settings_.sysctls = former;
    defence_.update(memory_left());
    const bool is_reuse_changed = former.conn_reuse_mode != settings_.sysctls.conn_reuse_mode;
    // Until what entries say of it is right again.
    if (is_reuse_changed) flow::store_release(tables_.header().reuses_closed, 0u);
    if (is_reuse_changed || (former.pmtu_disc != 0) != (settings_.sysctls.pmtu_disc != 0))
        begin_revisit();
    return status;
}

void Engine::finish_adoption() {
    if (!is_adopting_) return;
    catch_up();
    complete_adopted<flow::Ipv4>();
    complete_adopted<flow::Ipv6>();
    is_adopting_ = false;
    services_.finish_adoption();
    if (stock_depths_.turns != 0) open_stocks();
    settings_.timeouts_changed_at = tables_.header().timeouts_changed_at;
}

void Engine::revisit_connections() noexcept {
    const bool has_orphaned = services_.take_orphaned();
    const bool has_turned = services_.take_turned();
    if (has_orphaned || has_turned) begin_revisit();
    ends_orphans_ |= has_orphaned;
    if (revisited4_ != XVS_NONE) {
        revisited4_ = revisit_from<flow::Ipv4>(revisited4_);
    } else if (revisited6_ != XVS_NONE) {
        revisited6_ = revisit_from<flow::Ipv6>(revisited6_);
        if (revisited6_ == XVS_NONE) ends_orphans_ = false;
        allow_reuse();
    }
}

template <class Ip>
std::uint32_t Engine::revisit_from(std::uint32_t cursor) noexcept {
    constexpr std::uint32_t kAtOnce = 1024;
    return tables_.connections<Ip>().for_each(
        cursor, kAtOnce, [this](std::uint32_t index, const xvs_connection& record) {
            workers_[record.owner]->template connections<Ip>().revisit(index, ends_orphans_);
        });
}

DropCounters Engine::drops() const noexcept {
    DropCounters sum;
    for (const auto& worker : workers_)
        sum += worker->drops();
    return sum;
}

PacketTotals Engine::totals() const noexcept {
    PacketTotals sum;
    for (const auto& worker : workers_)
        sum += worker->totals();
    return sum;
}

std::uint64_t Engine::full_rings() const noexcept {
    std::uint64_t sum = 0;
    for (const auto& worker : workers_)
        sum += worker->full_rings();
    return sum;
}

std::uint64_t Engine::ended_for_room() const noexcept {
    std::uint64_t sum = 0;
    for (const auto& worker : workers_)
        sum += worker->connections<flow::Ipv4>().ended_for_room() +
               worker->connections<flow::Ipv6>().ended_for_room();
    return sum;
}

std::uint32_t Engine::connection_count() noexcept {
    return tables_.connections<flow::Ipv4>().size() + tables_.connections<flow::Ipv6>().size();
}

std::uint32_t Engine::connection_capacity() noexcept {
    return tables_.connections<flow::Ipv4>().capacity();
}

}  // namespace xvs::engine
