// ScaleRig: an engine in memory behind the control plane's door, and a clock for what it costs.
#pragma once

#include <ctime>
#include <memory>
#include <vector>

#include "base/gate.h"
#include "bench/memory/burst_port.h"
#include "bench/memory/rig.h"
#include "bench/memory/slices.h"
#include "control/engine_service_manager.h"
#include "flow/storage.h"

namespace xvs::bench {

// CPU time of this thread, which does not depend on who else runs.
[[nodiscard]] inline double thread_seconds() noexcept {
    timespec now{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

template <class Work>
[[nodiscard]] double seconds_of(Work&& work) {
    const double begin = thread_seconds();
    work();
    return thread_seconds() - begin;
}

// `count` samples of what `work(i)` takes, in `unit` a second.
template <class Work>
[[nodiscard]] Summary sample(int count, double unit, Work&& work) {
    std::vector<double> samples;
    for (int i = 0; i < count; ++i)
        samples.push_back(seconds_of([&] { work(i); }) * unit);
    return summarize(samples);
}

// Of portions of a work, the long ones are what others wait for: what 999 of 1000 keep to. The very
// longest may have had an interrupt of somebody else's packets in it.
[[nodiscard]] inline Summary longest(std::vector<double>& portions) {
    Summary all = summarize(portions);  // sorts them
    all.median = portions[portions.size() - 1 - portions.size() / 1000];
    return all;
}

struct ScaleRig {
    explicit ScaleRig(std::unique_ptr<flow::Tables> made)
        : tables(std::move(made)),
          router(tables->next_hops()),
          engine(*tables, router, steering, port, clock),
          manager(engine, gate) {}

    VirtualClock clock;
    std::unique_ptr<flow::Tables> tables;
    OneWayRouter router;
    NoSteering steering;
    BurstPort port;
    engine::Engine engine;
    Gate gate;
    control::EngineServiceManager manager;
};

}  // namespace xvs::bench
