// CpuClocks: the CPU time of this process and of others together, to the nanosecond.
#pragma once

#include <chrono>
#include <vector>

#include <sys/types.h>

#include <fmt/format.h>
#include <time.h>

#include "base/result.h"

namespace xvs::bench {

class CpuClocks {
public:
    [[nodiscard]] Status add(pid_t pid) {
        clockid_t clock{};
        if (::clock_getcpuclockid(pid, &clock) != 0)
            return fail(ErrorCode::NotFound, fmt::format("there is no process {}", pid));
        clocks_.push_back(clock);
        return {};
    }

    // A process that has ended since counts no more.
    [[nodiscard]] std::chrono::nanoseconds read() const {
        std::chrono::nanoseconds sum = read(CLOCK_PROCESS_CPUTIME_ID);
        for (const clockid_t clock : clocks_)
            sum += read(clock);
        return sum;
    }

private:
    static std::chrono::nanoseconds read(clockid_t clock) {
        timespec time{};
        if (::clock_gettime(clock, &time) != 0) return {};
        return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
    }

    std::vector<clockid_t> clocks_;
};

}  // namespace xvs::bench
