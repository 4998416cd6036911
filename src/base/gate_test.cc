#include "base/gate.h"

#include <mutex>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace xvs {
namespace {

// What takes a part of the gate once, in a thread of its own, and notes that it did.
class Taker {
public:
    Taker(Gate& gate, std::size_t worker, int number, std::vector<int>& order)
        : thread_([&gate, worker, number, &order] {
              gate.lock(worker);
              order.push_back(number);
              gate.unlock(worker);
          }) {}

    Taker(const Taker&) = delete;
    Taker& operator=(const Taker&) = delete;

    ~Taker() { thread_.join(); }

private:
    std::thread thread_;
};

void wait_for_takers(const Gate& gate, std::size_t worker, std::uint32_t takers) {
    while (gate.takers(worker) < takers)
        std::this_thread::yield();
}

TEST(Gate, LetsThoseWhoWaitGoBeforeWhoeverHadItLast) {
    Gate gate(2);
    std::vector<int> order;
    gate.lock(1);
    const Taker first(gate, 1, 1, order);
    wait_for_takers(gate, 1, 2);
    const Taker second(gate, 1, 2, order);
    wait_for_takers(gate, 1, 3);
    gate.unlock(1);
    gate.lock();  // as soon as it can, as an edit after an edit
    EXPECT_EQ(order, (std::vector<int>{1, 2}));
    gate.unlock();
    EXPECT_EQ(gate.takers(0), 0U);
    EXPECT_EQ(gate.takers(1), 0U);
}

TEST(Gate, KeepsAllWorkersOutOfAnEditAndAnEditOutOfTheirBursts) {
    constexpr int kRounds = 20'000;
    Gate gate(2);
    int edits = 0;
    std::vector<int> bursts(2);
    std::vector<int> torn(3);  // by each thread
    std::vector<std::thread> threads;
    for (std::size_t worker = 0; worker < 2; ++worker) {
        threads.emplace_back([&, worker] {
            for (int round = 0; round < kRounds; ++round) {
                gate.lock(worker);
                const int before = edits;
                ++bursts[worker];
                torn[worker] += before == edits ? 0 : 1;
                gate.unlock(worker);
            }
        });
    }
    for (int round = 0; round < kRounds; ++round) {
        const std::lock_guard lock(gate);
        const int before = bursts[0] + bursts[1];
        ++edits;
        torn[2] += before == bursts[0] + bursts[1] ? 0 : 1;
    }
    for (std::thread& each : threads)
        each.join();
    EXPECT_EQ(torn, (std::vector<int>{0, 0, 0}));
    EXPECT_EQ(bursts, (std::vector<int>{kRounds, kRounds}));
    EXPECT_EQ(edits, kRounds);
}

}  // namespace
}  // namespace xvs
