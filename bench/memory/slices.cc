#include "bench/memory/slices.h"

#include <chrono>

#include <sys/resource.h>

#include <x86intrin.h>

namespace xvs::bench {

Summary summarize(std::vector<double>& samples) {
    std::sort(samples.begin(), samples.end());
    return {.median = samples[samples.size() / 2],
            .minimum = samples.front(),
            .maximum = samples.back(),
            .samples = samples.size()};
}

// The time-stamp counter against the clock.
Stopwatch::Stopwatch() {
    using Clock = std::chrono::steady_clock;
    const Clock::time_point begin = Clock::now();
    const std::uint64_t first = now();
    Clock::time_point end = begin;
    while (end - begin < std::chrono::milliseconds(50))
        end = Clock::now();
    nanoseconds_each_ = std::chrono::duration<double, std::nano>(end - begin).count() /
                        static_cast<double>(now() - first);
}

// Waits for what came before, and lets nothing that follows begin earlier.
std::uint64_t Stopwatch::now() noexcept {
    _mm_lfence();
    const std::uint64_t time = __rdtsc();
    _mm_lfence();
    return time;
}

long Stopwatch::interruptions() noexcept {
    rusage usage{};
    ::getrusage(RUSAGE_THREAD, &usage);
    return usage.ru_nivcsw + usage.ru_nvcsw;
}

}  // namespace xvs::bench
