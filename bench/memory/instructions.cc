#include "bench/memory/instructions.h"

#include <csignal>
#include <cstddef>

#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>

#include <unistd.h>

namespace xvs::bench {
namespace {

std::uint64_t program_counter(pid_t child) {
    return static_cast<std::uint64_t>(
        ::ptrace(PTRACE_PEEKUSER, child, offsetof(user_regs_struct, rip), nullptr));
}

// Returns the steps between the child's two stops, or nothing.
std::optional<std::uint64_t> count_steps(pid_t child) {
    int status = 0;
    if (::waitpid(child, &status, 0) != child || !WIFSTOPPED(status)) return std::nullopt;
    std::uint64_t steps = 0;
    for (std::uint64_t before = 0;;) {
        if (::ptrace(PTRACE_SINGLESTEP, child, nullptr, nullptr) != 0) return std::nullopt;
        if (::waitpid(child, &status, 0) != child || !WIFSTOPPED(status)) return std::nullopt;
        if (WSTOPSIG(status) == SIGSTOP) return steps;
        if (WSTOPSIG(status) != SIGTRAP) return std::nullopt;
        // One that repeats itself (rep movs) stops after each turn.
        const std::uint64_t now = program_counter(child);
        if (now != before) ++steps;
        before = now;
    }
}

std::optional<std::uint64_t> count_between_stops(const std::function<void()>& run) {
    const pid_t child = ::fork();
    if (child < 0) return std::nullopt;
    if (child == 0) {
        if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) ::_exit(1);
        (void)::raise(SIGSTOP);
        run();
        (void)::raise(SIGSTOP);
        ::_exit(0);
    }
    const std::optional<std::uint64_t> steps = count_steps(child);
    ::kill(child, SIGKILL);
    (void)::waitpid(child, nullptr, 0);
    return steps;
}

}  // namespace

// What the stops themselves take is counted apart, and taken off.
std::optional<std::uint64_t> count_instructions(const std::function<void()>& run) {
    const std::optional<std::uint64_t> nothing = count_between_stops([] {});
    const std::optional<std::uint64_t> all = count_between_stops(run);
    if (!nothing || !all || *all < *nothing) return std::nullopt;
    return *all - *nothing;
}

}  // namespace xvs::bench
