// What the flow table costs in memory: look-up, a new connection with its end, and its timer.
#include <cstdint>
#include <memory>
#include <vector>

#include <sys/mman.h>

#include <benchmark/benchmark.h>

#include "base/timer_wheel.h"
#include "flow/tables.h"

namespace xvs::flow {
namespace {

constexpr std::size_t kBurst = 32;

// As a BPF array lies: on pages of 4 KiB.
class SmallPageStorage final : public Storage {
public:
    Result<std::span<std::byte>> allocate(std::string_view name,
                                          std::size_t element_size,
                                          std::size_t count) override {
        auto memory = storage_.allocate(name, element_size, count);
        if (memory) ::madvise(memory->data(), memory->size(), MADV_NOHUGEPAGE);
        return memory;
    }

    [[nodiscard]] bool has_kernel_readers() const noexcept override { return false; }

private:
    PrivateStorage storage_;
};

template <class Ip>
FlowKey<Ip> key_of(std::uint32_t number) {
    FlowKey<Ip> key{};
    if constexpr (std::is_same_v<Ip, Ipv4>) {
        key.source = 0x0a000000u + (number >> 12);
    } else {
        key.source = {0xb80d0120, 0, 0, number >> 12};
    }
    key.source_port = static_cast<std::uint16_t>(number & 0xfff);
    key.destination_port = 80;
    key.protocol = 6;
    return key;
}

// A fixed shuffle of 0 .. count - 1 (a power of two).
std::uint32_t shuffled(std::uint32_t i, std::uint32_t count) {
    return (i * 2654435761u + 12345u) & (count - 1);
}

template <class Ip>
void fill(FlowTable<Ip>& table, const FlowKey<Ip>& key) {
    (void)table.insert(key, table.hash(key), {});
    table.continue_growing(4, [](std::uint32_t, SlotIndex, SlotIndex) {});
}

template <class Storage, class Ip>
struct Filled {
    explicit Filled(std::uint32_t flows, std::uint32_t connections)
        : tables(std::move(*Tables::create(storage, sizes_for(connections), {1, 2}))) {
        auto& table = tables->template flows<Ip>();
        keys.reserve(flows);
        for (std::uint32_t i = 0; i < flows; ++i)
            fill(table, key_of<Ip>(i));
        for (std::uint32_t i = 0; i < flows; ++i)
            keys.push_back(key_of<Ip>(shuffled(i, flows)));
    }

    Storage storage;
    std::unique_ptr<Tables> tables;
    std::vector<FlowKey<Ip>> keys;
};

template <class Storage, class Ip, bool kPrefetch>
void find(benchmark::State& state) {
    const auto flows = static_cast<std::uint32_t>(state.range(0));
    const Filled<Storage, Ip> filled(flows, flows < 65536 ? 65536 : flows / 2);
    const auto& table = filled.tables->template flows<Ip>();
    std::uint32_t hashes[kBurst];
    std::uint64_t found = 0;
    std::size_t next = 0;
    for (auto _ : state) {
        const std::size_t from = next;
        for (std::size_t i = 0; i < kBurst; ++i) {
            hashes[i] = table.hash(filled.keys[(from + i) & (flows - 1)]);
            if constexpr (kPrefetch) table.prefetch(hashes[i]);
        }
        for (std::size_t i = 0; i < kBurst; ++i)
            found += table.find(filled.keys[(from + i) & (flows - 1)], hashes[i]) != XVS_NONE;
        next = (next + kBurst) & (flows - 1);
    }
    benchmark::DoNotOptimize(found);
    state.SetItemsProcessed(state.iterations() * std::int64_t{kBurst});
}

// Two entries and a record come and go at 1M live connections, by turns of a burst.
template <class Storage>
void connect_and_end(benchmark::State& state) {
    constexpr std::uint32_t kLive = 1u << 20;
    Storage storage;
    const auto tables = std::move(*Tables::create(storage, sizes_for(kLive + kBurst), {1, 2}));
    auto& flows = tables->template flows<Ipv4>();
    auto& connections = tables->template connections<Ipv4>();
    std::vector<std::uint32_t> order(kLive, XVS_NONE);
    std::uint32_t number = 0;
    std::uint64_t refused = 0;
    const auto end = [&](std::uint32_t index) {
        xvs_connection& connection = connections[index];
        if (connection.inbound != XVS_NONE) flows.retire(connection.inbound);
        if (connection.outbound != XVS_NONE) flows.retire(connection.outbound);
        connections.free(index);
    };
    const auto connect = [&](std::uint32_t& index) {
        const auto key = key_of<Ipv4>(number++ * 2654435761u);
        const auto reply = key.reversed();
        index = connections.allocate();
        const NewEntry entry{.connection = index};
        connections[index].inbound = flows.insert(key, flows.hash(key), entry).slot;
        connections[index].outbound = flows.insert(reply, flows.hash(reply), entry).slot;
        flows.continue_growing(8,
                               [&connections](std::uint32_t owner, SlotIndex from, SlotIndex to) {
                                   connections.note_move(owner, from, to);
                               });
        refused += connections[index].inbound == XVS_NONE;
        refused += connections[index].outbound == XVS_NONE;
    };
    for (std::uint32_t& index : order)
        connect(index);
    std::size_t at = 0;
    for (auto _ : state) {
        for (std::size_t i = 0; i < kBurst; ++i) {
            connections.prefetch(order[at + i]);
            const auto key = key_of<Ipv4>((number + static_cast<std::uint32_t>(i)) * 2654435761u);
            flows.prefetch_insert(flows.hash(key));
            flows.prefetch_insert(flows.hash(key.reversed()));
        }
        for (std::size_t i = 0; i < kBurst; ++i) {
            flows.prefetch_retire(connections[order[at + i]].inbound);
            flows.prefetch_retire(connections[order[at + i]].outbound);
        }
        for (std::size_t i = 0; i < kBurst; ++i) {
            end(order[at + i]);
            connect(order[at + i]);
        }
        at = (at + kBurst) & (kLive - 1);
    }
    state.SetItemsProcessed(state.iterations() * std::int64_t{kBurst});
    state.counters["refused"] = static_cast<double>(refused) / (2.0 * number);
}

// Each id is scheduled again when it comes back, at 1M pending, and its record touched.
void schedule_and_expire(benchmark::State& state) {
    constexpr std::uint32_t kLive = 1u << 20;
    TimerWheel<> wheel(0, 2 * kLive);
    std::vector<xvs_connection> records(kLive);
    std::uint32_t random = 1;
    const auto delay = [&random] {
        random = random * 1664525u + 1013904223u;
        return 600 + (random >> 18) % 15000;
    };
    for (std::uint32_t id = 0; id < kLive; ++id) {
        const std::uint32_t slot = shuffled(id, kLive);
        records[slot].check_at = delay();
        (void)wheel.schedule(slot, records[slot].check_at);
    }
    std::uint32_t now = 0;
    std::int64_t expired = 0;
    for (auto _ : state) {
        now += 16;
        expired += static_cast<std::int64_t>(wheel.advance(
            now,
            1u << 20,
            [&](std::uint32_t id) { __builtin_prefetch(&records[id]); },
            [&](std::uint32_t id) {
                records[id].check_at = now + delay();
                (void)wheel.schedule(id, records[id].check_at);
            }));
    }
    state.SetItemsProcessed(expired);
}

BENCHMARK(find<PrivateStorage, Ipv4, false>)->Arg(32)->Arg(1 << 10)->Arg(1 << 16)->Arg(1 << 20);
BENCHMARK(find<PrivateStorage, Ipv4, true>)->Arg(32)->Arg(1 << 10)->Arg(1 << 16)->Arg(1 << 20);
BENCHMARK(find<SmallPageStorage, Ipv4, false>)->Arg(1 << 10)->Arg(1 << 20);
BENCHMARK(find<SmallPageStorage, Ipv4, true>)->Arg(1 << 10)->Arg(1 << 20);
BENCHMARK(find<PrivateStorage, Ipv6, false>)->Arg(1 << 10)->Arg(1 << 20);
BENCHMARK(find<PrivateStorage, Ipv6, true>)->Arg(1 << 10)->Arg(1 << 20);
BENCHMARK(connect_and_end<PrivateStorage>);
BENCHMARK(connect_and_end<SmallPageStorage>);
BENCHMARK(schedule_and_expire);

}  // namespace
}  // namespace xvs::flow
