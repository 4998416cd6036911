// Translations, next hops and reports between the worker's thread and two others that do as a
// program in the kernel does on two CPUs. Built with the thread sanitizer.
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "base/random_test.h"
#include "flow/next_hop_table.h"
#include "flow/report_rings.h"
#include "flow/translation_table.h"

namespace xvs::flow {
namespace {

constexpr std::size_t kReaders = 2;
constexpr std::uint64_t kReads = 5000;  // of each reader

// A test ends when the readers have had their share, but not later than this.
class Patience {
public:
    [[nodiscard]] bool is_over() const { return std::chrono::steady_clock::now() > end_; }

private:
    std::chrono::steady_clock::time_point end_ =
        std::chrono::steady_clock::now() + std::chrono::seconds(60);
};

net::MacAddress mac_of(std::uint8_t mark) {
    std::array<std::byte, net::MacAddress::kSize> bytes;
    bytes.fill(std::byte{mark});
    return net::MacAddress(bytes);
}

constexpr std::size_t kMacs = offsetof(xvs_next_hop, mac_destination);
static_assert(offsetof(xvs_next_hop, mac_source) == kMacs + net::MacAddress::kSize);

// A next hop as the steering program copies it (copy_next_hop() of replay_flow.bpf.h).
struct HopCopy {
    std::uint32_t interface = 0;
    std::array<std::uint8_t, 12> macs{};
    std::uint32_t number = 0;  // of copies
};

bool copy_next_hop(const xvs_translation& translation, const xvs_next_hop* hops, HopCopy& copy) {
    const std::uint64_t both = load_word64(&translation.next_hop);
    const xvs_next_hop& hop = hops[static_cast<std::uint32_t>(both)];
    const std::uint8_t flags = load_acquire(hop.flags);
    if ((flags & XVS_HOP_RESOLVED) == 0) return false;
    copy.interface = load_acquire(hop.interface);
    for (std::size_t i = 0; i < copy.macs.size(); ++i) {
        // It may be interrupted anywhere, now and then.
        if (i == copy.macs.size() / 2 && ++copy.number % 16 == 0) std::this_thread::yield();
        copy.macs[i] = load_acquire(reinterpret_cast<const __u8*>(&hop)[kMacs + i]);
    }
    return load_acquire(hop.flags) == flags &&
           load_acquire(hop.generation) == static_cast<std::uint32_t>(both >> 32);
}

// The addresses of a next hop all say whose they are: the interface above, a change below.
bool is_whole(const HopCopy& copy) {
    for (const std::uint8_t byte : copy.macs) {
        if (byte != copy.macs[0]) return false;
    }
    return (copy.macs[0] >> 4) == copy.interface % 16;
}

class Ways {
public:
    Ways() {
        xvs_translation wanted{};
        wanted.family = 4;
        translation_ = translations_.acquire(wanted);
        lead_elsewhere();
    }

    // Another neighbour's record, used again at once; and that is the way now.
    void lead_elsewhere() {
        if (hop_ != XVS_NONE) hops_.free(hop_);
        hop_ = hops_.allocate();
        store_release(hops_[hop_].interface, ++interface_);
        change_addresses();
        xvs_translation wanted = translations_[translation_];
        wanted.next_hop = hop_;
        wanted.next_hop_generation = hops_[hop_].generation;
        ASSERT_TRUE(translations_.redirect(translation_, wanted));
    }

    void change_addresses() {
        const auto mark = static_cast<std::uint8_t>((interface_ % 16) << 4 | (++changes_ % 16));
        hops_.resolve(hop_, mac_of(mark), mac_of(mark));
    }

    [[nodiscard]] bool read(HopCopy& copy) const {
        return copy_next_hop(translation_records_[translation_], hop_records_.data(), copy);
    }

private:
    std::vector<xvs_translation> translation_records_ = std::vector<xvs_translation>(8);
    std::vector<xvs_next_hop> hop_records_ = std::vector<xvs_next_hop>(2);
    GracePeriod grace_;
    TranslationTable translations_{translation_records_, 16, grace_};
    NextHopTable hops_{hop_records_};
    std::uint32_t translation_ = XVS_NONE;
    std::uint32_t hop_ = XVS_NONE;
    std::uint32_t interface_ = 0;
    std::uint32_t changes_ = 0;
};

TEST(SharedRecordsStress, ANextHopIsReadWholeThoughItChangesAndIsUsedAgain) {
    Ways ways;
    std::atomic<bool> stop = false;
    std::array<std::atomic<std::uint64_t>, kReaders> reads{};
    std::atomic<std::uint64_t> torn = 0;
    std::array<std::thread, kReaders> readers;
    for (std::size_t i = 0; i < kReaders; ++i) {
        readers[i] = std::thread([&, i] {
            HopCopy copy;
            while (!stop) {
                if (!ways.read(copy)) continue;
                ++reads[i];
                torn += !is_whole(copy);
            }
        });
    }
    Random random(5);
    const Patience patience;
    while ((reads[0] < kReads || reads[1] < kReads) && !patience.is_over()) {
        if (random.below(4) == 0) ways.lead_elsewhere();
        ways.change_addresses();
        if (random.below(4) == 0) std::this_thread::yield();
    }
    stop = true;
    for (std::thread& reader : readers)
        reader.join();
    EXPECT_GE(reads[0], kReads);
    EXPECT_GE(reads[1], kReads);
    EXPECT_EQ(torn, 0U);
}

// A CPU's program: reports numbers one after another, and waits while its ring is full.
class Cpu {
public:
    Cpu(xvs_report_ring& ring, xvs_report* reports, std::uint32_t number)
        : ring_(ring), reports_(reports), number_(number) {}

    // Returns false when nobody reads.
    bool report(std::uint32_t tick, const Patience& patience) {
        const std::uint32_t head = ring_.head;
        while (head - load_acquire(ring_.tail) >= XVS_REPORTS) {
            if (patience.is_over()) return false;
            std::this_thread::yield();
        }
        xvs_report& report = reports_[head % XVS_REPORTS];
        report = {
            .state = ~tick, .slot = number_, .tick = tick, .events = 1, .family = 4, .reserved = 0};
        store_release(ring_.head, head + 1);
        return true;
    }

    [[nodiscard]] std::uint32_t position() const { return load_acquire(ring_.head); }

private:
    xvs_report_ring& ring_;
    xvs_report* reports_;
    std::uint32_t number_;
};

TEST(SharedRecordsStress, EveryReportOfTwoCpusIsReadOnceInItsOrder) {
    constexpr std::uint32_t kEach = 60000;  // several times round the ring
    const Patience patience;
    std::vector<xvs_report_ring> memory(kReaders);
    std::vector<xvs_report> reports(kReaders * XVS_REPORTS);
    ReportRings rings(memory, reports);
    std::array<std::atomic<std::uint32_t>, kReaders> positions{};
    std::array<std::thread, kReaders> cpus;
    for (std::uint32_t i = 0; i < kReaders; ++i) {
        cpus[i] = std::thread([&, i] {
            Cpu cpu(memory[i], &reports[std::size_t{i} * XVS_REPORTS], i);
            for (std::uint32_t tick = 0; tick < kEach; ++tick) {
                if (!cpu.report(tick, patience)) return;
                // As a packet that is sent up says it.
                positions[i].store(cpu.position() & ((1U << ReportRings::kPositionBits) - 1));
            }
        });
    }
    std::array<std::uint32_t, kReaders> next{};
    std::uint64_t wrong = 0;
    const auto visit = [&](const xvs_report& report) {
        wrong += report.tick != next[report.slot] || report.state != ~report.tick;
        next[report.slot] = report.tick + 1;
    };
    Random random(6);
    while ((next[0] < kEach || next[1] < kEach) && !patience.is_over()) {
        const std::uint32_t which = random.below(kReaders);
        rings.drain_to(which, positions[which].load(), visit);
        if (random.below(8) == 0) rings.drain_all(visit);
    }
    for (std::thread& cpu : cpus)
        cpu.join();
    EXPECT_EQ(next[0], kEach);
    EXPECT_EQ(next[1], kEach);
    EXPECT_EQ(wrong, 0U);
}

}  // namespace
}  // namespace xvs::flow
