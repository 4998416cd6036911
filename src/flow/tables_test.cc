#include "flow/tables.h"

#include <map>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace xvs::flow {
namespace {

using testing::HasSubstr;

constexpr Tables::Seed kSeed = {1, 2};

TEST(Sizes, HoldTwoEntriesAConnectionAtHalfLoad) {
    for (const std::uint32_t connections : {1u, 100u, 65536u, 65537u, 1000000u}) {
        const Sizes sizes = sizes_for(connections);
        EXPECT_EQ(sizes.connections4, connections);
        EXPECT_GE(sizes.slots4, 4 * connections);
        EXPECT_EQ(sizes.slots4 & (sizes.slots4 - 1), 0u);
        EXPECT_GE(sizes.slots4, XVS_PROBES);
    }
}

TEST(Sizes, StayWithinTheirLimits) {
    EXPECT_EQ(sizes_for(0).connections4, 1u);
    EXPECT_EQ(sizes_for(0xffffffff).connections6, kMaxConnections);
    EXPECT_EQ(default_connections(0), kMinDefaultConnections);
    EXPECT_EQ(default_connections(~std::uint64_t{0}), kMaxConnections);
}

TEST(Sizes, TakeTwoPercentOfALargeMemoryByDefault) {
    constexpr std::uint64_t kMemory = std::uint64_t{64} << 30;
    const std::uint64_t pair = kBytesPerConnection4 + kBytesPerConnection6;
    const std::uint64_t bytes = default_connections(kMemory) * pair;
    EXPECT_LE(bytes, kMemory / 50);
    EXPECT_GT(bytes, kMemory / 100);
    EXPECT_EQ(kBytesPerConnection4, 184u);
    EXPECT_EQ(kBytesPerConnection6, 312u);
}

TEST(Tables, AreMadeInOrdinaryMemory) {
    PrivateStorage storage;
    const Sizes sizes = sizes_for(1000);
    const auto tables = Tables::create(storage, sizes, kSeed);
    ASSERT_TRUE(tables) << tables.error().context;

    const xvs_table_header& header = (*tables)->header();
    EXPECT_EQ(header.magic, XVS_LAYOUT_MAGIC);
    EXPECT_EQ(header.version, XVS_LAYOUT_VERSION);
    EXPECT_EQ(header.slots6, 4096u);
    EXPECT_EQ(header.connections4, 1000u);
    EXPECT_EQ(header.seed[1], 2u);
    EXPECT_EQ((*tables)->flows<Ipv4>().capacity(), 4096u);
    EXPECT_EQ((*tables)->connections<Ipv6>().capacity(), 1000u);
    EXPECT_EQ((*tables)->translations().capacity(), sizes.translations);
    EXPECT_FALSE((*tables)->grace_period().is_needed());
}

TEST(Tables, SumTheCountersOfAllWriters) {
    PrivateStorage storage;
    Sizes sizes = sizes_for(10);
    sizes.counter_rows = 3;
    const auto tables = Tables::create(storage, sizes, kSeed);
    ASSERT_TRUE(tables);
    (*tables)->counters(0, 5).packets_in = 1;
    (*tables)->counters(2, 5).packets_in = 10;
    (*tables)->counters(2, 5).bytes_out = 7;
    (*tables)->counters(1, 6).packets_in = 100;
    (*tables)->counters(2, sizes.destinations - 1).packets_in = 1000;

    EXPECT_EQ((*tables)->sum_counters(5).packets_in, 11u);
    EXPECT_EQ((*tables)->sum_counters(5).bytes_out, 7u);
    EXPECT_EQ((*tables)->sum_counters(sizes.destinations - 1).packets_in, 1000u);
}

TEST(Tables, AreRefusedWithASentenceWhenTheSizesMakeNone) {
    PrivateStorage storage;
    Sizes sizes = sizes_for(10);
    sizes.slots6 = 100;
    const auto odd = Tables::create(storage, sizes, kSeed);
    ASSERT_FALSE(odd);
    EXPECT_EQ(odd.error().code, ErrorCode::InvalidArgument);
    EXPECT_THAT(odd.error().context, HasSubstr("flows6: 100 slots; must be a power of two"));

    sizes = sizes_for(10);
    sizes.services = 0;
    const auto none = Tables::create(storage, sizes, kSeed);
    ASSERT_FALSE(none);
    EXPECT_THAT(none.error().context, HasSubstr("services"));
}

// Ordinary memory that says programs in the kernel read it, and may run out.
class SharedStorage final : public Storage {
public:
    Result<std::span<std::byte>> allocate(std::string_view name,
                                          std::size_t element_size,
                                          std::size_t count) override {
        EXPECT_EQ(element_size % 8, 0u) << name;
        EXPECT_LE(name.size(), 15u) << name;
        if (name == refused) return fail(ErrorCode::OutOfMemory, "no memory for " + refused);
        return memory_.allocate(name, element_size, count);
    }

    [[nodiscard]] bool has_kernel_readers() const noexcept override { return true; }

    std::string refused;

private:
    PrivateStorage memory_;
};

TEST(Tables, PassOnWhatTheStorageSays) {
    SharedStorage storage;
    storage.refused = "services";
    const auto tables = Tables::create(storage, sizes_for(10), kSeed);
    ASSERT_FALSE(tables);
    EXPECT_EQ(tables.error().context, "no memory for services");
}

TEST(Tables, ReclaimRetiredFlowsOfBothFamiliesAfterTheKernelsGracePeriod) {
    SharedStorage storage;
    const auto created = Tables::create(storage, sizes_for(10), kSeed);
    ASSERT_TRUE(created);
    Tables& tables = **created;
    FlowTable<Ipv4>& flows4 = tables.flows<Ipv4>();
    FlowTable<Ipv6>& flows6 = tables.flows<Ipv6>();
    flows4.retire(flows4.insert({}, 1, {}).slot);
    flows6.retire(flows6.insert({}, 1, {}).slot);
    EXPECT_EQ(flows4.retired() + flows6.retired(), 2u);

    while (flows4.retired() + flows6.retired() > 0) {
        tables.reclaim();
        std::this_thread::yield();
    }
    EXPECT_EQ(slot_state(flows4.state_word(1)), static_cast<std::uint32_t>(XVS_SLOT_EMPTY));
}

}  // namespace
}  // namespace xvs::flow
