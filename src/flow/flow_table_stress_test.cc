// One thread installs and retires flows, as the worker does; two others look them up and replay
// them, as a program in the kernel does on two CPUs. Built with the thread sanitizer.
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "base/random_test.h"
#include "flow/flow_table.h"

namespace xvs::flow {
namespace {

constexpr std::uint32_t kSeed[2] = {1, 2};
constexpr std::size_t kReaders = 2;
constexpr std::uint32_t kSlots = 256;
constexpr std::uint32_t kFlows = 400;  // more than have room: slots change hands all the time

template <class Ip>
FlowKey<Ip> key_of(std::uint32_t number);

template <>
FlowKey<Ipv4> key_of(std::uint32_t number) {
    return {number, ~number, static_cast<std::uint16_t>(number), 80, 6};
}

template <>
FlowKey<Ipv6> key_of(std::uint32_t number) {
    return {{number, ~number, number, ~number},
            {~number, number, ~number, number},
            static_cast<std::uint16_t>(number),
            80,
            6};
}

// Every field says which flow it belongs to.
NewEntry entry_of(std::uint32_t number) {
    return {.translation = number,
            .flags = static_cast<std::uint8_t>(number),
            .punt = static_cast<std::uint8_t>(number),
            .report = static_cast<std::uint8_t>(number),
            .last_seen = number,
            .connection = number};
}

template <class Flow>
bool belongs_to(const Flow& copy, std::uint32_t number) {
    const auto low = static_cast<std::uint8_t>(number);
    return copy.translation == number && copy.flags == low % (1u << XVS_FLOW_OWNER_SHIFT) &&
           copy.punt == low && copy.report == low && copy.last_seen == number;
}

// A section that a grace period waits for, as it does for a program in the kernel.
class Reader {
public:
    void enter() noexcept { sections_.fetch_add(1); }

    void leave() noexcept { sections_.fetch_add(1); }

    void wait() const noexcept {
        const std::uint64_t seen = sections_.load();
        while (seen % 2 == 1 && sections_.load() == seen)
            std::this_thread::yield();
    }

private:
    std::atomic<std::uint64_t> sections_ = 0;
};

template <class Ip>
class FlowTableStress : public testing::Test {
protected:
    static constexpr std::uint64_t kRounds = 30000;
    static constexpr std::uint64_t kReads = 3000;
    static constexpr std::uint64_t kRetired = 1000;

    // Whether to go on: for kRounds, and until readers, which may run on the same CPU, and the
    // worker have had their share; but not forever.
    bool goes_on(std::uint64_t round,
                 const std::atomic<std::uint64_t>& reads,
                 std::uint64_t retired = kRetired + 1) {
        if (round < kRounds) return true;
        const bool is_enough = reads >= kReads && retired > kRetired;
        if (is_enough || std::chrono::steady_clock::now() > end) return false;
        std::this_thread::yield();
        return true;
    }

    const std::chrono::steady_clock::time_point end =
        std::chrono::steady_clock::now() + std::chrono::seconds(60);
    std::vector<typename Ip::Flow> entries = std::vector<typename Ip::Flow>(kSlots);
    std::vector<std::uint32_t> owners = std::vector<std::uint32_t>(kSlots);
};

using Families = testing::Types<Ipv4, Ipv6>;
TYPED_TEST_SUITE(FlowTableStress, Families);

TYPED_TEST(FlowTableStress, NeverShowsAReaderATornEntryThoughSlotsAreReusedAtOnce) {
    GracePeriod at_once;
    FlowTable<TypeParam> table(this->entries, this->owners, kSeed, at_once);
    std::atomic<bool> stop = false;
    std::atomic<std::uint64_t> seen = 0;
    std::atomic<std::uint64_t> torn = 0;
    const auto read = [&] {
        typename TypeParam::Flow copy{};
        for (std::uint32_t number = 0; !stop; number = (number + 1) % kFlows) {
            const auto key = key_of<TypeParam>(number);
            const SlotIndex slot = table.find(key, table.hash(key));
            if (slot == XVS_NONE || !table.read(slot, copy)) continue;
            ++seen;
            // The slot may be another flow's by now, but one flow's throughout.
            torn += !belongs_to(copy, copy.translation) ||
                    FlowKey<TypeParam>::load(copy) != key_of<TypeParam>(copy.translation);
        }
    };
    std::array<std::thread, kReaders> readers;
    for (std::thread& reader : readers)
        reader = std::thread(read);

    Random random(3);
    for (std::uint64_t round = 0; this->goes_on(round, seen); ++round) {
        const std::uint32_t number = random.below(kFlows);
        const auto key = key_of<TypeParam>(number);
        const InsertResult result = table.insert(key, table.hash(key), entry_of(number));
        if (result.outcome == InsertOutcome::Exists) table.retire(result.slot);
    }
    stop = true;
    for (std::thread& reader : readers)
        reader.join();
    EXPECT_GE(seen, this->kReads);
    EXPECT_EQ(torn, 0u) << "of " << seen;
}

TYPED_TEST(FlowTableStress, NeverLetsALateReplayTouchTheNextFlowInTheSlot) {
    std::array<Reader, kReaders> sections;
    GracePeriod grace([&sections] {
        for (const Reader& section : sections)
            section.wait();
    });
    FlowTable<TypeParam> table(this->entries, this->owners, kSeed, grace);
    std::atomic<bool> stop = false;
    std::atomic<std::uint64_t> replayed = 0;
    const auto replay = [&](Reader& section) {
        for (std::uint32_t number = 0; !stop; number = (number + 1) % kFlows) {
            const auto key = key_of<TypeParam>(number);
            section.enter();
            const SlotIndex slot = table.find(key, table.hash(key));
            if (slot != XVS_NONE) {
                std::this_thread::yield();
                table.note_packet(slot, number);
                ++replayed;
            }
            section.leave();
        }
    };
    std::array<std::thread, kReaders> readers;
    for (std::size_t i = 0; i < kReaders; ++i)
        readers[i] = std::thread([&replay, &section = sections[i]] { replay(section); });

    Random random(4);
    std::uint64_t retired = 0;
    std::uint64_t touched = 0;
    for (std::uint64_t round = 0; this->goes_on(round, replayed, retired); ++round) {
        table.reclaim(8);
        const std::uint32_t number = random.below(kFlows);
        const auto key = key_of<TypeParam>(number);
        const InsertResult result = table.insert(key, table.hash(key), entry_of(number));
        if (result.outcome != InsertOutcome::Exists) continue;
        touched += table.last_seen(result.slot) != number;
        table.retire(result.slot);
        ++retired;
    }
    stop = true;
    for (std::thread& reader : readers)
        reader.join();
    EXPECT_GE(replayed, this->kReads);
    EXPECT_GT(retired, this->kRetired);
    EXPECT_EQ(touched, 0u) << "of " << retired;
    while (table.retired() > 0)
        table.reclaim(kSlots);
}

}  // namespace
}  // namespace xvs::flow
