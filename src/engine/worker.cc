#include "engine/worker.h"

#include "net/ethernet.h"

namespace xvs::engine {

Worker::Worker(const WorkerParts& parts, PacketPort& port, std::uint8_t number)
    : tables_(parts.tables),
      hand_over_(parts.hand_over),
      port_(port),
      number_(number),
      identifications_(number, parts.tables.workers()),
      reports_(parts.tables, number),
      transmitter_(parts.tables, parts.router, port, drops_, parts.clock),
      ipv4_(pipeline_parts(parts)),
      ipv6_(pipeline_parts(parts)) {
    reports_.attach(ipv4_.connections(), ipv6_.connections());
}

PipelineParts Worker::pipeline_parts(const WorkerParts& parts) noexcept {
    return {.worker = number_,
            .has_others = parts.tables.workers() > 1,
            .hand_over = parts.hand_over,
            .tables = parts.tables,
            .services = parts.services,
            .assistances = parts.assistances,
            .router = parts.router,
            .port = port_,
            .transmitter = transmitter_,
            .icmp_limit = parts.icmp_limit,
            .drops = drops_,
            .totals = totals_,
            .reports = reports_,
            .settings = parts.settings,
            .defence = parts.defence,
            .clock = parts.clock,
            .identifications = identifications_,
            .woken = woken_};
}

std::size_t Worker::process_burst() noexcept {
    const std::size_t handed_over = process_handed_over();
    const std::size_t count = port_.receive(frames_);
    const std::span<const Frame> frames = std::span(frames_).first(count);
    totals_.received += count;
    for (const Frame& frame : frames) {
        if (frame.offload.segmentation != Segmentation::None) ++totals_.super_packets;
    }
    process(frames);
    catch_up();
    if (has_overdue_) expire_connections(kTimerLimitOfBurst);
    tables_.reclaim(number_);
    return handed_over + count;
}

// What was reported of their connections comes first, by whichever CPU.
std::size_t Worker::process_handed_over() noexcept {
    const std::size_t count = hand_over_.take(number_, frames_);
    if (count == 0) return 0;
    catch_up();
    process(std::span(frames_).first(count));
    hand_over_.release(number_);
    return count;
}

void Worker::process(std::span<const Frame> frames) noexcept {
    std::array<const Frame*, kMaxBurst> ipv4;
    std::array<const Frame*, kMaxBurst> ipv6;
    std::size_t ipv4_count = 0;
    std::size_t ipv6_count = 0;
    for (const Frame& frame : frames) {
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
}

void Worker::run_timers() noexcept {
    catch_up();
    expire_connections(kTimerLimit);
    transmitter_.retry();
    transmitter_.give_up([this](const Origin& origin) noexcept {
        if (origin.family == net::Family::Ipv4) {
            ipv4_.tell_undelivered(origin);
        } else {
            ipv6_.tell_undelivered(origin);
        }
        port_.flush();
    });
    tables_.reclaim(number_);
}

void Worker::expire_connections(std::size_t limit) noexcept {
    const bool has_ipv4 = ipv4_.run_timers(limit);
    const bool has_ipv6 = ipv6_.run_timers(limit);
    has_overdue_ = has_ipv4 || has_ipv6;
}

}  // namespace xvs::engine
