// New connections from ports whose last connection is closed, which programs in the kernel begin in
// the place of that one: by the rules of conn_reuse_mode, and nothing is left of the former.
#include <array>
#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/gate.h"
#include "control/engine_service_manager.h"
#include "tests/property/stock_fixture.h"

namespace xvs::test {
namespace {

using namespace std::chrono_literals;
using namespace xvs::test::literals;  // NOLINT(google-build-using-namespace): literals only

constexpr std::uint32_t kRoom = 16384;
constexpr std::uint16_t kFirstPort = 2000;
constexpr auto kVip = "192.0.2.1:80"_ep;
constexpr auto kRoutedVip = "192.0.2.2:80"_ep;

constexpr const char* kServices =
    "-A -t 192.0.2.1:80 -s rr\n"
    "-a -t 192.0.2.1:80 -r 10.0.0.11:8080 -m\n"
    "-a -t 192.0.2.1:80 -r 10.0.0.12:8080 -m\n"
    "-A -t 192.0.2.2:80 -s rr\n"
    "-a -t 192.0.2.2:80 -r 10.0.0.11:80 -g";

net::Endpoint client(std::uint16_t number) {
    return {.address = "198.51.100.7"_ip,
            .port = net::Port{static_cast<std::uint16_t>(kFirstPort + number)}};
}

class StockReuse : public Stock {
protected:
    StockReuse() : Stock(kServices, kRoom) {}

    void SetUp() override {
        Stock::SetUp();
        if (entrance_ == nullptr) return;
        // The way to the client is known from here on, and there are decisions.
        (void)begins(client(900));
        answers(client(900), "S.");
        (void)begins(client(901));
        answers(client(901), "S.");
        (void)begins(client(902), kRoutedVip);
    }

    // A SYN; returns whether the program has forwarded it.
    bool begins(const net::Endpoint& from, const net::Endpoint& vip = kVip) {
        const Passage passage = meet(Packet::tcp(from, vip).flags("S"), Side::Client);
        (void)director_->take_output();
        director_->engine.catch_up();
        return passage.way == Passage::Way::Replayed;
    }

    // What a listing says of that client: its real server and state, a word each.
    std::string listed(const net::Endpoint& from) {
        std::string found;
        for (const model::ConnectionInfo& each : director_->connection_infos()) {
            if (each.client != from) continue;
            found += (found.empty() ? "" : ", ") + each.real.to_string() + " " +
                     std::to_string(each.state);
        }
        return found;
    }

    net::Endpoint real_of(const net::Endpoint& from) {
        for (const model::ConnectionInfo& each : director_->connection_infos()) {
            if (each.client == from) return each.real;
        }
        return {};
    }

    void answers(const net::Endpoint& from, const char* flags) {
        (void)meet(Packet::tcp(real_of(from), from).flags(flags), Side::Real);
        (void)director_->take_output();
        director_->engine.catch_up();
    }

    void says(const net::Endpoint& from, const net::Endpoint& vip, const char* flags) {
        (void)meet(Packet::tcp(from, vip).flags(flags), Side::Client);
        (void)director_->take_output();
        director_->engine.catch_up();
    }

    bool is_replayed(unsigned cpu, const Packet& packet, Side side) {
        entrance_->set_cpu(cpu);
        return entrance_->admit(frame_of(packet, side), side).way == Passage::Way::Replayed;
    }

    // The answer to its SYN is met by CPU 1, all that follows by CPU 0, and nothing is read of yet.
    void answers_elsewhere(const net::Endpoint& from) {
        const Packet answer = Packet::tcp(real_of(from), from).flags("S.");
        EXPECT_TRUE(is_replayed(1, answer, Side::Real));
        EXPECT_TRUE(is_replayed(0, Packet::tcp(from, kVip).flags("."), Side::Client));
    }

    // From SYN_RECV to TIME_WAIT.
    void runs_its_course(const net::Endpoint& from) {
        answers(from, "S.");
        says(from, kVip, ".");
        says(from, kVip, "F.");
        answers(from, "F.");
        says(from, kVip, ".");
    }

    // What a listing says of all services.
    std::uint64_t scheduled() {
        Gate gate;
        std::uint64_t sum = 0;
        for (const auto& each : control::EngineServiceManager(director_->engine, gate).services())
            sum += each.statistics.counters.connections;
        return sum;
    }
};

TEST_F(StockReuse, ABeginningTakesThePlaceOfAConnectionInTimeWait) {
    ASSERT_TRUE(begins(client(1)));
    const std::string first = real_of(client(1)).to_string();
    runs_its_course(client(1));
    ASSERT_EQ(listed(client(1)), first + " 5");

    // The next server in turn.
    EXPECT_TRUE(begins(client(1)));
    const std::string second = real_of(client(1)).to_string();
    EXPECT_NE(second, first);
    EXPECT_EQ(listed(client(1)), second + " 3");
    runs_its_course(client(1));
    EXPECT_TRUE(begins(client(2)));

    // The same server once more: its reply entry has the former one's key.
    EXPECT_TRUE(begins(client(1)));
    EXPECT_EQ(listed(client(1)), second + " 3");
    EXPECT_EQ(director_->inconsistencies(), "");
    answers(client(1), "S.");
    says(client(1), kVip, ".");
    EXPECT_EQ(listed(client(1)), second + " 1");
    EXPECT_EQ(director_->inconsistencies(), "");
}

// Those that come before it has run draw what is left.
TEST_F(StockReuse, OneBeginningAloneWakesTheEngineWhenTheStockIsLow) {
    std::uint16_t number = 0;
    for (unsigned time = 0; time < 2; ++time) {
        std::vector<Passage> raised;
        for (unsigned count = 0; count < XVS_STOCK_SIZE / 2 + 20; ++count) {
            const Packet syn =
                Packet::tcp(client(static_cast<std::uint16_t>(1000 + number++)), kVip).flags("S");
            const Passage passage = entrance_->admit(frame_of(syn, Side::Client), Side::Client);
            if (passage.way == Passage::Way::Engine) raised.push_back(passage);
        }
        ASSERT_EQ(raised.size(), 1U) << time;
        serve(raised.front(), Side::Client);
        director_->engine.catch_up();
        EXPECT_EQ(director_->take_output().size(), 1U);
    }
    EXPECT_EQ(director_->inconsistencies(), "");
}

// By the CPU whose reports are read last.
TEST_F(StockReuse, AnAnswerThatIsReadOfLateOpensNothingAgain) {
    if (TestedProgram::cpus() < 2) GTEST_SKIP() << "there is one CPU";
    // What was stocked before knows no way for replies.
    ASSERT_TRUE(director_->ipvsadm("-E -t 192.0.2.1:80 -s wrr"));
    (void)begins(client(3));

    ASSERT_TRUE(begins(client(1)));
    const net::Endpoint real = real_of(client(1));
    answers_elsewhere(client(1));
    EXPECT_TRUE(is_replayed(0, Packet::tcp(client(1), kVip).flags("F."), Side::Client));
    EXPECT_TRUE(is_replayed(0, Packet::tcp(real, client(1)).flags("F."), Side::Real));
    director_->engine.catch_up();
    EXPECT_EQ(listed(client(1)), real.to_string() + " 5");

    ASSERT_TRUE(begins(client(2)));
    const std::string reset = real_of(client(2)).to_string();
    answers_elsewhere(client(2));
    EXPECT_TRUE(is_replayed(0, Packet::tcp(client(2), kVip).flags("R."), Side::Client));
    director_->engine.catch_up();
    EXPECT_EQ(listed(client(2)), reset + " 6");
    EXPECT_EQ(director_->inconsistencies(), "");
}

TEST_F(StockReuse, NothingIsLeftOfPortsThatAreUsedOverAndOver) {
    const std::uint64_t drawn = director_->engine.drawn_connections();
    constexpr std::uint16_t kPorts = 16;
    constexpr unsigned kTimes = 60;
    unsigned by_program = 0;
    for (unsigned turn = 0; turn < kTimes; ++turn) {
        for (std::uint16_t number = 0; number < kPorts; ++number) {
            by_program += begins(client(number)) ? 1U : 0U;
            answers(client(number), "R");
        }
        ASSERT_EQ(director_->engine.connection_count(), 3U + kPorts) << turn;
        wait_for_slots();
    }
    // What wakes the engine, or comes while slots are freed, is the engine's.
    EXPECT_GT(by_program, kTimes * kPorts * 9 / 10);
    EXPECT_EQ(director_->engine.drawn_connections() - drawn, by_program);
    EXPECT_EQ(director_->inconsistencies(), "");
    (void)director_->advance(16min);
    EXPECT_EQ(director_->engine.connection_count(), 0U);
    EXPECT_EQ(director_->inconsistencies(), "");
}

// What began before a count from zero is not in it, reported or not; nor is any missing in one that
// is asked for.
TEST_F(StockReuse, CountsWhatHasBegunByThen) {
    ASSERT_TRUE(director_->ipvsadm("-Z"));
    (void)meet(Packet::tcp(client(1), kVip).flags("S"), Side::Client);
    EXPECT_EQ(scheduled(), 1U);
    ASSERT_EQ(meet(Packet::tcp(client(2), kVip).flags("S"), Side::Client).way,
              Passage::Way::Replayed);
    ASSERT_TRUE(director_->ipvsadm("-Z"));
    EXPECT_EQ(scheduled(), 0U);
}

// Faster than grace periods end: the slots of the port's entries are all retired time and again.
TEST_F(StockReuse, NoBeginningIsLostOfAPortThatIsUsedWithoutEnd) {
    constexpr unsigned kTimes = 40 * XVS_PROBES;
    const std::uint32_t slots = director_->tables->flows<flow::Ipv4>().active();
    for (unsigned turn = 0; turn < kTimes; ++turn) {
        const Passage passage = meet(Packet::tcp(client(1), kVip).flags("S"), Side::Client);
        const bool has_left =
            passage.way == Passage::Way::Replayed || director_->take_output().size() == 1;
        ASSERT_TRUE(has_left) << turn;
        director_->engine.catch_up();
        says(client(1), kVip, "R");
    }
    EXPECT_EQ(director_->engine.connection_count(), 4U);
    EXPECT_EQ(director_->tables->flows<flow::Ipv4>().active(), slots);
    EXPECT_EQ(director_->inconsistencies(), "");
    wait_for_slots();
    (void)director_->advance(16min);
    EXPECT_EQ(director_->engine.connection_count(), 0U);
    EXPECT_EQ(director_->inconsistencies(), "");
}

TEST_F(StockReuse, WhatIsNotClosedStaysWhereItIs) {
    ASSERT_TRUE(begins(client(1)));
    answers(client(1), "S.");
    says(client(1), kVip, ".");
    const std::string listing = listed(client(1));
    EXPECT_FALSE(begins(client(1)));
    EXPECT_EQ(listed(client(1)), listing);
    says(client(1), kVip, "F.");
    EXPECT_FALSE(begins(client(1)));
    EXPECT_EQ(director_->engine.connection_count(), 4U);
    EXPECT_EQ(director_->inconsistencies(), "");
}

TEST_F(StockReuse, IsTheEnginesWithoutConnReuseMode) {
    ASSERT_TRUE(begins(client(1)));
    runs_its_course(client(1));
    ASSERT_TRUE(director_->engine.set_sysctl("conn_reuse_mode", "0"));
    const std::string real = real_of(client(1)).to_string();
    EXPECT_FALSE(begins(client(1)));
    EXPECT_EQ(listed(client(1)), real + " 3");
    runs_its_course(client(1));
    (void)director_->advance(1s);
    EXPECT_FALSE(begins(client(1)));

    runs_its_course(client(1));
    ASSERT_TRUE(director_->engine.set_sysctl("conn_reuse_mode", "1"));
    (void)begins(client(2));
    (void)director_->advance(1s);
    EXPECT_TRUE(begins(client(1)));
    EXPECT_EQ(director_->inconsistencies(), "");
}

// Direct routing: the director sees no FIN of the real server's.
TEST_F(StockReuse, HalfSeenOnesInFinWaitAreReusedWhereConnReuseModeSaysSo) {
    ASSERT_TRUE(begins(client(1), kRoutedVip));
    says(client(1), kRoutedVip, ".");
    says(client(1), kRoutedVip, "F.");
    EXPECT_FALSE(begins(client(1), kRoutedVip));
    says(client(1), kRoutedVip, ".");
    says(client(1), kRoutedVip, "F.");
    ASSERT_TRUE(director_->engine.set_sysctl("conn_reuse_mode", "3"));
    (void)begins(client(2), kRoutedVip);
    (void)director_->advance(1s);
    EXPECT_TRUE(begins(client(1), kRoutedVip));
    EXPECT_EQ(listed(client(1)), "10.0.0.11:80 3");
    EXPECT_EQ(director_->inconsistencies(), "");
}

// A packet of the closed connection that opens it again: no SYN of the client's may take it then.
TEST_F(StockReuse, ARealServersSynIsTheEngines) {
    ASSERT_TRUE(begins(client(1)));
    runs_its_course(client(1));
    EXPECT_EQ(meet(Packet::tcp(real_of(client(1)), client(1)).flags("S."), Side::Real).way,
              Passage::Way::Engine);
    (void)director_->take_output();
    EXPECT_EQ(listed(client(1)), real_of(client(1)).to_string() + " 2");
    EXPECT_FALSE(begins(client(1)));
    EXPECT_EQ(director_->inconsistencies(), "");
}

// Two CPUs that begin and reset connections from the same few ports at the same time, while the
// engine takes what is left to it and ends some by itself.
TEST_F(StockReuse, TwoCpusAndTheEngineLeaveNothingBehind) {
    constexpr unsigned kCpus = 2;
    constexpr std::uint16_t kPorts = 512;
    constexpr unsigned kPackets = 20000;
    std::mutex mutex;
    std::deque<std::pair<Passage, Side>> waiting;
    std::atomic<unsigned> done = 0;
    std::vector<std::thread> cpus;
    for (unsigned cpu = 0; cpu < kCpus; ++cpu) {
        cpus.emplace_back([&, cpu] {
            std::mt19937 random(cpu);
            for (unsigned count = 0; count < kPackets; ++count) {
                const net::Endpoint from = client(static_cast<std::uint16_t>(random() % kPorts));
                const bool is_reset = random() % 2 == 0;
                const net::Endpoint real =
                    random() % 2 == 0 ? "10.0.0.11:8080"_ep : "10.0.0.12:8080"_ep;
                const Side side = is_reset ? Side::Real : Side::Client;
                const Packet packet = is_reset ? Packet::tcp(real, from).flags("R")
                                               : Packet::tcp(from, kVip).flags("S");
                Passage passage = entrance_->admit_by(cpu, frame_of(packet, side), side);
                if (passage.way != Passage::Way::Engine) continue;
                const std::lock_guard lock(mutex);
                waiting.emplace_back(std::move(passage), side);
            }
            ++done;
        });
    }
    while (done < kCpus) {
        std::deque<std::pair<Passage, Side>> taken;
        {
            const std::lock_guard lock(mutex);
            taken = std::exchange(waiting, {});
        }
        for (const auto& [passage, side] : taken)
            serve(passage, side);
        director_->engine.catch_up();
        (void)director_->take_output();
    }
    for (std::thread& cpu : cpus)
        cpu.join();
    for (const auto& [passage, side] : waiting)
        serve(passage, side);
    (void)director_->take_output();
    director_->engine.catch_up();
    EXPECT_EQ(director_->inconsistencies(), "");
    // A port that is used again faster than slots are free again may find none.
    EXPECT_LE(director_->engine.connection_count(), 3U + kPorts);
    EXPECT_GT(director_->engine.drawn_connections(), 2U * kPorts);
    (void)director_->advance(16min);
    EXPECT_EQ(director_->engine.connection_count(), 0U);
    EXPECT_EQ(director_->inconsistencies(), "");
}

}  // namespace
}  // namespace xvs::test
