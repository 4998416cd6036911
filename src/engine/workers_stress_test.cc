// Two workers at once, with services, templates, flow table and all else that they share, while
// somebody edits and lists: run under the thread sanitizer.
#include <atomic>
#include <chrono>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "base/gate.h"
#include "base/random_test.h"
#include "engine/engine.h"
#include "flow/storage.h"
#include "net/checksum.h"
#include "testing/fake_router.h"
#include "testing/fake_steering.h"

namespace xvs::engine {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kWorkers = 2;
constexpr std::size_t kFrameSize = kEthernetHeaderSize + 40;
constexpr std::uint32_t kClients = 2048;

// A clock that runs a hundred times as fast, so that connections end.
class FastClock final : public Clock {
public:
    [[nodiscard]] Nanoseconds now() const noexcept override {
        const auto since = std::chrono::steady_clock::now() - start_;
        return std::chrono::hours(1) + 100 * std::chrono::duration_cast<Nanoseconds>(since);
    }

private:
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

void put16(std::byte* to, unsigned value) {
    to[0] = static_cast<std::byte>(value >> 8);
    to[1] = static_cast<std::byte>(value);
}

// TCP from 198.51.100.x to 192.0.2.1, or UDP, or a fragment of it.
void write_packet(std::byte* frame, std::uint32_t client, unsigned port, unsigned kind) {
    std::fill_n(frame, kFrameSize, std::byte{0});
    put16(frame + 12, 0x0800);
    std::byte* const ip = frame + kEthernetHeaderSize;
    ip[0] = std::byte{0x45};
    put16(ip + 2, 40);
    put16(ip + 4, client);
    const bool is_udp = kind >= 6;
    if (kind == 7) put16(ip + 6, client % 2 == 0 ? 0x2000 : 0x0001);
    ip[8] = std::byte{64};
    ip[9] = is_udp ? std::byte{17} : std::byte{6};
    put16(ip + 12, 0xc633);
    put16(ip + 14, 0x6400 | client % 16);
    put16(ip + 16, 0xc000);
    put16(ip + 18, 0x0201);
    put16(ip + 20, 1024 + client / 16);
    put16(ip + 22, is_udp ? 53 : port);
    constexpr std::byte kFlags[] = {std::byte{0x02},
                                    std::byte{0x02},
                                    std::byte{0x10},
                                    std::byte{0x10},
                                    std::byte{0x11},
                                    std::byte{0x04}};
    if (is_udp) {
        put16(ip + 24, 20);
    } else {
        ip[32] = std::byte{0x50};
        ip[33] = kFlags[kind];
    }
    std::uint32_t sum = 0;
    for (int at = 0; at < 20; at += 2)
        sum += std::to_integer<unsigned>(ip[at]) << 8 | std::to_integer<unsigned>(ip[at + 1]);
    while (sum > 0xffff)
        sum = (sum & 0xffff) + (sum >> 16);
    put16(ip + 10, ~sum & 0xffff);
}

// Packets of clients at random, of whichever worker they are.
class StormPort final : public PacketPort {
public:
    explicit StormPort(unsigned seed) : random_(seed), buffers_(kMaxBurst * kRoom) {}

    std::size_t receive(std::span<Frame> frames) noexcept override {
        const std::size_t count = random_.below(kMaxBurst + 1);
        for (std::size_t each = 0; each < count; ++each) {
            std::byte* const data = &buffers_[each * kRoom + kFrameHeadroom];
            write_packet(
                data, random_.below(kClients), random_.below(2) == 0 ? 80 : 443, random_.below(8));
            frames[each] = {.data = data,
                            .length = kFrameSize,
                            .headroom = kFrameHeadroom,
                            .interface = 1,
                            .reason = XVS_REASON_SERVICE,
                            .offload = {}};
        }
        return count;
    }

    Frame make_frame() noexcept override { return {}; }

    void transmit(const Frame& /*frame*/, std::uint32_t /*interface*/) noexcept override {
        ++transmitted;
    }

    void transmit_encapsulated(const Frame& /*frame*/,
                               std::size_t /*outer_size*/,
                               std::uint32_t /*interface*/) noexcept override {
        ++transmitted;
    }

    void give_to_host(const Frame& /*frame*/) noexcept override {}

    void flush() noexcept override {}

    std::uint64_t transmitted = 0;

private:
    static constexpr std::size_t kRoom = 256;

    Random random_;
    std::vector<std::byte> buffers_;
};

class WorkersStress : public ::testing::Test {
protected:
    WorkersStress() {
        flow::Sizes sizes = flow::sizes_for(kClients * 4, 0, kWorkers);
        sizes.translations = 256;
        sizes.next_hops = 64;
        sizes.destinations = 64;
        sizes.services = 16;
        tables_ = std::move(*flow::Tables::create(storage_, sizes, {1, 2}));
        router_.emplace(*tables_);
        router_->add_local(address("192.0.2.1"));
        for (const char* name : {"198.51.100.7", "10.0.0.11", "10.0.0.12", "10.0.0.13"})
            router_->add_route(address(name), {.index = 1, .mac = {}}, {}, address("10.0.0.1"));
        router_->set_default(address("198.51.100.7"));
        const std::array<PacketPort*, kWorkers> ports = {&ports_[0], &ports_[1]};
        engine_.emplace(*tables_, *router_, steering_, ports, clock_);
    }

    static net::IpAddress address(const char* text) { return *net::IpAddress::parse(text); }

    static model::ServiceKey key(unsigned port) {
        return {.protocol = port == 53 ? model::Protocol::Udp : model::Protocol::Tcp,
                .address = address("192.0.2.1"),
                .port = net::Port{static_cast<std::uint16_t>(port)}};
    }

    static model::Destination server(unsigned number, std::int32_t weight) {
        model::Destination wanted;
        wanted.real = {address(number == 0   ? "10.0.0.11"
                               : number == 1 ? "10.0.0.12"
                                             : "10.0.0.13"),
                       net::Port{8080}};
        wanted.weight = weight;
        wanted.method = number == 2 ? model::ForwardingMethod::DirectRoute
                                    : model::ForwardingMethod::Masquerade;
        if (number == 2) wanted.real.port = net::Port{80};
        return wanted;
    }

    void add_service(unsigned port, const char* scheduler) {
        model::VirtualService service;
        service.key = key(port);
        service.scheduler = scheduler;
        if (port == 443) {
            service.flags = model::kServicePersistent;
            service.persistence_timeout_s = 30;
            service.persistence_mask = 0xffffffff;
        }
        if (port == 53) service.flags = model::kServiceOnePacket;
        (void)engine_->services().add_service(service);
    }

    // One edit at random, under all gates.
    void edit(Random& random) {
        constexpr unsigned kPorts[] = {80, 443, 53};
        const unsigned port = kPorts[random.below(3)];
        const unsigned number = random.below(3);
        Services& services = engine_->services();
        const std::lock_guard lock(gate_);
        switch (random.below(8)) {
            case 0:
                (void)services.remove_service(key(port));
                add_service(port, random.below(2) == 0 ? "rr" : "wlc");
                break;
            case 1:
                (void)services.remove_destination(key(port), server(number, 1).real);
                break;
            case 2:
                (void)services.edit_destination(
                    key(port), server(number, static_cast<std::int32_t>(random.below(4))));
                break;
            case 3:
                (void)engine_->connection_count();
                (void)engine_->for_each_connection(0, 64, [](const model::ConnectionInfo&) {});
                break;
            case 4:
                engine_->set_timeouts({.tcp_s = 5 + random.below(60), .tcp_fin_s = 5, .udp_s = 5});
                break;
            default:
                (void)services.add_destination(key(port), server(number, 1));
        }
    }

    void work(std::size_t number) {
        for (unsigned burst = 0; !is_over_; ++burst) {
            bool has_chores = false;
            gate_.lock(number);
            (void)engine_->worker(number).process_burst();
            if (burst % 16 == 0) engine_->worker(number).run_timers();
            has_chores = engine_->has_chores();
            gate_.unlock(number);
            if (!has_chores && burst % 64 != 0) continue;
            const std::lock_guard lock(gate_);
            engine_->run_chores();
            if (burst % 64 == 0) engine_->run_shared_timers();
        }
    }

    flow::PrivateStorage storage_;
    std::unique_ptr<flow::Tables> tables_;
    std::optional<xvs::testing::FakeRouter> router_;
    xvs::testing::FakeSteering steering_;
    FastClock clock_;
    std::array<StormPort, kWorkers> ports_ = {StormPort(1), StormPort(2)};
    std::optional<Engine> engine_;
    Gate gate_{kWorkers};
    std::atomic<bool> is_over_ = false;
};

TEST_F(WorkersStress, LeavesCountsThatAgreeAndNothingInTheEnd) {
    for (const unsigned port : {80U, 443U, 53U}) {
        add_service(port, "rr");
        for (unsigned number = 0; number < 3; ++number)
            (void)engine_->services().add_destination(key(port), server(number, 1));
    }
    std::vector<std::thread> threads;
    for (std::size_t number = 0; number < kWorkers; ++number)
        threads.emplace_back([this, number] { work(number); });
    Random random(7);
    // By packets, not by time: a machine under load is slower.
    const auto wanted = [this] {
        const std::lock_guard lock(gate_);
        return engine_->totals().forwarded < 40000;
    };
    while (wanted()) {
        edit(random);
        std::this_thread::yield();
    }
    is_over_ = true;
    for (std::thread& each : threads)
        each.join();
    EXPECT_GT(ports_[0].transmitted, 1000U);
    EXPECT_GT(ports_[1].transmitted, 1000U);
    EXPECT_GT(engine_->totals().handed_over, 1000U);

    std::uint32_t bound = 0;
    engine_->services().flush();
    for (std::uint32_t each = 0; each < tables_->destinations().used(); ++each)
        bound += engine_->services().destination(each).total_connections;
    std::uint32_t connections = 0;
    std::uint64_t cursor = 0;
    do {
        cursor = engine_->for_each_connection(cursor, 1024, [&](const model::ConnectionInfo& info) {
            if ((info.flags & model::kConnectionTemplate) == 0) ++connections;
        });
    } while (cursor != 0);
    EXPECT_EQ(bound, connections);
    EXPECT_GT(connections, 0U);
}

}  // namespace
}  // namespace xvs::engine
