// Cases: the control plane at scale, and what it keeps the packets from.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "bench/memory/report.h"

namespace xvs::bench {

struct ScaleOptions {
    std::uint32_t services = 10'000;
    std::uint32_t servers_of_each = 10;
    std::uint32_t servers_of_one = 100'000;
    std::uint32_t connections_of_one = 100'000;
    std::uint32_t connections = 10'000'000;
    int repetitions = 50;
    std::string programs;  // the folder of xvsd and xvsadm; empty: in memory alone
};

// Many services, then one with as many real servers: restored, edited, listed, removed.
[[nodiscard]] Status measure_services(const ScaleOptions& options, Report& report);

// A server with many connections removed, its route moved; then as many connections as fit, their
// memory and timers.
[[nodiscard]] Status measure_connections(const ScaleOptions& options, Report& report);

// The same through xvsd and xvsadm, in a network namespace of this process's own.
[[nodiscard]] Status measure_daemon(const ScaleOptions& options, Report& report);

}  // namespace xvs::bench
