// Clock: the time that connections age by, real in xvsd and virtual in tests.
#pragma once

#include <chrono>
#include <ctime>

namespace xvs {

// Nanoseconds of CLOCK_MONOTONIC, the clock of bpf_ktime_get_ns().
using Nanoseconds = std::chrono::nanoseconds;

class Clock {
public:
    Clock() = default;
    Clock(const Clock&) = delete;
    Clock& operator=(const Clock&) = delete;
    virtual ~Clock() = default;

    [[nodiscard]] virtual Nanoseconds now() const noexcept = 0;
};

class MonotonicClock final : public Clock {
public:
    [[nodiscard]] Nanoseconds now() const noexcept override {
        timespec time{};
        ::clock_gettime(CLOCK_MONOTONIC, &time);
        return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
    }
};

// A clock that stands still until a test moves it.
class VirtualClock final : public Clock {
public:
    VirtualClock() = default;

    explicit VirtualClock(Nanoseconds now) noexcept : now_(now) {}

    [[nodiscard]] Nanoseconds now() const noexcept override { return now_; }

    void advance(Nanoseconds by) noexcept { now_ += by; }

private:
    Nanoseconds now_ = std::chrono::hours(1);
};

}  // namespace xvs
