// Two CPUs that meet the same new flows at the same moment, while services are edited: every packet
// goes where the flow's first one went, to a server that was configured then.
#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "testing/program_entrance.h"

namespace xvs::test {
namespace {

constexpr unsigned kCpus = 2;
constexpr unsigned kServers = 4;
// Both CPUs are at work on the same few flows of those to come.
constexpr unsigned kWindow = 16;
constexpr unsigned kPacketsPerFlow = 4;
constexpr unsigned kPacketsPerEdit = 600;
constexpr unsigned kFlows = 24000;
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

// A SYN, and a client of its own for each service, so that what leaves tells whose it is.
Bytes frame_of(const Flow& flow) {
    const char* const clients[] = {"198.51.100.7", "198.51.100.8"};
    const char* const vips[] = {"192.0.2.1", "192.0.2.2"};
    const net::Endpoint client{*net::IpAddress::parse(clients[flow.service]), net::Port{flow.port}};
    const net::Endpoint vip{*net::IpAddress::parse(vips[flow.service]), net::Port{80}};
    return Packet::tcp(client, vip)
        .flags("S")
        .frame(net::MacAddress(), director_link(Side::Client).mac);
}

Flow flow_of(const Bytes& frame) {
    constexpr std::size_t kSourceEnd = 14 + 16;
    return {.service = frame[kSourceEnd - 1] == std::byte{7} ? 0U : 1U,
            .port = load_be16(frame.data() + 14 + 20)};
}

// Else it is an error for the client: there is no server.
bool is_tcp(const Bytes& frame) {
    constexpr std::size_t kProtocolAt = 14 + 9;
    return frame[kProtocolAt] == std::byte{6};
}

std::string server_of(const Bytes& frame) {
    const TestHost* const host = find_host(net::MacAddress::load(frame.data()));
    return host == nullptr ? "nobody" : std::string(host->name);
}

// What all threads know: where flows go, and what is configured.
class Ledger {
public:
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
        const Flow flow = flow_of(frame);
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

class Torture {
public:
    Torture(TestedProgram& program, std::uint32_t seed)
        : seed_(seed),
          director_(
              "-A -t 192.0.2.1:80 -s rr\n"
              "-a -t 192.0.2.1:80 -r 10.0.0.11:80 -m\n"
              "-a -t 192.0.2.1:80 -r 10.0.0.12:80 -m\n"
              "-a -t 192.0.2.1:80 -r 10.0.0.13:80 -m\n"
              "-A -t 192.0.2.2:80 -s wrr\n"
              "-a -t 192.0.2.2:80 -r 10.0.0.11:80 -g -w 1\n"
              "-a -t 192.0.2.2:80 -r 10.0.0.12:80 -g -w 2\n"
              "-a -t 192.0.2.2:80 -r 10.0.0.13:80 -g -w 3\n",
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
            edit(draw(random, 2), draw(random, kServers), draw(random, kActions));
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

    [[nodiscard]] std::uint64_t drawn() const { return director_.engine.drawn_connections(); }

private:
    void meet_packets(unsigned cpu) {
        std::mt19937 random(seed_ * kCpus + cpu);
        while (true) {
            const unsigned turn = met_++;
            if (turn >= kFlows * kPacketsPerFlow) break;
            const Bytes frame = frame_of(flow_of(turn / kPacketsPerFlow + draw(random, kWindow)));
            const Ledger::Moment before = ledger_.now();
            Passage passage = entrance_->admit_by(cpu, frame, Side::Client);
            if (passage.way == Passage::Way::Replayed) {
                ledger_.note(passage.frame, before);
            } else if (passage.way == Passage::Way::Engine) {
                uplink_.push(std::move(passage));
            }
        }
        ++done_;
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
            if (is_tcp(output.bytes)) ledger_.note(output.bytes, std::nullopt);
        }
    }

    // Takes a server away, brings one (back), or gives it another weight; at times the service gets
    // another scheduler as well.
    void edit(unsigned service, unsigned server, unsigned action) {
        const std::string names = " -t 192.0.2." + std::to_string(service + 1) + ":80 -r 10.0.0.1" +
                                  std::to_string(server + 1) + ":80";
        unsigned& mask = masks_[service];
        unsigned& weights = weighted_[service];
        const unsigned bit = 1U << server;
        const bool is_there = (mask & bit) != 0;
        const bool is_removal = action == kActions - 1 && is_there;
        const unsigned weight = action % (kActions - 1);
        ledger_.begin_edit();
        if (action == 0) change_scheduler(service, server);
        std::string command = (is_removal ? "-d" : is_there ? "-e" : "-a") + names;
        if (!is_removal) command += (service == 0 ? " -m -w " : " -g -w ") + std::to_string(weight);
        EXPECT_TRUE(director_.ipvsadm(command)) << command;
        mask = is_removal ? mask & ~bit : mask | bit;
        weights = !is_removal && weight != 0 ? weights | bit : weights & ~bit;
        ledger_.end_edit(service, weights);
    }

    void change_scheduler(unsigned service, unsigned number) {
        const char* const names[kServers] = {"rr", "wrr", "wlc", "lc"};
        EXPECT_TRUE(director_.ipvsadm("-E -t 192.0.2." + std::to_string(service + 1) + ":80 -s " +
                                      names[number]));
    }

    std::uint32_t seed_;
    Director director_;
    std::unique_ptr<ProgramEntrance> entrance_;
    Ledger ledger_;
    Uplink uplink_;
    std::array<unsigned, 2> masks_{0b0111U, 0b0111U};
    std::array<unsigned, 2> weighted_{0b0111U, 0b0111U};
    std::atomic<unsigned> met_ = 0;
    std::atomic<unsigned> done_ = 0;
};

std::chrono::seconds torture_time() {
    const char* const wanted = std::getenv("XVS_TORTURE_SECONDS");
    return std::chrono::seconds(wanted != nullptr ? std::atoi(wanted) : kSeconds);
}

// New directors and flows, until the time is over.
void torture(const TestedProgram::Options& options) {
    if (const std::string reason = why_no_programs(); !reason.empty()) GTEST_SKIP() << reason;
    TestedProgram program(options);
    const auto end = std::chrono::steady_clock::now() + torture_time();
    for (std::uint32_t seed = 0; std::chrono::steady_clock::now() < end; ++seed) {
        Torture torture(program, seed);
        ASSERT_EQ(torture.run(), "") << "seed " << seed;
        EXPECT_GT(torture.drawn(), 500U);
    }
}

TEST(StockTorture, TwoCpusAgreeOnEachFlowsServerWhileServicesAreEdited) {
    torture({.replays = true, .at_xdp = false, .draws = true});
}

}  // namespace
}  // namespace xvs::test
