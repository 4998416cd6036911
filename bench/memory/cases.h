// Cases: what is measured in memory, table by table.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bench/memory/report.h"
#include "bench/memory/slices.h"

namespace xvs::bench {

enum class TableKind : std::uint8_t {
    Private,  // the engine's own, on huge pages
    Shared,   // BPF arrays, on pages of 4 KiB
};

struct CaseOptions {
    TableKind table = TableKind::Private;
    std::vector<std::uint32_t> flows;       // live ones, for packets of established connections
    std::uint32_t live_of_new = 1'000'000;  // while new ones come and go
    std::size_t rounds = 200;
    bool counts_instructions = true;
};

// Packets of established connections, by method, family and number of live flows.
[[nodiscard]] Status measure_established(const CaseOptions& options,
                                         const Stopwatch& watch,
                                         Report& report);

// Connections that come and end.
[[nodiscard]] Status measure_new(const CaseOptions& options,
                                 const Stopwatch& watch,
                                 Report& report);

// Packets for nobody here.
[[nodiscard]] Status measure_miss(const CaseOptions& options,
                                  const Stopwatch& watch,
                                  Report& report);

}  // namespace xvs::bench
