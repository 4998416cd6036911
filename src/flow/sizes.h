// Sizes: how many of each record the tables hold, fixed when they are made.
#pragma once

#include <algorithm>
#include <cstdint>

namespace xvs::flow {

struct Sizes {
    std::uint32_t connections4 = 0;
    std::uint32_t connections6 = 0;
    std::uint32_t slots4 = 0;  // powers of two: two entries a connection fill at most half of them
    std::uint32_t slots6 = 0;
    std::uint32_t translations = 0;
    std::uint32_t next_hops = 0;
    std::uint32_t destinations = 0;
    std::uint32_t services = 0;
    std::uint32_t counter_rows = 0;  // one for each writer: workers, and CPUs where BPF counts
    std::uint32_t report_rings =
        0;                      // of each worker: one for each CPU where BPF replays, else none
    std::uint32_t workers = 1;  // at most so many
    std::uint32_t stocks = 0;   // of decisions: XVS_STOCKS where programs may draw, else none

    // One in so many connections may be one that an assistant reads.
    static constexpr std::uint32_t kConnectionsPerAssistance = 32;

    [[nodiscard]] std::uint32_t assistances() const noexcept {
        return std::max(1u, connections4 / kConnectionsPerAssistance);
    }
};

inline constexpr std::uint32_t kMinDefaultConnections = 1u << 16;
inline constexpr std::uint32_t kMaxConnections = 1u << 26;  // 12 GiB of IPv4 entries and records

// What a connection costs in the tables when they are full: four slots (two entries at load 0.5),
// their owners and the record. 184 bytes for IPv4, 312 for IPv6.
inline constexpr std::uint32_t kBytesPerConnection4 = 4 * (32 + 4) + 40;
inline constexpr std::uint32_t kBytesPerConnection6 = 4 * (64 + 4) + 40;

// Returns the sizes for `connections` of IPv4 and as many of IPv6, with one row of counters.
// `connections` is taken as it is between 1 and kMaxConnections; a power of two wastes no slots.
[[nodiscard]] Sizes sizes_for(std::uint32_t connections) noexcept;

// Returns the same for tables that programs in the kernel replay on `cpus` CPUs, and for so many
// workers, from 1 to XVS_MAX_WORKERS.
[[nodiscard]] Sizes sizes_for(std::uint32_t connections,
                              std::uint32_t cpus,
                              std::uint32_t workers = 1) noexcept;

// Returns how many connections of each family a host with `memory_bytes` of memory gets unless told
// otherwise: what 2 % of it hold, as a power of two, and at least kMinDefaultConnections (31 MiB).
[[nodiscard]] std::uint32_t default_connections(std::uint64_t memory_bytes) noexcept;

}  // namespace xvs::flow
