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

// Returns "1 flow", "131k flows", ...
[[nodiscard]] std::string flows_text(std::uint32_t flows);

// Packets of established connections that the program in the kernel sends on, by the same three.
[[nodiscard]] Status measure_kernel(const CaseOptions& options, Report& report);

// Bytes of a live connection in all tables together.
void measure_memory(Report& report);

// Packets for nobody here.
[[nodiscard]] Status measure_miss(const CaseOptions& options,
                                  const Stopwatch& watch,
                                  Report& report);

}  // namespace xvs::bench
