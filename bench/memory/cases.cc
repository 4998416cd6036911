#include "bench/memory/cases.h"

#include <memory>
#include <string_view>

#include <fmt/format.h>

#include "bench/memory/instructions.h"
#include "bench/memory/rig.h"
#include "bench/memory/skeleton.h"
#include "flow/storage.h"
#include "offload/bpf_storage.h"

namespace xvs::bench {
namespace {

constexpr std::uint32_t kLeastCapacity = flow::kMinDefaultConnections;

constexpr std::pair<model::ForwardingMethod, std::string_view> kMethods[] = {
    {model::ForwardingMethod::Masquerade, "NAT"},
    {model::ForwardingMethod::DirectRoute, "DR"},
    {model::ForwardingMethod::Tunnel, "TUN"},
};

// A round of new connections spans several runs of the timers.
constexpr std::size_t kNewBursts = 1024;

std::unique_ptr<flow::Storage> make_storage(TableKind kind) {
    if (kind == TableKind::Private) return std::make_unique<flow::PrivateStorage>();
    return std::make_unique<offload::BpfStorage>();
}

std::string_view name_of(TableKind kind) {
    return kind == TableKind::Private ? "private table" : "shared table";
}

std::string count_text(std::uint32_t count) {
    if (count >= 1'000'000) return fmt::format("{}M", count / 1'000'000);
    if (count >= 1000) return fmt::format("{}k", count / 1000);
    return fmt::format("{}", count);
}

template <class Ip>
constexpr std::string_view family_name() {
    return std::is_same_v<Ip, flow::Ipv4> ? "IPv4" : "IPv6";
}

// DESIGN: what an established IPv4 packet may cost.
std::optional<double> limit_of(TableKind table, std::uint32_t flows) {
    const bool is_private = table == TableKind::Private;
    if (flows == 1) return 60;
    if (flows == 1024) return 70;
    if (flows == 1'000'000) return is_private ? 80 : 110;
    if (flows == 10'000'000) return is_private ? 100 : 140;
    return std::nullopt;
}

template <class Ip>
class Established {
public:
    Established(const CaseOptions& options, const Stopwatch& watch, Report& report)
        : options_(options), watch_(watch), report_(report) {}

    Status measure(model::ForwardingMethod method, std::string_view name, std::uint32_t flows) {
        const std::unique_ptr<flow::Storage> storage = make_storage(options_.table);
        auto rig = Rig<Ip>::create(*storage, method, std::max(flows, kLeastCapacity));
        if (!rig) return fail(rig.error());
        (*rig)->establish(flows);
        const bool is_nat = method == model::ForwardingMethod::Masquerade;
        measure(**rig, is_nat ? "NAT in" : std::string(name), flows, [&](RandomOrder& order) {
            (*rig)->compose_requests(order);
        });
        if (!is_nat) return {};
        measure(
            **rig, "NAT out", flows, [&](RandomOrder& order) { (*rig)->compose_replies(order); });
        return {};
    }

private:
    template <class Compose>
    void measure(Rig<Ip>& rig, const std::string& series, std::uint32_t flows, Compose&& compose) {
        Skeleton<Ip> skeleton(rig.tables());
        RandomOrder order(flows);
        const auto prepare = [&] {
            compose(order);
        };
        const auto run = [&rig] {
            rig.run_burst();
        };
        const std::uint64_t before = rig.port().transmitted();
        const SliceOptions slices{.rounds = options_.rounds};
        const Comparison found =
            compare(watch_, slices, prepare, prepare, run, [&] { skeleton.run(rig.port()); });
        const auto sent = static_cast<double>(rig.port().transmitted() - before);
        const auto expected = static_cast<double>(
            (slices.warm_up_bursts + slices.rounds * slices.bursts) * slices.items_of_burst);
        prepare();
        Row row{
            .group = fmt::format("Established, {}, {}", family_name<Ip>(), name_of(options_.table)),
            .name = fmt::format("{}, {}", series, flows_text(flows)),
            .series = series,
            .x = flows,
            .value = found.subject,
            .skeleton = found.skeleton.median,
            .ratio = found.ratio};
        if (options_.counts_instructions && flows <= 1024) {
            if (const auto count = count_instructions(run))
                row.instructions = static_cast<double>(*count) / BurstPort::kBurst;
        }
        if (std::is_same_v<Ip, flow::Ipv4>) row.limit = limit_of(options_.table, flows);
        // A full table refuses one connection in some hundreds; its packets are not forwarded.
        if (sent < 0.99 * expected) {
            row.text = fmt::format("only {:.1f} % were forwarded", 100 * sent / expected);
        }
        report_.add(std::move(row));
    }

    const CaseOptions& options_;
    const Stopwatch& watch_;
    Report& report_;
};

struct NewCase {
    model::ForwardingMethod method;
    std::string_view name;
    std::uint32_t live;
    std::uint32_t capacity;
    std::optional<double> limit;
};

template <class Ip>
Status measure_new_of(const CaseOptions& options,
                      const Stopwatch& watch,
                      Report& report,
                      const NewCase& wanted) {
    const std::unique_ptr<flow::Storage> storage = make_storage(options.table);
    auto rig = Rig<Ip>::create(*storage, wanted.method, wanted.capacity);
    if (!rig) return fail(rig.error());
    const std::unique_ptr<flow::Storage> other = make_storage(options.table);
    const bool is_nat = wanted.method == model::ForwardingMethod::Masquerade;
    auto skeleton = ConnectionSkeleton<Ip>::create(*other, wanted.live, wanted.capacity, is_nat);
    if (!skeleton) return fail(skeleton.error());
    const auto time_new = [&](LumpTimer& timer) {
        (*rig)->compose_new();
        (*rig)->pass_time(wanted.live);
        timer.time_burst([&] { (*rig)->run_burst(); });
        timer.time_expiry([&] { return (*rig)->run_timers(); });
    };
    const auto time_skeleton = [&](LumpTimer& timer) {
        timer.time_burst([&] { (*skeleton)->run_burst(); });
        timer.time_expiry([&] { return (*skeleton)->run_timers(); });
    };
    LumpTimer filling;
    for (std::uint32_t i = 0; i < wanted.live / BurstPort::kBurst * 5 / 4; ++i) {
        time_new(filling);
    }
    for (std::uint32_t i = 0; i < wanted.live / BurstPort::kBurst * 5 / 4; ++i)
        time_skeleton(filling);
    const std::uint64_t before = (*rig)->port().transmitted();
    Rounds rounds;
    const std::size_t count = std::max<std::size_t>(options.rounds / 4, 5);
    constexpr double kItems = kNewBursts * BurstPort::kBurst;
    for (std::size_t round = 0; round < count; ++round) {
        LumpTimer subject;
        LumpTimer bare;
        for (std::size_t burst = 0; burst < kNewBursts; ++burst)
            time_new(subject);
        for (std::size_t burst = 0; burst < kNewBursts; ++burst)
            time_skeleton(bare);
        rounds.add(watch.to_nanoseconds(subject.total()) / kItems,
                   watch.to_nanoseconds(bare.total()) / kItems);
    }
    const Comparison found = rounds.comparison();
    const auto sent = static_cast<double>((*rig)->port().transmitted() - before);
    Row row{.group = fmt::format("New connection with its expiry, {}", name_of(options.table)),
            .name = fmt::format("{}, {}, {} of {} live",
                                wanted.name,
                                family_name<Ip>(),
                                count_text(wanted.live),
                                count_text(wanted.capacity)),
            .value = found.subject,
            .skeleton = found.skeleton.median,
            .ratio = found.ratio,
            .limit = wanted.limit};
    row.text =
        fmt::format("{:.2f} % refused", 100 - 100 * sent / (kItems * static_cast<double>(count)));
    report.add(std::move(row));
    return {};
}

template <class Ip>
Status measure_miss_of(const CaseOptions& options, const Stopwatch& watch, Report& report) {
    const std::unique_ptr<flow::Storage> storage = make_storage(options.table);
    const std::uint32_t live = options.live_of_new;
    auto rig = Rig<Ip>::create(*storage,
                               model::ForwardingMethod::Masquerade,
                               std::max(std::bit_ceil(live), kLeastCapacity));
    if (!rig) return fail(rig.error());
    (*rig)->establish(live);
    Skeleton<Ip> skeleton((*rig)->tables());
    const auto run = [&] {
        (*rig)->run_burst();
    };
    const auto measure = [&](std::string_view name, auto&& prepare, std::optional<double> limit) {
        const SliceOptions slices{.rounds = options.rounds};
        const Comparison found =
            compare(watch, slices, prepare, prepare, run, [&] { skeleton.run((*rig)->port()); });
        prepare();
        Row row{.group = fmt::format("Not forwarded, {}", name_of(options.table)),
                .name = fmt::format("{}, {}, {}", name, family_name<Ip>(), flows_text(live)),
                .series = {},
                .value = found.subject,
                .skeleton = found.skeleton.median,
                .ratio = found.ratio,
                .limit = limit};
        if (options.counts_instructions && live <= 131072) {
            if (const auto count = count_instructions(run))
                row.instructions = static_cast<double>(*count) / BurstPort::kBurst;
        }
        report.add(std::move(row));
    };
    measure(
        "other address", [&] { (*rig)->compose_for_stranger(); }, 25);
    measure(
        "other port of VIP", [&] { (*rig)->compose_for_other_port(); }, std::nullopt);
    return {};
}

template <class Ip>
Status measure_established_of(const CaseOptions& options, const Stopwatch& watch, Report& report) {
    Established<Ip> established(options, watch, report);
    for (const auto& [method, name] : kMethods) {
        for (const std::uint32_t flows : options.flows) {
            if (const Status status = established.measure(method, name, flows); !status)
                return status;
        }
    }
    return {};
}

// A slot, its owner, the record, and of the timer its first check and two places in the wheel
// (chunks of 64 bytes hold 15).
template <class Entry>
constexpr double bytes_of(unsigned entries) {
    constexpr double kSlotsOfEntry = 2;  // at half load
    constexpr double kSlot = sizeof(Entry) + sizeof(std::uint32_t);
    return entries * kSlotsOfEntry * kSlot + sizeof(xvs_connection) + sizeof(engine::Tick) +
           2 * 64.0 / 15;
}

}  // namespace

std::string flows_text(std::uint32_t flows) {
    return count_text(flows) + (flows == 1 ? " flow" : " flows");
}

void measure_memory(Report& report) {
    const auto add = [&report](std::string name, double bytes, std::optional<double> limit) {
        Row row{.group = "Memory of a live connection, slots at half load",
                .name = std::move(name),
                .unit = "B",
                .value = {.median = bytes, .minimum = bytes, .maximum = bytes, .samples = 0},
                .limit = limit};
        report.add(std::move(row));
    };
    add("NAT, IPv4", bytes_of<xvs_flow4>(2), 200);
    add("DR and TUN, IPv4", bytes_of<xvs_flow4>(1), 136);
    add("NAT, IPv6", bytes_of<xvs_flow6>(2), std::nullopt);
    add("DR and TUN, IPv6", bytes_of<xvs_flow6>(1), std::nullopt);
    report.add_note(
        "A connection by DR or TUN has one entry, one by NAT two. Slots are laid out for two: a "
        "director that has no NAT fills them to a quarter, and its connections take as much as "
        "NAT's.");
}

Status measure_established(const CaseOptions& options, const Stopwatch& watch, Report& report) {
    if (Status status = measure_established_of<flow::Ipv4>(options, watch, report); !status)
        return status;
    return measure_established_of<flow::Ipv6>(options, watch, report);
}

Status measure_new(const CaseOptions& options, const Stopwatch& watch, Report& report) {
    const double limit = options.table == TableKind::Private ? 300 : 350;
    const std::uint32_t live = options.live_of_new;
    const std::uint32_t capacity = std::max(std::bit_ceil(live), kLeastCapacity);
    for (const auto& [method, name] : kMethods) {
        const NewCase half{method, name, live, 2 * capacity, limit};
        if (Status status = measure_new_of<flow::Ipv4>(options, watch, report, half); !status)
            return status;
        const NewCase full{method, name, live, capacity, std::nullopt};
        if (Status status = measure_new_of<flow::Ipv4>(options, watch, report, full); !status)
            return status;
    }
    const NewCase ipv6{
        model::ForwardingMethod::Masquerade, "NAT", live, 2 * capacity, std::nullopt};
    return measure_new_of<flow::Ipv6>(options, watch, report, ipv6);
}

Status measure_miss(const CaseOptions& options, const Stopwatch& watch, Report& report) {
    if (Status status = measure_miss_of<flow::Ipv4>(options, watch, report); !status) return status;
    return measure_miss_of<flow::Ipv6>(options, watch, report);
}

}  // namespace xvs::bench
