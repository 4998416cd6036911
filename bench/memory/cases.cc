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

std::unique_ptr<flow::Storage> make_storage(TableKind kind) {
    if (kind == TableKind::Private) return std::make_unique<flow::PrivateStorage>();
    return std::make_unique<offload::BpfStorage>();
}

std::string_view name_of(TableKind kind) {
    return kind == TableKind::Private ? "private table" : "shared table";
}

std::string flows_text(std::uint32_t flows) {
    if (flows == 1) return "1 flow";
    if (flows >= 1'000'000) return fmt::format("{}M flows", flows / 1'000'000);
    if (flows >= 1000) return fmt::format("{}k flows", flows / 1000);
    return fmt::format("{} flows", flows);
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

template <class Ip>
Status measure_new_of(const CaseOptions& options,
                      const Stopwatch& watch,
                      Report& report,
                      model::ForwardingMethod method,
                      std::string_view name) {
    const std::unique_ptr<flow::Storage> storage = make_storage(options.table);
    const std::uint32_t live = options.live_of_new;
    const std::uint32_t capacity = std::max(std::bit_ceil(live), kLeastCapacity);
    auto rig = Rig<Ip>::create(*storage, method, capacity);
    if (!rig) return fail(rig.error());
    const std::unique_ptr<flow::Storage> other = make_storage(options.table);
    const bool is_nat = method == model::ForwardingMethod::Masquerade;
    auto skeleton = ConnectionSkeleton<Ip>::create(*other, capacity, is_nat);
    if (!skeleton) return fail(skeleton.error());
    const auto prepare = [&] {
        (*rig)->compose_new();
    };
    const auto run = [&] {
        (*rig)->run_new_burst(live);
    };
    for (std::uint32_t i = 0; i < live / BurstPort::kBurst * 5 / 4; ++i) {
        prepare();
        run();
    }
    (*skeleton)->fill();
    const std::uint64_t before = (*rig)->port().transmitted();
    // A slice spans several runs of the timers.
    const SliceOptions slices{.rounds = options.rounds / 2, .bursts = 512};
    const Comparison found = compare(
        watch, slices, prepare, [] {}, run, [&] { (*skeleton)->run_burst(); });
    const auto sent = static_cast<double>((*rig)->port().transmitted() - before);
    const auto expected = static_cast<double>(
        (slices.warm_up_bursts + slices.rounds * slices.bursts) * slices.items_of_burst);
    Row row{.group = fmt::format("New connection with its expiry, {}", name_of(options.table)),
            .name = fmt::format("{}, {}, {} live", name, family_name<Ip>(), flows_text(live)),
            .series = {},
            .value = found.subject,
            .skeleton = found.skeleton.median,
            .ratio = found.ratio};
    if (std::is_same_v<Ip, flow::Ipv4>) row.limit = options.table == TableKind::Private ? 300 : 350;
    row.text = fmt::format("{} live at its end, {:.2f} % made",
                           (*rig)->engine().connection_count(),
                           100 * sent / expected);
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

}  // namespace

Status measure_established(const CaseOptions& options, const Stopwatch& watch, Report& report) {
    if (Status status = measure_established_of<flow::Ipv4>(options, watch, report); !status)
        return status;
    return measure_established_of<flow::Ipv6>(options, watch, report);
}

Status measure_new(const CaseOptions& options, const Stopwatch& watch, Report& report) {
    for (const auto& [method, name] : kMethods) {
        if (Status status = measure_new_of<flow::Ipv4>(options, watch, report, method, name);
            !status) {
            return status;
        }
    }
    return measure_new_of<flow::Ipv6>(
        options, watch, report, model::ForwardingMethod::Masquerade, "NAT");
}

Status measure_miss(const CaseOptions& options, const Stopwatch& watch, Report& report) {
    if (Status status = measure_miss_of<flow::Ipv4>(options, watch, report); !status) return status;
    return measure_miss_of<flow::Ipv6>(options, watch, report);
}

}  // namespace xvs::bench
