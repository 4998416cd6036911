#include "engine/engine.h"

#include <algorithm>
#include <array>

#include "net/ethernet.h"

namespace xvs::engine {
namespace {

// Removed real servers are looked at this often. Kernel: IP_VS_DEST_TRASH_PERIOD / 2.
constexpr std::chrono::seconds kTrashInterval{60};

// A cursor names a family and a record; 0 is where a listing starts and ends.
constexpr std::uint64_t kIpv6Cursor = std::uint64_t{1} << 32;

}  // namespace

Engine::Engine(
    flow::Tables& tables, Router& router, Steering& steering, PacketPort& port, const Clock& clock)
    : tables_(tables),
      port_(port),
      clock_(clock),
      services_(tables, steering, router, settings_.sysctls, clock),
      reports_(tables),
      transmitter_(tables, router, port, drops_, clock),
      icmp_limit_(clock),
      ipv4_({tables,
             services_,
             router,
             port,
             transmitter_,
             icmp_limit_,
             drops_,
             totals_,
             reports_,
             settings_,
             clock,
             identification_}),
      ipv6_({tables,
             services_,
             router,
             port,
             transmitter_,
             icmp_limit_,
             drops_,
             totals_,
             reports_,
             settings_,
             clock,
             identification_}),
      estimated_at_(clock.now()),
      trash_emptied_at_(clock.now()) {
    settings_.timeouts_changed_at = to_tick(clock.now());
    reports_.attach(ipv4_.connections(), ipv6_.connections());
    if (tables.adoption() == nullptr) {
        tables.header().timeouts_changed_at = settings_.timeouts_changed_at;
        return;
    }
    is_adopting_ = true;
    tables.note_ended(ipv4_.connections().adopt());
    tables.note_ended(ipv6_.connections().adopt());
}

std::size_t Engine::process_burst() noexcept {
    std::array<const Frame*, kMaxBurst> ipv4;
    std::array<const Frame*, kMaxBurst> ipv6;
    std::size_t ipv4_count = 0;
    std::size_t ipv6_count = 0;
    const std::size_t count = port_.receive(frames_);
    for (std::size_t i = 0; i < count; ++i) {
        const Frame& frame = frames_[i];
        ++totals_.received;
        if (frame.offload.segmentation != Segmentation::None) ++totals_.super_packets;
        const auto link = net::EthernetView::parse(frame.bytes());
        if (!link) {
            drops_.count(DropReason::TruncatedHeader);
        } else if (link->type() == net::EtherType::Ipv4) {
            ipv4[ipv4_count++] = &frame;
        } else if (link->type() == net::EtherType::Ipv6) {
            ipv6[ipv6_count++] = &frame;
        } else {
            ++totals_.to_host;
            port_.give_to_host(frame);
        }
    }
    ipv4_.process(std::span(ipv4).first(ipv4_count));
    ipv6_.process(std::span(ipv6).first(ipv6_count));
    port_.flush();
    catch_up();
    grow_tables();
    if (has_overdue_) {
        expire_connections(kTimerLimitOfBurst);
    } else if (is_estimating_) {
        estimate_rates();
    } else if (is_emptying_trash_) {
        empty_trash();
    } else {
        hasten_connections();
    }
    tables_.reclaim();
    return count;
}

void Engine::expire_connections(std::size_t limit) noexcept {
    const bool has_ipv4 = ipv4_.run_timers(limit);
    const bool has_ipv6 = ipv6_.run_timers(limit);
    has_overdue_ = has_ipv4 || has_ipv6;
}

void Engine::grow_tables() noexcept {
    ipv4_.connections().continue_growing(kSlotsMovedAtOnce);
    ipv6_.connections().continue_growing(kSlotsMovedAtOnce);
}

void Engine::run_timers() noexcept {
    catch_up();
    grow_tables();
    expire_connections(kTimerLimit);
    transmitter_.retry();
    tables_.reclaim();
    estimate_rates();
    if (!is_emptying_trash_ && clock_.now() - trash_emptied_at_ >= kTrashInterval) {
        trash_emptied_at_ = clock_.now();
        empty_trash();
    }
}

void Engine::estimate_rates() noexcept {
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
        const std::uint32_t next = ipv4_.connections().records().for_each(
            position, count, [&](std::uint32_t index, const xvs_connection&) {
                if (!ipv4_.connections().is_listed(index)) return;
                visit(ipv4_.connections().info(index));
            });
        return next != XVS_NONE ? next : kIpv6Cursor;
    }
    const std::uint32_t next = ipv6_.connections().records().for_each(
        position, count, [&](std::uint32_t index, const xvs_connection&) {
            if (!ipv6_.connections().is_listed(index)) return;
            visit(ipv6_.connections().info(index));
        });
    return next != XVS_NONE ? kIpv6Cursor + next : 0;
}

void Engine::set_timeouts(const model::Timeouts& timeouts) noexcept {
    catch_up();  // what came before has the timeouts of its time
    if (timeouts.tcp_s != 0) settings_.timeouts.tcp_s = timeouts.tcp_s;
    if (timeouts.tcp_fin_s != 0) settings_.timeouts.tcp_fin_s = timeouts.tcp_fin_s;
    if (timeouts.udp_s != 0) settings_.timeouts.udp_s = timeouts.udp_s;
    settings_.timeouts_changed_at = to_tick(clock_.now());
    if (is_adopting_) return;
    tables_.header().timeouts_changed_at = settings_.timeouts_changed_at;
    hastened4_ = 0;
    hastened6_ = 0;
}

Status Engine::set_sysctl(std::string_view name, std::string_view value) {
    catch_up();  // what came before has the settings of its time
    return model::set_sysctl(settings_.sysctls, name, value);
}

void Engine::finish_adoption() {
    if (!is_adopting_) return;
    is_adopting_ = false;
    services_.finish_adoption();
    settings_.timeouts_changed_at = tables_.header().timeouts_changed_at;
}

void Engine::hasten_connections() noexcept {
    constexpr std::uint32_t kAtOnce = 1024;
    if (hastened4_ != XVS_NONE) {
        hastened4_ = ipv4_.connections().hasten(hastened4_, kAtOnce);
    } else if (hastened6_ != XVS_NONE) {
        hastened6_ = ipv6_.connections().hasten(hastened6_, kAtOnce);
    }
}

std::uint32_t Engine::connection_count() noexcept {
    return ipv4_.connections().records().size() + ipv6_.connections().records().size();
}

std::uint32_t Engine::connection_capacity() noexcept {
    return ipv4_.connections().records().capacity();
}

}  // namespace xvs::engine
