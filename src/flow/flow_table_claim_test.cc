// A program in the kernel claims slots while the worker frees others. Built without a sanitizer:
// the moment in which this may go wrong is a few nanoseconds long.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "flow/flow_table.h"

namespace xvs::flow {
namespace {

constexpr std::uint32_t kSeed[2] = {1, 2};
constexpr std::uint32_t kSlots = 256;

// Claims slots beside the worker, as docs/flow-table.md tells a program in the kernel to.
class Program {
public:
    explicit Program(std::vector<xvs_flow4>& entries) : entries_(entries) {}

    // Returns the slot in which `key` is DRAWN now, or XVS_NONE.
    SlotIndex draw(const FlowKey<Ipv4>& key) {
        const std::uint32_t home = key.hash(xvs_make_hash_keys(kSeed));
        for (std::uint32_t probe = 0; probe < XVS_PROBES; ++probe) {
            const SlotIndex slot = (home + probe) % kSlots;
            std::uint32_t& state = entries_[slot].state;
            const std::uint32_t before = load_acquire(state);
            const std::uint32_t kind = slot_state(before);
            if (kind != XVS_SLOT_EMPTY && kind != XVS_SLOT_TOMBSTONE) continue;
            const std::uint32_t claimed = with_state(next_generation(before), XVS_SLOT_CLAIMED);
            if (!swap_if(state, before, claimed)) return XVS_NONE;
            if (has_empty_slot(home, probe)) {
                store_release(state, with_state(claimed, XVS_SLOT_TOMBSTONE));
                return XVS_NONE;
            }
            // As long as a program may take for it.
            for (int i = 0; i < 50; ++i)
                key.store(entries_[slot]);
            store_release(state, with_state(claimed, XVS_SLOT_DRAWN));
            return slot;
        }
        return XVS_NONE;
    }

private:
    // Whether one of the slots passed by on the way has become EMPTY.
    bool has_empty_slot(std::uint32_t home, std::uint32_t count) {
        for (std::uint32_t probe = 0; probe < count; ++probe) {
            const std::uint32_t state = load_acquire(entries_[(home + probe) % kSlots].state);
            if (slot_state(state) == XVS_SLOT_EMPTY) return true;
        }
        return false;
    }

    std::vector<xvs_flow4>& entries_;
};

std::vector<FlowKey<Ipv4>> keys_of_home(const FlowTable<Ipv4>& table,
                                        SlotIndex home,
                                        std::size_t count) {
    std::vector<FlowKey<Ipv4>> keys;
    for (std::uint32_t number = 0; keys.size() < count; ++number) {
        const FlowKey<Ipv4> key{number, 1, 2, 3, 6};
        if (table.hash(key) % kSlots == home) keys.push_back(key);
    }
    return keys;
}

// Whether an entry that stays lies between the two that come and go.
class FlowTableClaim : public testing::TestWithParam<bool> {};

TEST_P(FlowTableClaim, NeverLosesAFlowThatAProgramDrawsWhileSlotsAreFreed) {
    std::vector<xvs_flow4> entries(kSlots);
    std::vector<std::uint32_t> owners(kSlots);
    GracePeriod at_once;
    FlowTable<Ipv4> table(entries, owners, kSeed, at_once);
    table.share_with_programs();
    // Flows of one home: the program's comes to lie behind the worker's, which comes and goes.
    const std::vector<FlowKey<Ipv4>> keys = keys_of_home(table, 0, 2);
    const FlowKey<Ipv4> between = keys_of_home(table, 1, 1)[0];
    if (GetParam()) {
        ASSERT_EQ(table.insert(between, table.hash(between), {}).slot, 1u);
    }
    std::atomic<bool> stop = false;
    std::atomic<bool> wants_quiet = false;
    std::atomic<bool> is_quiet = false;
    std::atomic<bool> is_done = false;
    std::atomic<SlotIndex> to_retire = XVS_NONE;
    std::atomic<std::uint64_t> drawn = 0;
    std::uint64_t lost = 0;
    std::thread program([&] {
        Program in_kernel(entries);
        const auto& key = keys[0];
        while (!stop) {
            const SlotIndex slot = in_kernel.draw(key);
            if (slot == XVS_NONE) continue;
            ++drawn;
            if (table.find(key, table.hash(key)) != slot) {
                // For a moment while the slot before is freed that may be; not for longer.
                wants_quiet = true;
                while (!is_quiet)
                    std::this_thread::yield();
                lost += table.find(key, table.hash(key)) != slot;
                wants_quiet = false;
            }
            to_retire = slot;
            while (to_retire != XVS_NONE)
                std::this_thread::yield();
        }
        is_done = true;
    });

    const auto serve = [&] {
        while (wants_quiet) {
            is_quiet = true;
            std::this_thread::yield();
        }
        is_quiet = false;
        if (const SlotIndex slot = to_retire; slot != XVS_NONE) {
            table.retire(slot);
            to_retire = XVS_NONE;
        }
    };
    // What goes wrong without the precautions of both sides shows a few times in 10,000 draws.
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(4);
    while (drawn < 50000 && std::chrono::steady_clock::now() < end) {
        serve();
        const auto& key = keys[1];
        const InsertResult result = table.insert(key, table.hash(key), {});
        if (result.outcome == InsertOutcome::Exists) table.retire(result.slot);
    }
    stop = true;
    while (!is_done)
        serve();
    program.join();
    EXPECT_EQ(lost, 0u) << "of " << drawn;
}

INSTANTIATE_TEST_SUITE_P(WithNothingOrAnEntryBetween, FlowTableClaim, testing::Bool());

}  // namespace
}  // namespace xvs::flow
