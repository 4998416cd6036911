#include <array>

#include <fmt/format.h>

#include "bench/scale/cases.h"
#include "bench/scale/scale_rig.h"

namespace xvs::bench {
namespace {

constexpr double kMicroseconds = 1e6;
constexpr double kMilliseconds = 1e3;
constexpr double kEditLimit = 5000;    // us
constexpr std::uint32_t kWriters = 9;  // counter rows: the engine and eight CPUs
const std::string kWhole = "All services and real servers";
const std::string kEdits = "One edit";
const std::string kHolds = "How long the worker is kept waiting";

model::VirtualService service(std::uint32_t number, std::string_view scheduler) {
    model::VirtualService wanted;
    wanted.key = {.protocol = model::Protocol::Tcp,
                  .address = net::Ipv4Address(0xac100000U + number),
                  .port = net::Port{80},
                  .fwmark = 0};
    wanted.scheduler = scheduler;
    wanted.persistence_mask = 0xffffffff;
    return wanted;
}

model::Destination server(std::uint32_t number, std::int32_t weight) {
    model::Destination wanted;
    wanted.real = {.address = net::Ipv4Address(0x0a000000U + number), .port = net::Port{80}};
    wanted.method = model::ForwardingMethod::Masquerade;
    wanted.weight = weight;
    return wanted;
}

Result<std::unique_ptr<ScaleRig>> make_rig(flow::Storage& storage) {
    auto tables = flow::Tables::create(storage, flow::sizes_for(4096, kWriters - 1), {1, 2});
    if (!tables) return fail(tables.error());
    auto rig = std::make_unique<ScaleRig>(std::move(*tables));
    // Memory that nobody has touched yet would be measured with what touches it first.
    const xvs_table_header& header = rig->tables->header();
    for (std::uint32_t row = 0; row < header.counter_rows; ++row) {
        for (std::uint32_t index = 0; index < header.destinations; ++index)
            rig->tables->counters(row, index).packets_in = 1;
    }
    return rig;
}

void restore(ScaleRig& rig, const ScaleOptions& options) {
    std::uint32_t number = 0;
    for (std::uint32_t i = 0; i < options.services; ++i) {
        const model::VirtualService each = service(i, "wrr");
        static_cast<void>(rig.manager.add_service(each));
        for (std::uint32_t j = 0; j < options.servers_of_each; ++j, ++number)
            static_cast<void>(rig.manager.add_destination(each.key, server(number, 1)));
    }
}

void measure_listing(ScaleRig& rig, Report& report) {
    const Summary all = sample(5, kMilliseconds, [&](int) {
        for (const auto& each : rig.manager.services())
            static_cast<void>(rig.manager.destinations(each.service.key));
    });
    report.add({.group = kWhole,
                .name = "list them all, statistics included",
                .unit = "ms",
                .value = all,
                .limit = 1000});
}

// The longest of the portions that a call takes the gate for.
void measure_holds(ScaleRig& rig, const ScaleOptions& options, Report& report) {
    std::vector<double> portions;
    const auto each_portion = [&](auto&& work) {
        bool has_more = true;
        while (has_more)
            portions.push_back(seconds_of([&] { has_more = work(); }) * kMicroseconds);
    };
    const auto add = [&](std::string name) {
        const Summary all = longest(portions);
        report.add({.group = kHolds,
                    .name = std::move(name),
                    .unit = "us",
                    .value = all,
                    .limit = 1000,
                    .text = fmt::format(
                        "{} counter rows, the very longest {:.0f} us", kWriters, all.maximum)});
        portions.clear();
    };
    engine::Services& services = rig.engine.services();
    engine::ServiceListing listing;
    each_portion([&] {
        return services.for_each_service(
            listing, [](const engine::ServiceState&, const model::Statistics&) {});
    });
    add("a portion of a listing");
    for (engine::ServiceState* each : services.in_order()) {
        engine::ServiceListing zeroed;
        each_portion([&] { return !services.zero(*each, zeroed); });
    }
    engine::TotalListing total;
    each_portion([&] { return !services.sum_up(total); });
    add("a portion of -Z");
    each_portion([&] { return !services.estimate_rates(engine::kEstimatePeriod); });
    add("a portion of the rates");
    std::uint32_t next = 0;
    each_portion([&] {
        const bool has_more = services.remove_destinations(service(next, "").key, 64);
        if (!has_more) ++next;
        return next < options.services;
    });
    add("a portion of removing them");
    rig.clock.advance(std::chrono::minutes(3));
    each_portion([&] { return services.empty_trash(); });
    add("a portion of emptying the trash");
}

void measure_one_service(ScaleRig& rig,
                         const ScaleOptions& options,
                         std::string_view scheduler,
                         Report& report) {
    const model::ServiceKey key = service(0, scheduler).key;
    static_cast<void>(rig.manager.add_service(service(0, scheduler)));
    std::vector<double> added;
    for (std::uint32_t i = 0; i < options.servers_of_one; ++i) {
        const auto weight = static_cast<std::int32_t>(1 + i % 100);
        added.push_back(kMicroseconds * seconds_of([&] {
                            static_cast<void>(rig.manager.add_destination(key, server(i, weight)));
                        }));
    }
    const Summary longest_addition = longest(added);
    const Summary edits = sample(options.repetitions, kMicroseconds, [&](int i) {
        static_cast<void>(
            rig.manager.edit_destination(key, server(options.servers_of_one / 2, 2 + i % 50)));
    });
    report.add(
        {.group = kEdits,
         .name = fmt::format("a weight among {} real servers of one service, {}",
                             options.servers_of_one,
                             scheduler),
         .unit = "us",
         .value = edits,
         .limit = kEditLimit,
         .text = fmt::format("999 of 1000 additions: {:.0f} us at most", longest_addition.median)});
}

}  // namespace

Status measure_services(const ScaleOptions& options, Report& report) {
    {
        flow::PrivateStorage storage;
        auto rig = make_rig(storage);
        if (!rig) return fail(rig.error());
        const double restored = seconds_of([&] { restore(**rig, options); });
        report.add({.group = kWhole,
                    .name = fmt::format("restore {} services with {} real servers",
                                        options.services,
                                        options.services * options.servers_of_each),
                    .unit = "ms",
                    .value = {.median = restored * kMilliseconds,
                              .minimum = restored * kMilliseconds,
                              .maximum = restored * kMilliseconds,
                              .samples = 1},
                    .limit = 2000});
        const Summary edits = sample(options.repetitions, kMicroseconds, [&](int i) {
            static_cast<void>((*rig)->manager.edit_destination(
                service(options.services / 2, "").key,
                server(options.services / 2 * options.servers_of_each, 2 + i)));
        });
        report.add({.group = kEdits,
                    .name = "a weight among all of them",
                    .unit = "us",
                    .value = edits,
                    .limit = kEditLimit});
        measure_listing(**rig, report);
        measure_holds(**rig, options, report);
    }
    for (const std::string_view scheduler : {"rr", "wrr", "lc", "wlc"}) {
        flow::PrivateStorage storage;
        auto rig = make_rig(storage);
        if (!rig) return fail(rig.error());
        measure_one_service(**rig, options, scheduler, report);
    }
    return {};
}

}  // namespace xvs::bench
