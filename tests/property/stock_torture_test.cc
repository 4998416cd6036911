// Two CPUs that meet the same new flows at the same moment, while services are edited: every packet
// goes where the flow's first one went, to a server that was configured then.
#include <array>
#include <atomic>
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
    explicit Torture(TestedProgram& program)
        : director_(
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
               .stock = XVS_STOCK_SIZE}) {
        auto entrance = program.stand_before(director_);
        if (!entrance) throw std::runtime_error(entrance.error().context);
        entrance_ = std::move(*entrance);
    }

    // Returns what went wrong, a sentence a line.
    std::string run() {
        std::vector<std::thread> cpus;
        for (unsigned cpu = 0; cpu < kCpus; ++cpu)
            cpus.emplace_back([this, cpu] { meet_packets(cpu); });
        std::mt19937 random(20);  // NOLINT(cert-msc51-cpp): the same each time
        for (unsigned edits = 0; done_ < kCpus;) {
            serve();
            if (met_ < edits * kPacketsPerEdit) continue;
            edit(draw(random, 2), draw(random, kServers), draw(random, 3));
            ++edits;
        }
        for (std::thread& cpu : cpus)
            cpu.join();
        serve();
        director_.engine.catch_up();
        std::string problems = ledger_.problems() + director_.inconsistencies();
        if (director_.connections().size() != ledger_.flows())
            problems += "connections and flows differ in number\n";
        return problems;
    }

    [[nodiscard]] std::uint64_t drawn() const { return director_.engine.drawn_connections(); }

private:
    void meet_packets(unsigned cpu) {
        std::mt19937 random(cpu);
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
        for (const io::MemoryPort::Output& output : director_.take_output())
            ledger_.note(output.bytes, std::nullopt);
    }

    // Takes a server away, or brings one (back) with another weight.
    void edit(unsigned service, unsigned server, unsigned weight) {
        const std::string names = " -t 192.0.2." + std::to_string(service + 1) + ":80 -r 10.0.0.1" +
                                  std::to_string(server + 1) + ":80";
        const std::string how =
            std::string(service == 0 ? " -m" : " -g") + " -w " + std::to_string(weight);
        unsigned& mask = masks_[service];
        unsigned& weights = weighted_[service];
        const unsigned bit = 1U << server;
        ledger_.begin_edit();
        const bool is_there = (mask & bit) != 0;
        EXPECT_TRUE(director_.ipvsadm((is_there ? "-e" : "-a") + names + how));
        mask |= bit;
        weights = weight != 0 ? weights | bit : weights & ~bit;
        ledger_.end_edit(service, weights);
    }

    Director director_;
    std::unique_ptr<ProgramEntrance> entrance_;
    Ledger ledger_;
    Uplink uplink_;
    std::array<unsigned, 2> masks_{0b0111U, 0b0111U};
    std::array<unsigned, 2> weighted_{0b0111U, 0b0111U};
    std::atomic<unsigned> met_ = 0;
    std::atomic<unsigned> done_ = 0;
};

TEST(StockTorture, TwoCpusAgreeOnEachFlowsServerWhileServicesAreEdited) {
    if (const std::string reason = why_no_programs(); !reason.empty()) GTEST_SKIP() << reason;
    TestedProgram program({.replays = true, .at_xdp = false, .draws = true});
    Torture torture(program);
    EXPECT_EQ(torture.run(), "");
    EXPECT_GT(torture.drawn(), 500U);
}

}  // namespace
}  // namespace xvs::test
