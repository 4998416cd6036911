// Running other programs: run() to the end with its output, Process for one that goes on.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "base/result.h"
#include "base/unique_fd.h"

namespace xvs::lab {

// A program and its arguments, as typed but without a shell.
using Command = std::vector<std::string>;

// Splits at blanks: command("ip link set lo up"). No quoting.
[[nodiscard]] Command command(std::string_view words);

// The command as one would type it, arguments with blanks in single quotes.
[[nodiscard]] std::string to_string(const Command& command);

struct Completed {
    int exit_code = 0;  // 128 + signal when a signal ended it
    std::string out;
    std::string err;
};

struct RunOptions {
    std::string input;  // given as standard input
    std::chrono::milliseconds time_limit = std::chrono::seconds(30);
};

// Runs `command` to its end in the calling thread's network namespace. Fails when it cannot be
// started or outlives the time limit (it is killed then); an exit code other than 0 is no failure.
[[nodiscard]] Result<Completed> run(const Command& command, const RunOptions& options = {});

// Like run(), but an exit code other than 0 is a failure that quotes the command and what it said.
[[nodiscard]] Result<std::string> run_checked(const Command& command,
                                              const RunOptions& options = {});

// A program in the background, killed and reaped when its owner goes.
class Process {
public:
    // The program is in a session of its own (a terminal's Ctrl-C is not for it); it reads
    // `input`, or nothing, and writes to `log` (appended).
    [[nodiscard]] static Result<Process> start(const Command& command,
                                               const std::filesystem::path& log,
                                               int input = -1);

    Process() = default;
    Process(Process&& other) noexcept;
    Process& operator=(Process&& other) noexcept;
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;
    ~Process();

    [[nodiscard]] pid_t pid() const noexcept { return pid_; }

    // True until it has ended; reaps it when it has.
    [[nodiscard]] bool is_running() noexcept;

    // Sends it a signal; false when it has ended. Unlike kill(2) with pid(), which is -1 then, this
    // can never reach every process of the machine.
    bool signal(int number) noexcept;

    // SIGTERM, and SIGKILL when that does not end it within `patience`.
    void stop(std::chrono::milliseconds patience = std::chrono::seconds(2)) noexcept;

    // Lets it live on without an owner.
    void detach() noexcept { pid_ = -1; }

private:
    explicit Process(pid_t pid) noexcept : pid_(pid) {}

    pid_t pid_ = -1;
};

}  // namespace xvs::lab
