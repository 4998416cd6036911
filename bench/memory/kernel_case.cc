// What a packet costs in the kernel: the steering program, run on frames one by one.
#include <algorithm>
#include <memory>

#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf.h>
#include <fmt/format.h>

#include "bench/memory/cases.h"
#include "bench/memory/rig.h"
#include "offload/bpf_storage.h"
#include "offload/steering_program.h"

namespace xvs::bench {
namespace {

constexpr std::uint32_t kLoopback = 1;  // what a test run comes in on
constexpr std::uint32_t kSlot = 1;
constexpr std::size_t kPacketsOfSample = 256;

struct TestRun {
    std::uint32_t nanoseconds = 0;
    int action = -1;
    bool is_sent_up = false;
};

// Each run is one packet of its own: a program that is repeated on one packet finds it rewritten.
TestRun run_once(int program, const std::byte* frame, std::size_t size) {
    std::byte out[256];
    LIBBPF_OPTS(bpf_test_run_opts,
                options,
                .data_in = frame,
                .data_out = out,
                .data_size_in = static_cast<__u32>(size),
                .data_size_out = sizeof(out));
    if (::bpf_prog_test_run_opts(program, &options) != 0) return {};
    return {.nanoseconds = options.duration,
            .action = static_cast<int>(options.retval),
            .is_sent_up = out[0] == std::byte{XVS_METADATA_MAGIC}};
}

// What the kernel says of a program that does nothing: the clock's share.
UniqueFd load_nothing() {
    const bpf_insn instructions[] = {
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0},
        {.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0}};
    return UniqueFd(::bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS,
                                    "xvs_nothing",
                                    "GPL",
                                    instructions,
                                    std::size(instructions),
                                    nullptr));
}

template <class Ip>
Result<std::unique_ptr<offload::SteeringProgram>> load_program(const offload::BpfStorage& storage,
                                                               Rig<Ip>& rig) {
    auto program =
        offload::SteeringProgram::load({.storage = &storage, .header = &rig.tables().header()});
    if (!program) return program;
    (*program)->control().near_ifindex = kLoopback;
    (*program)->interfaces()[kSlot] = {
        .ifindex = kLoopback, .mac = {}, .link_header = 1, .reserved = 0};
    const int slots = (*program)->map(offload::SteeringMap::Slots);
    if (::bpf_map_update_elem(slots, &kLoopback, &kSlot, BPF_ANY) != 0)
        return fail(system_error("serving the loopback interface", errno));
    (*program)->remember(virtual_service<Ip>().address);
    for (std::uint32_t number = 0; number < kRealServers; ++number)
        (*program)->remember(real_server<Ip>(number).address);
    return program;
}

// Times packets that `compose()` has written into the rig's port, less what nothing takes.
class KernelTimer {
public:
    KernelTimer(int program, int nothing) : program_(program), nothing_(nothing) {}

    template <class Compose>
    void time(BurstPort& port, std::size_t samples, Compose&& compose) {
        for (std::size_t sample = 0; sample < samples; ++sample) {
            double spent = 0;
            double base = 0;
            for (std::size_t packet = 0; packet < kPacketsOfSample; packet += BurstPort::kBurst) {
                compose();
                for (const engine::Frame& frame : port.frames()) {
                    const TestRun run = run_once(program_, frame.data, frame.length);
                    replayed_ += run.action == TC_ACT_REDIRECT && !run.is_sent_up;
                    ++packets_;
                    spent += run.nanoseconds;
                    base += run_once(nothing_, frame.data, frame.length).nanoseconds;
                }
            }
            samples_.push_back(std::max(0.0, spent - base) / kPacketsOfSample);
        }
    }

    [[nodiscard]] Summary summary() { return summarize(samples_); }

    // Returns which part of the packets went on from the kernel.
    [[nodiscard]] double replayed() const {
        return static_cast<double>(replayed_) / static_cast<double>(packets_);
    }

private:
    int program_;
    int nothing_;
    std::vector<double> samples_;
    std::size_t replayed_ = 0;
    std::size_t packets_ = 0;
};

struct KernelCase {
    model::ForwardingMethod method;
    std::string_view name;
    std::uint32_t flows;
};

template <class Ip>
Status measure_case(const CaseOptions& options,
                    int nothing,
                    const KernelCase& wanted,
                    Report& report) {
    offload::BpfStorage storage;
    auto rig = Rig<Ip>::create(
        storage, wanted.method, std::max(wanted.flows, flow::kMinDefaultConnections));
    if (!rig) return fail(rig.error());
    (*rig)->establish(wanted.flows);
    auto program = load_program<Ip>(storage, **rig);
    if (!program) return fail(program.error());
    KernelTimer timer((*program)->program(offload::SteeringPart::Ingress), nothing);
    RandomOrder order(wanted.flows);
    timer.time((*rig)->port(), options.rounds, [&] { (*rig)->compose_requests(order); });
    Row row{.group = fmt::format("Established, {}, in the kernel",
                                 std::is_same_v<Ip, flow::Ipv4> ? "IPv4" : "IPv6"),
            .name = fmt::format("{}, {}", wanted.name, flows_text(wanted.flows)),
            .series = std::string(wanted.name),
            .x = wanted.flows,
            .value = timer.summary()};
    if (timer.replayed() < 0.99) {
        row.text = fmt::format("only {:.1f} % went on from there", 100 * timer.replayed());
    }
    report.add(std::move(row));
    return {};
}

}  // namespace

Status measure_kernel(const CaseOptions& options, Report& report) {
    const UniqueFd nothing = load_nothing();
    if (!nothing.is_open()) return fail(system_error("loading a BPF program", errno));
    const std::pair<model::ForwardingMethod, std::string_view> methods[] = {
        {model::ForwardingMethod::Masquerade, "NAT in"},
        {model::ForwardingMethod::DirectRoute, "DR"},
        {model::ForwardingMethod::Tunnel, "TUN"},
    };
    for (const bool is_ipv4 : {true, false}) {
        for (const auto& [method, name] : methods) {
            for (const std::uint32_t flows : options.flows) {
                const KernelCase wanted{method, name, flows};
                const Status status =
                    is_ipv4 ? measure_case<flow::Ipv4>(options, nothing.get(), wanted, report)
                            : measure_case<flow::Ipv6>(options, nothing.get(), wanted, report);
                if (!status) return status;
            }
        }
    }
    return {};
}

}  // namespace xvs::bench
