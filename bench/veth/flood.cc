// xvs_bench_flood: sends UDP packets of many flows through topologies that stand side by side, in
// short slices that alternate between them, and counts what arrives and what CPU time it took.
//
// The plan is read as JSON from standard input, the samples are written as JSON to standard output;
// bench/veth/packets.py writes the one and reads the other.
#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <net/if.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <nlohmann/json.hpp>
#include <sched.h>

#include "base/byte_order.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "lab/network_namespace.h"
#include "net/address.h"
#include "veth/control.h"
#include "veth/cpu_clocks.h"
#include "veth/flood.skel.h"
#include "veth/receiver.h"
#include "veth/receiver.skel.h"

namespace xvs::bench {
namespace {

using Json = nlohmann::json;

constexpr int kBatch = 64;  // packets between two runs of the receivers
constexpr std::uint64_t kFirstSlice = 32768;
constexpr std::uint64_t kLongestSlice = 4'000'000;
constexpr auto kDrain = std::chrono::milliseconds(10);

struct Destroy {
    void operator()(flood_bpf* program) const { flood_bpf__destroy(program); }

    void operator()(receiver_bpf* program) const { receiver_bpf__destroy(program); }
};

// Counts and drops at tc ingress of an interface, until it or its namespace goes.
class Receiver {
public:
    // REQUIRES: the caller is in the namespace of `interface`.
    static Result<Receiver> attach(const std::string& interface,
                                   net::Ipv4Address network,
                                   int prefix_length,
                                   std::uint16_t port) {
        Receiver result;
        result.program_.reset(receiver_bpf__open());
        if (!result.program_) return fail(system_error("opening the receiver", errno));
        auto& constants = *result.program_->rodata;
        constants.network = to_wire32(network.value());
        constants.network_mask = to_wire32(~0u << (32 - prefix_length));
        constants.port = to_wire16(port);
        if (receiver_bpf__load(result.program_.get()) != 0)
            return fail(system_error("loading the receiver", errno));
        const auto index = static_cast<int>(::if_nametoindex(interface.c_str()));
        // The cheaper way, where the kernel has it (Linux 6.6): what is measured is not this.
        result.link_ = UniqueFd(::bpf_link_create(
            ::bpf_program__fd(result.program_->progs.receive), index, kTcxIngress, nullptr));
        if (result.link_.is_open()) return result;
        LIBBPF_OPTS(bpf_tc_hook, hook);
        hook.ifindex = index;
        hook.attach_point = BPF_TC_INGRESS;
        LIBBPF_OPTS(bpf_tc_opts, options);
        options.prog_fd = ::bpf_program__fd(result.program_->progs.receive);
        options.handle = 1;
        options.priority = 1;
        options.flags = BPF_TC_F_REPLACE;
        (void)::bpf_tc_hook_create(&hook);  // it may be there already
        if (const int error = ::bpf_tc_attach(&hook, &options); error != 0)
            return fail(system_error("attaching the receiver to " + interface, -error));
        return result;
    }

    [[nodiscard]] std::uint64_t received() const {
        std::uint64_t sum = 0;
        for (const receiver_count& count : program_->bss->counts)
            sum += *const_cast<const volatile __u64*>(&count.packets);
        return sum;
    }

private:
    // BPF_TCX_INGRESS, which Debian 12's headers do not know.
    static constexpr auto kTcxIngress = static_cast<bpf_attach_type>(46);

    std::unique_ptr<receiver_bpf, Destroy> program_;
    UniqueFd link_;
};

struct Topology {
    Topology(std::string its_name, lab::NetworkNamespace its_client, Receiver its_receiver)
        : name(std::move(its_name)),
          client(std::move(its_client)),
          receiver(std::move(its_receiver)) {}

    std::string name;
    lab::NetworkNamespace client;
    Receiver receiver;
    int interface = 0;
    flood_control control{};
    CpuClocks clocks;
};

struct Sample {
    std::uint64_t sent = 0;
    std::uint64_t delivered = 0;
    std::chrono::nanoseconds elapsed{};
    std::chrono::nanoseconds cpu{};
};

flood_destination destination_of(net::Ipv4Address address, std::uint16_t port) {
    constexpr std::uint32_t kLength = FLOOD_FRAME_SIZE - ETH_HLEN;
    constexpr std::uint32_t kUdpLength = kLength - 20;
    const std::uint32_t sum = (address.value() >> 16) + (address.value() & 0xffff);
    flood_destination result{};
    result.address = to_wire32(address.value());
    result.ip_sum = 0x4500 + kLength + (64 << 8 | 17) + sum;
    // The payload is zeros; the length counts twice, as the pseudo-header has it too.
    result.udp_sum = 17 + 2 * kUdpLength + port + sum;
    return result;
}

// Sets what is the same in all packets of a topology, sums of it included.
Status set_packets(flood_control& control, const Json& plan, const Json& topology) {
    const auto client = net::Ipv4Address::parse(plan.value("first_client", ""));
    const auto from = net::MacAddress::parse(topology.value("client_mac", ""));
    const auto to = net::MacAddress::parse(topology.value("director_mac", ""));
    if (!client || !from || !to)
        return fail(ErrorCode::InvalidArgument, "the plan names an address that is none");
    std::memcpy(control.ethernet.h_source, from->bytes().data(), ETH_ALEN);
    std::memcpy(control.ethernet.h_dest, to->bytes().data(), ETH_ALEN);
    control.ethernet.h_proto = to_wire16(ETH_P_IP);
    const auto port = topology.value<std::uint16_t>("port", 0);
    control.destination_port = to_wire16(port);
    control.first_client = client->value();
    control.flow_mask = plan.value("flows", 1u) - 1;
    control.random = plan.value("random", false) ? 1 : 0;

    const auto names = topology.value("destinations", std::vector<std::string>{});
    if (names.empty()) return fail(ErrorCode::InvalidArgument, "the plan names no destination");
    for (std::size_t i = 0; i < FLOOD_DESTINATIONS; ++i) {
        const auto address = net::Ipv4Address::parse(names[i % names.size()]);
        if (!address)
            return fail(ErrorCode::InvalidArgument, "the plan names a destination that is none");
        control.destinations[i] = destination_of(*address, port);
    }
    return {};
}

Result<Receiver> attach_receiver(const Json& plan, const Json& from) {
    auto server = lab::NetworkNamespace::open(from.value("server", ""));
    if (!server) return fail(server.error());
    const auto network = net::Ipv4Address::parse(plan.value("real_servers", ""));
    if (!network) return fail(ErrorCode::InvalidArgument, "real_servers is an IPv4 network");
    const lab::NetworkNamespace::Scope inside(*server);
    return Receiver::attach(from.value("server_interface", ""),
                            *network,
                            plan.value("real_servers_prefix", 32),
                            from.value<std::uint16_t>("port", 0));
}

Result<Topology> open_topology(const Json& plan, const Json& from) {
    auto client = lab::NetworkNamespace::open(from.value("client", ""));
    if (!client) return fail(client.error());
    auto receiver = attach_receiver(plan, from);
    if (!receiver) return fail(receiver.error());
    Topology result(from.value("name", ""), std::move(*client), std::move(*receiver));
    const std::string interface = from.value("interface", "");
    const lab::NetworkNamespace::Scope inside(result.client);
    result.interface = static_cast<int>(::if_nametoindex(interface.c_str()));
    if (result.interface == 0)
        return fail(system_error("looking for the interface " + interface, errno));
    if (auto set = set_packets(result.control, plan, from); !set) return fail(set.error());
    for (const pid_t pid : from.value("processes", std::vector<pid_t>{})) {
        if (auto added = result.clocks.add(pid); !added) return fail(added.error());
    }
    return result;
}

class Flood {
public:
    static Result<Flood> create() {
        Flood result;
        result.program_.reset(flood_bpf__open_and_load());
        if (!result.program_) return fail(system_error("loading the packet source", errno));
        return result;
    }

    // Sends `count` packets in the caller's network namespace. Returns how long that took; what the
    // kernel needs before and after (some 20 ms, asleep) is not counted.
    Result<std::chrono::nanoseconds> send(const Topology& topology, std::uint64_t count) {
        std::array<std::byte, FLOOD_FRAME_SIZE> frame{};
        frame[12] = std::byte{0x08};
        frame[14] = std::byte{0x45};
        frame[23] = std::byte{17};
        store_be16(frame.data() + 38, FLOOD_FRAME_SIZE - ETH_HLEN - 20);
        xdp_md context{};
        context.data_end = frame.size();
        context.ingress_ifindex = static_cast<__u32>(topology.interface);
        LIBBPF_OPTS(bpf_test_run_opts, options);
        options.data_in = frame.data();
        options.data_size_in = frame.size();
        options.ctx_in = &context;
        options.ctx_size_in = sizeof context;
        options.repeat = static_cast<int>(count);
        options.flags = BPF_F_TEST_XDP_LIVE_FRAMES;
        options.batch_size = kBatch;
        if (const int error =
                ::bpf_prog_test_run_opts(::bpf_program__fd(program_->progs.flood), &options);
            error != 0)
            return fail(system_error("sending from " + topology.name, -error));
        return std::chrono::nanoseconds(options.duration) * static_cast<int>(count);
    }

    // Takes over the addresses of `topology`, and goes on counting flows where it is.
    void aim(const Topology& topology) {
        const std::uint32_t next = program_->bss->control.next;
        program_->bss->control = topology.control;
        program_->bss->control.next = next;
    }

    void start_at_first_flow(bool random) {
        program_->bss->control.next = 0;
        program_->bss->control.random = random ? 1 : 0;
    }

private:
    std::unique_ptr<flood_bpf, Destroy> program_;
};

struct Limits {
    int flows = 1;
    int rounds = 1;
    std::chrono::milliseconds slice{};
};

// Sends one packet of each flow, slowly, until all of a pass arrive. Returns what arrived of the
// last pass.
Result<std::uint64_t> establish(Flood& flood, const Topology& topology, const Limits& limits) {
    constexpr int kPasses = 12;
    constexpr int kAtOnce = 1024;  // fewer than the queue of a director in user space holds
    const lab::NetworkNamespace::Scope inside(topology.client);
    flood.aim(topology);
    std::uint64_t arrived = 0;
    for (int pass = 0; pass < kPasses; ++pass) {
        flood.start_at_first_flow(false);
        const std::uint64_t before = topology.receiver.received();
        for (int sent = 0; sent < limits.flows; sent += kAtOnce) {
            const auto count = static_cast<std::uint64_t>(std::min(kAtOnce, limits.flows - sent));
            if (auto done = flood.send(topology, count); !done) return fail(done.error());
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
        arrived = topology.receiver.received() - before;
        // The first pass makes the flows, the second shows that they stand.
        if (pass > 0 && arrived >= static_cast<std::uint64_t>(limits.flows)) break;
    }
    return arrived;
}

// Sends for about `slice`, judged by the last sample of the same topology.
Result<Sample> measure(Flood& flood,
                       const Topology& topology,
                       const Sample& last,
                       std::chrono::nanoseconds slice) {
    const lab::NetworkNamespace::Scope inside(topology.client);
    flood.aim(topology);
    Sample sample;
    sample.sent = kFirstSlice;
    if (last.sent > 0) {
        const double share = std::chrono::duration<double>(slice) / last.elapsed;
        const auto wanted = static_cast<std::uint64_t>(static_cast<double>(last.sent) * share);
        sample.sent = std::clamp(wanted, kFirstSlice, kLongestSlice);
    }
    const std::uint64_t delivered = topology.receiver.received();
    const auto cpu = topology.clocks.read();
    const auto elapsed = flood.send(topology, sample.sent);
    if (!elapsed) return fail(elapsed.error());
    std::this_thread::sleep_for(kDrain);
    sample.elapsed = std::max(*elapsed, std::chrono::nanoseconds(sample.sent));
    sample.cpu = topology.clocks.read() - cpu;
    sample.delivered = topology.receiver.received() - delivered;
    return sample;
}

Json to_json(const Sample& sample) {
    return {{"sent", sample.sent},
            {"delivered", sample.delivered},
            {"elapsed_ns", sample.elapsed.count()},
            {"cpu_ns", sample.cpu.count()}};
}

Result<Json> carry_out(const Json& plan) {
    const Limits limits{.flows = plan.value("flows", 1),
                        .rounds = plan.value("rounds", 1),
                        .slice = std::chrono::milliseconds(plan.value("slice_ms", 250))};
    auto flood = Flood::create();
    if (!flood) return fail(flood.error());
    Json result = Json::object();
    std::vector<Topology> topologies;
    for (const Json& from : plan.value("topologies", Json::array())) {
        auto topology = open_topology(plan, from);
        if (!topology) return fail(topology.error());
        auto arrived = establish(*flood, *topology, limits);
        if (!arrived) return fail(arrived.error());
        result[topology->name] = {{"established", *arrived}, {"samples", Json::array()}};
        topologies.push_back(std::move(*topology));
    }
    std::vector<Sample> last(topologies.size());
    // The first rounds warm caches and find out how many packets make a slice.
    constexpr int kWarmUp = 2;
    for (int round = 0; round < kWarmUp + limits.rounds; ++round) {
        for (std::size_t i = 0; i < topologies.size(); ++i) {
            const std::size_t turn = (i + static_cast<std::size_t>(round)) % topologies.size();
            const Topology& topology = topologies[turn];
            auto sample = measure(*flood, topology, last[turn], limits.slice);
            if (!sample) return fail(sample.error());
            last[turn] = *sample;
            if (round >= kWarmUp) result[topology.name]["samples"].push_back(to_json(*sample));
        }
    }
    return result;
}

// One CPU for the source and all receivers that run on its behalf.
void stay_on_cpu(int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(static_cast<std::size_t>(cpu), &set);
    (void)::sched_setaffinity(0, sizeof set, &set);
}

int run() {
    std::string text;
    std::getline(std::cin, text, '\0');
    const Json plan = Json::parse(text, nullptr, false);
    if (!plan.is_object()) {
        std::cerr << "xvs_bench_flood: standard input holds no plan (see bench/veth/packets.py)\n";
        return 2;
    }
    stay_on_cpu(plan.value("cpu", 0));
    const auto result = carry_out(plan);
    if (!result) {
        std::cerr << "xvs_bench_flood: " << result.error().context << "\n";
        return 1;
    }
    std::cout << result->dump() << "\n";
    return 0;
}

}  // namespace
}  // namespace xvs::bench

int main() {
    return xvs::bench::run();
}
