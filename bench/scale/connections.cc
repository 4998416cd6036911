#include <algorithm>

#include <fmt/format.h>

#include "bench/scale/cases.h"
#include "bench/scale/scale_rig.h"
#include "net/tcp.h"

namespace xvs::bench {
namespace {

using Ip = flow::Ipv4;

constexpr double kMicroseconds = 1e6;
constexpr double kMilliseconds = 1e3;

// An engine with one service, whose clients are numbered.
class Crowd {
public:
    explicit Crowd(std::unique_ptr<flow::Tables> tables) : rig(std::move(tables)) {
        model::VirtualService service;
        service.key = key();
        service.scheduler = "rr";
        service.persistence_mask = 0xffffffff;
        static_cast<void>(rig.manager.add_service(service));
        model::Destination destination;
        destination.real = real();
        destination.method = model::ForwardingMethod::DirectRoute;
        static_cast<void>(rig.manager.add_destination(key(), destination));
    }

    static model::ServiceKey key() {
        const auto vip = virtual_service<Ip>();
        return {.protocol = model::Protocol::Tcp,
                .address = vip.address,
                .port = vip.port,
                .fwmark = 0};
    }

    static net::Endpoint real() {
        return {.address = real_server<Ip>(0).address, .port = virtual_service<Ip>().port};
    }

    // A burst of packets of clients from `first` on.
    void send(std::uint32_t first, std::uint8_t flags) {
        for (std::size_t at = 0; at < BurstPort::kBurst; ++at) {
            const auto number = first + static_cast<std::uint32_t>(at);
            rig.port.set_frame(
                at,
                write_packet<Ip>(
                    rig.port.buffer(at), client<Ip>(number), virtual_service<Ip>(), flags));
        }
        rig.port.set_ready(BurstPort::kBurst);
        static_cast<void>(rig.engine.process_burst());
    }

    // Clients of these numbers finish their handshakes.
    void establish(std::uint32_t first, std::uint32_t last) {
        for (; first < last; first += BurstPort::kBurst) {
            send(first, net::tcp_flag::kSyn);
            send(first, net::tcp_flag::kAck);
        }
    }

    ScaleRig rig;
};

void measure_one_server(const ScaleOptions& options, Crowd& crowd, Report& report) {
    crowd.establish(0, options.connections_of_one);
    const std::string group = "Changes under 100,000 connections of one real server";
    // A change of routes voids the next hop; the first packet finds the new way for all.
    flow::NextHopTable& hops = crowd.rig.tables->next_hops();
    const Summary route = sample(options.repetitions, kMicroseconds, [&](int i) {
        hops.invalidate(0);
        crowd.send(static_cast<std::uint32_t>(i) * 64, net::tcp_flag::kAck);
    });
    report.add({.group = group,
                .name = "its way becomes another, and the next burst has gone it",
                .unit = "us",
                .value = route,
                .limit = 5000});
    const double removed = seconds_of([&] {
        static_cast<void>(crowd.rig.manager.remove_destination(Crowd::key(), Crowd::real()));
    });
    report.add({.group = group,
                .name = "it is removed",
                .unit = "us",
                .value = {.median = removed * kMicroseconds,
                          .minimum = removed * kMicroseconds,
                          .maximum = removed * kMicroseconds,
                          .samples = 1},
                .limit = 5000});
}

// They come over some minutes; then as long again passes in which nothing comes.
void measure_timers(const ScaleOptions& options, Crowd& crowd, Report& report) {
    constexpr std::uint32_t kTenths = 3000;
    const std::uint32_t each = std::max<std::uint32_t>(options.connections / kTenths / 32, 1) * 32;
    std::vector<double> holds;
    double in_timers = 0;
    double passed_s = 0;
    const auto tick = [&] {
        crowd.rig.clock.advance(engine::Engine::kTimerInterval);
        passed_s += 0.1;
        crowd.rig.port.set_ready(0);
        bool is_first = true;
        while (is_first || crowd.rig.engine.has_work_left()) {
            const double seconds = seconds_of([&] {
                if (is_first) {
                    crowd.rig.engine.run_timers();
                } else {
                    static_cast<void>(crowd.rig.engine.process_burst());
                }
            });
            is_first = false;
            in_timers += seconds;
            holds.push_back(seconds * kMicroseconds);
        }
    };
    std::uint32_t number = 0;
    while (number < options.connections) {
        crowd.establish(number, std::min(number + each, options.connections));
        number += each;
        tick();
    }
    for (std::uint32_t i = 0; i < kTenths; ++i)
        tick();
    const std::string group =
        fmt::format("{} live connections", crowd.rig.engine.connection_count());
    const Summary portions = longest(holds);
    report.add({.group = group,
                .name = "a portion of the timers' work",
                .unit = "us",
                .value = portions,
                .limit = 1000,
                .text = fmt::format("the very longest {:.0f} us", portions.maximum)});
    const double share = in_timers / passed_s * kMilliseconds;
    report.add({.group = group,
                .name = "timers, of a second",
                .unit = "ms",
                .value = {.median = share, .minimum = share, .maximum = share, .samples = 1}});
}

}  // namespace

Status measure_connections(const ScaleOptions& options, Report& report) {
    {
        flow::PrivateStorage storage;
        auto tables = flow::Tables::create(
            storage, sizes_of_one_family<Ip>(4 * options.connections_of_one), {1, 2});
        if (!tables) return fail(tables.error());
        Crowd crowd(std::move(*tables));
        measure_one_server(options, crowd, report);
    }
    flow::PrivateStorage storage;
    const std::uint32_t room = options.connections + options.connections / 4;
    auto tables = flow::Tables::create(storage, sizes_of_one_family<Ip>(room), {1, 2});
    if (!tables) return fail(tables.error());
    Crowd crowd(std::move(*tables));
    measure_timers(options, crowd, report);
    return {};
}

}  // namespace xvs::bench
