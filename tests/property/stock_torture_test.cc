// Two CPUs that meet the same new flows at the same moment, at tc or at XDP, while services are
// edited: every packet goes where the flow's first one went, to a server that was configured then.
#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "testing/program_entrance.h"

namespace xvs::test {
namespace {

constexpr unsigned kCpus = 2;
constexpr unsigned kServers = 4;
constexpr unsigned kSchedulers = 6;
// Both CPUs meet each flow's first packet at the same moment, and others of the few flows after it.
constexpr unsigned kFlows = 12000;
constexpr unsigned kWindow = 16;
constexpr unsigned kPacketsPerFlow = 4;  // and CPU
constexpr unsigned kPacketsPerEdit = 600;
// For the other CPU, which may have no time now.
constexpr unsigned kPatience = 20'000;
// XVS_TORTURE_SECONDS in the environment says another.
constexpr int kSeconds = 10;
constexpr unsigned kActions = 4;  // a weight of 0, 1 or 2, or a removal

struct Flow {
    unsigned service = 0;  // 0: NAT and rr, 1: direct routing and wrr
    std::uint16_t port = 0;

    auto operator<=>(const Flow&) const = default;
};

unsigned draw(std::mt19937& random, unsigned bound) {
    return static_cast<unsigned>(random() % bound);
}

Flow flow_of(unsigned number) {
    return {.service = number % 2, .port = static_cast<std::uint16_t>(1024 + number / 2)};
}

// Addresses of a family, all but their last digit, and where they stand in a frame.
struct Addresses {
    const char* client;
    const char* vip;
    const char* server;
    bool has_brackets;  // in a command
    std::size_t protocol_at;
    std::size_t source_ends_at;
    std::size_t header_ends_at;
};

constexpr Addresses kIpv4{.client = "198.51.100.",
                          .vip = "192.0.2.",
                          .server = "10.0.0.1",
                          .has_brackets = false,
                          .protocol_at = 14 + 9,
                          .source_ends_at = 14 + 16,
                          .header_ends_at = 14 + 20};
constexpr Addresses kIpv6{.client = "2001:db8:1::",
                          .vip = "2001:db8::",
                          .server = "2001:db8:2::1",
                          .has_brackets = true,
                          .protocol_at = 14 + 6,
                          .source_ends_at = 14 + 24,
                          .header_ends_at = 14 + 40};

net::Endpoint endpoint(const char* prefix, unsigned number, std::uint16_t port) {
    return {*net::IpAddress::parse(prefix + std::to_string(number)), net::Port{port}};
}

// As ipvsadm takes it.
std::string written(const Addresses& addresses, const char* prefix, unsigned number) {
    const std::string address = prefix + std::to_string(number);
    return (addresses.has_brackets ? "[" + address + "]" : address) + ":80";
}

// With a client of its own for each service, so that what leaves tells whose it is.
Bytes frame_of(const Addresses& addresses, const Flow& flow, const char* flags) {
    return Packet::tcp(endpoint(addresses.client, 7 + flow.service, flow.port),
                       endpoint(addresses.vip, 1 + flow.service, 80))
        .flags(flags)
        .frame(net::MacAddress(), director_link(Side::Client).mac);
}

Flow flow_of(const Addresses& addresses, const Bytes& frame) {
    return {.service = frame[addresses.source_ends_at - 1] == std::byte{7} ? 0U : 1U,
            .port = load_be16(frame.data() + addresses.header_ends_at)};
}

// Else it is an error for the client: there is no server.
bool is_tcp(const Addresses& addresses, const Bytes& frame) {
    return frame[addresses.protocol_at] == std::byte{6};
}

// Two services, each with three of the four servers.
std::string services(const Addresses& addresses) {
    std::string all;
    for (const unsigned number : {0U, 1U}) {
        const std::string name = " -t " + written(addresses, addresses.vip, 1 + number);
        all += "-A" + name + (number == 0 ? " -s rr\n" : " -s wrr\n");
        for (const unsigned server : {1U, 2U, 3U})
            all += "-a" + name + " -r " + written(addresses, addresses.server, server) +
                   (number == 0 ? " -m\n" : " -g -w " + std::to_string(server) + "\n");
    }
    return all;
}

std::string server_of(const Bytes& frame) {
    const TestHost* const host = find_host(net::MacAddress::load(frame.data()));
    return host == nullptr ? "nobody" : std::string(host->name);
}

// What all threads know: where flows go, and what is configured.
class Ledger {
public:
    explicit Ledger(const Addresses& addresses) : addresses_(addresses) {}

    // Edits come in pairs of calls: `mask` has a bit for each server that may get new connections.
    void begin_edit() { ++edits_; }

    void end_edit(unsigned service, unsigned mask) {
        servers_[service] = mask;
        ++edits_;
    }

    struct Moment {
        unsigned edits = 0;
        std::array<unsigned, 2> servers{};
    };

    [[nodiscard]] Moment now() const {
        return {.edits = edits_.load(), .servers = {servers_[0].load(), servers_[1].load()}};
    }

    // A packet left; `before`: when it was met, if that is known.
    void note(const Bytes& frame, const std::optional<Moment>& before) {
        const Flow flow = flow_of(addresses_, frame);
        const std::string server = server_of(frame);
        const std::lock_guard lock(mutex_);
        const auto [known, is_new] = servers_of_.emplace(flow, server);
        if (known->second != server)
            problem(server + " got what went to " + known->second + " before");
        const bool is_settled = before && before->edits % 2 == 0 && edits_ == before->edits;
        if (!is_new || !is_settled) return;
        const unsigned number = static_cast<unsigned>(server.back() - '1');
        if ((before->servers[flow.service] >> number & 1U) == 0)
            problem(server + " got a new connection and was not there");
    }

    [[nodiscard]] std::string problems() const { return problems_; }

    [[nodiscard]] std::size_t flows() const { return servers_of_.size(); }

private:
    void problem(const std::string& text) {
        if (problems_.size() < 2000) problems_ += text + "\n";
    }

    const Addresses& addresses_;
    std::atomic<unsigned> edits_ = 0;
    std::array<std::atomic<unsigned>, 2> servers_{0b0111U, 0b0111U};
    std::mutex mutex_;
    std::map<Flow, std::string> servers_of_;
    std::string problems_;
};

// What goes up, until the engine takes it.
class Uplink {
public:
    void push(Passage passage) {
        const std::lock_guard lock(mutex_);
        waiting_.push_back(std::move(passage));
    }

    std::deque<Passage> take() {
        const std::lock_guard lock(mutex_);
        return std::exchange(waiting_, {});
    }

private:
    std::mutex mutex_;
    std::deque<Passage> waiting_;
};

// What became of all flows of a case.
struct Counts {
    std::uint64_t drawn = 0;
    std::uint64_t at_tc_after_xdp = 0;  // left at tc, though they had met XDP
    std::uint64_t raised = 0;           // went up by AF_XDP
    std::uint64_t followed = 0;         // came after a SYN, and left without the engine
};

class Torture {
public:
    Torture(TestedProgram& program, const Addresses& addresses, std::uint32_t seed)
        : addresses_(addresses),
          seed_(seed),
          director_(services(addresses),
                    {.connections = 1U << 16,
                     .storage = &program.storage(),
                     .cpus = TestedProgram::cpus(),
                     .stock = XVS_STOCK_SIZE,
                     .stock_by_counts = 64}) {
        auto entrance = program.stand_before(director_);
        if (!entrance) throw std::runtime_error(entrance.error().context);
        entrance_ = std::move(*entrance);
    }

    // Returns what went wrong, a sentence a line.
    std::string run() {
        std::vector<std::thread> cpus;
        for (unsigned cpu = 0; cpu < kCpus; ++cpu)
            cpus.emplace_back([this, cpu] { meet_packets(cpu); });
        std::mt19937 random(seed_);
        for (unsigned edits = 0; done_ < kCpus;) {
            serve();
            if (met_ < edits * kPacketsPerEdit) continue;
            edit(draw(random, 2),
                 draw(random, kServers),
                 draw(random, kActions),
                 draw(random, kSchedulers));
            ++edits;
        }
        for (std::thread& cpu : cpus)
            cpu.join();
        serve();
        director_.engine.catch_up();
        std::string problems = ledger_.problems() + director_.inconsistencies();
        const std::size_t connections = director_.connections().size();
        if (connections != ledger_.flows()) {
            problems += std::to_string(connections) + " connections of " +
                        std::to_string(ledger_.flows()) + " flows\n";
        }
        return problems;
    }

    void add_to(Counts& counts) const {
        counts.drawn += director_.engine.drawn_connections();
        counts.at_tc_after_xdp += entrance_->missed_at_xdp();
        counts.raised += entrance_->raised();
        counts.followed += followed_;
    }

private:
    void meet_packets(unsigned cpu) {
        std::mt19937 random(seed_ * kCpus + cpu);
        for (unsigned number = 0; number < kFlows; ++number) {
            meet(cpu, flow_of(number), true, [=, this] { await_others(cpu, number); });
            for (unsigned i = 1; i < kPacketsPerFlow; ++i)
                meet(cpu, flow_of(number + draw(random, kWindow)), draw(random, 3) != 0);
        }
        ++done_;
    }

    void await_others(unsigned cpu, unsigned number) {
        reached_[cpu] = number;
        for (unsigned i = 0; i < kPatience && reached_[kCpus - 1 - cpu] < number; ++i) {
        }
    }

    // `opens`: a SYN, or else what follows one.
    void meet(
        unsigned cpu, const Flow& flow, bool opens, const std::function<void()>& at_last = [] {}) {
        ++met_;
        const Bytes frame = frame_of(addresses_, flow, opens ? "S" : ".");
        const Ledger::Moment before = ledger_.now();
        Passage passage = entrance_->admit_by(cpu, frame, Side::Client, at_last);
        if (passage.way == Passage::Way::Replayed) {
            ledger_.note(passage.frame, opens ? std::optional(before) : std::nullopt);
            if (!opens) ++followed_;
        } else if (passage.way == Passage::Way::Engine) {
            uplink_.push(std::move(passage));
        }
    }

    void serve() {
        for (const Passage& passage : uplink_.take()) {
            director_.port.inject(passage.frame,
                                  {.interface = interface_of(Side::Client),
                                   .reason = passage.reason,
                                   .report_ring = passage.report_ring,
                                   .report_position = passage.report_position,
                                   .offload = {}});
        }
        while (director_.engine.process_burst() > 0) {
        }
        for (const io::MemoryPort::Output& output : director_.take_output()) {
            const bool is_sent = output.way == io::MemoryPort::Way::Transmitted;
            if (is_sent && is_tcp(addresses_, output.bytes))
                ledger_.note(output.bytes, std::nullopt);
        }
    }

    // Takes a server away, brings one (back), or gives it another weight; at times the service gets
    // another scheduler as well.
    void edit(unsigned service, unsigned server, unsigned action, unsigned scheduler) {
        const std::string of_service = " -t " + written(addresses_, addresses_.vip, 1 + service);
        const std::string names =
            of_service + " -r " + written(addresses_, addresses_.server, 1 + server);
        unsigned& mask = masks_[service];
        unsigned& weights = weighted_[service];
        const unsigned bit = 1U << server;
        const bool is_there = (mask & bit) != 0;
        const bool is_removal = action == kActions - 1 && is_there;
        const unsigned weight = action % (kActions - 1);
        ledger_.begin_edit();
        if (action == 0) {
            const char* const schedulers[kSchedulers] = {"rr", "wrr", "wlc", "lc", "sh", "mh"};
            const std::string command = "-E" + of_service + " -s " + schedulers[scheduler];
            EXPECT_TRUE(director_.ipvsadm(command)) << command;
        }
        std::string command = (is_removal ? "-d" : is_there ? "-e" : "-a") + names;
        if (!is_removal) command += (service == 0 ? " -m -w " : " -g -w ") + std::to_string(weight);
        EXPECT_TRUE(director_.ipvsadm(command)) << command;
        mask = is_removal ? mask & ~bit : mask | bit;
        weights = !is_removal && weight != 0 ? weights | bit : weights & ~bit;
        ledger_.end_edit(service, weights);
    }

    const Addresses& addresses_;
    std::uint32_t seed_;
    Director director_;
    std::unique_ptr<ProgramEntrance> entrance_;
    Ledger ledger_{addresses_};
    Uplink uplink_;
    std::array<unsigned, 2> masks_{0b0111U, 0b0111U};
    std::array<unsigned, 2> weighted_{0b0111U, 0b0111U};
    std::array<std::atomic<unsigned>, kCpus> reached_{};
    std::atomic<unsigned> met_ = 0;
    std::atomic<unsigned> done_ = 0;
    std::atomic<unsigned> followed_ = 0;
};

std::chrono::seconds torture_time() {
    const char* const wanted = std::getenv("XVS_TORTURE_SECONDS");
    return std::chrono::seconds(wanted != nullptr ? std::atoi(wanted) : kSeconds);
}

// Where the program meets packets, and how what the engine must see goes up.
enum class Meeting : std::uint8_t { AtTc, AtXdp, AtXdpWithSocket };

const char* name_of(Meeting meeting) {
    switch (meeting) {
        case Meeting::AtTc:
            return "tc";
        case Meeting::AtXdp:
            return "xdp";
        case Meeting::AtXdpWithSocket:
            return "xdp_with_socket";
    }
    return "";
}

class StockTorture : public ::testing::TestWithParam<std::tuple<Meeting, net::Family>> {
protected:
    [[nodiscard]] static Meeting meeting() { return std::get<0>(GetParam()); }

    [[nodiscard]] static const Addresses& addresses() {
        return std::get<1>(GetParam()) == net::Family::Ipv4 ? kIpv4 : kIpv6;
    }

    static void expect_meetings(const Counts& counts) {
        EXPECT_GT(counts.drawn, 500U);
        EXPECT_GT(counts.followed, 500U);
        if (meeting() == Meeting::AtTc) return;
        // The rest was drawn at XDP.
        EXPECT_LT(counts.at_tc_after_xdp, counts.drawn / 2);
        if (meeting() != Meeting::AtXdpWithSocket) return;
        EXPECT_EQ(counts.at_tc_after_xdp, 0U);
        EXPECT_GT(counts.raised, 0U);
    }
};

INSTANTIATE_TEST_SUITE_P(
    Every,
    StockTorture,
    ::testing::Combine(::testing::Values(Meeting::AtTc, Meeting::AtXdp, Meeting::AtXdpWithSocket),
                       ::testing::Values(net::Family::Ipv4, net::Family::Ipv6)),
    [](const auto& each) {
        const bool is_ipv4 = std::get<1>(each.param) == net::Family::Ipv4;
        return std::string(is_ipv4 ? "ipv4_" : "ipv6_") + name_of(std::get<0>(each.param));
    });

// New directors and flows, until the time is over.
TEST_P(StockTorture, TwoCpusAgreeOnEachFlowsServerWhileServicesAreEdited) {
    if (const std::string reason = why_no_programs(); !reason.empty()) GTEST_SKIP() << reason;
    TestedProgram program({.replays = true,
                           .at_xdp = meeting() != Meeting::AtTc,
                           .draws = true,
                           .by_af_xdp = meeting() == Meeting::AtXdpWithSocket});
    const auto end = std::chrono::steady_clock::now() + torture_time();
    Counts counts;
    for (std::uint32_t seed = 0; std::chrono::steady_clock::now() < end; ++seed) {
        Torture torture(program, addresses(), seed);
        ASSERT_EQ(torture.run(), "") << "seed " << seed;
        torture.add_to(counts);
    }
    expect_meetings(counts);
}

}  // namespace
}  // namespace xvs::test
