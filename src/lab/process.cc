#include "lab/process.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include <sys/wait.h>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <unistd.h>

extern char** environ;

namespace xvs::lab {

namespace {

using SteadyClock = std::chrono::steady_clock;

struct Pipe {
    UniqueFd read;
    UniqueFd write;
};

Result<Pipe> make_pipe() {
    std::array<int, 2> fds{};
    if (::pipe2(fds.data(), O_CLOEXEC) != 0) return fail(system_error("making a pipe", errno));
    return Pipe{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

class FileActions {
public:
    FileActions() { ::posix_spawn_file_actions_init(&actions_); }

    FileActions(const FileActions&) = delete;
    FileActions& operator=(const FileActions&) = delete;

    ~FileActions() { ::posix_spawn_file_actions_destroy(&actions_); }

    void duplicate(int from, int to) { ::posix_spawn_file_actions_adddup2(&actions_, from, to); }

    void open(int fd, const char* path, int flags) {
        ::posix_spawn_file_actions_addopen(&actions_, fd, path, flags, 0644);
    }

    [[nodiscard]] const posix_spawn_file_actions_t* get() const { return &actions_; }

private:
    posix_spawn_file_actions_t actions_{};
};

Result<pid_t> spawn(const Command& command, const FileActions& actions, short extra_flags) {
    std::vector<char*> argv;
    argv.reserve(command.size() + 1);
    for (const std::string& word : command)
        argv.push_back(const_cast<char*>(word.c_str()));  // NOLINT: execve takes char* and keeps it
    argv.push_back(nullptr);

    posix_spawnattr_t attributes{};
    ::posix_spawnattr_init(&attributes);
    sigset_t none{};
    sigset_t defaults{};
    ::sigemptyset(&none);
    ::sigemptyset(&defaults);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE})
        ::sigaddset(&defaults, signal);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    ::posix_spawnattr_setsigdefault(&attributes, &defaults);
    ::posix_spawnattr_setflags(
        &attributes,
        static_cast<short>(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | extra_flags));

    pid_t pid = -1;
    const int error =
        ::posix_spawnp(&pid, argv.front(), actions.get(), &attributes, argv.data(), environ);
    ::posix_spawnattr_destroy(&attributes);
    if (error == ENOENT) {
        return fail(
            ErrorCode::NotFound,
            fmt::format("cannot run '{}': there is no such program; install it", command.front()));
    }
    if (error != 0) return fail(system_error("cannot run '" + command.front() + "'", error));
    return pid;
}

int exit_code_of(int status) {
    if (WIFEXITED(status)) return WEXITSTATUS(status);
    return 128 + WTERMSIG(status);
}

int wait_for(pid_t pid) {
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return exit_code_of(status);
}

// Feeds `input` and collects output until both output pipes are closed. False: the time is up.
bool converse(UniqueFd& input,
              std::string_view unsent,
              UniqueFd& out,
              UniqueFd& err,
              SteadyClock::time_point deadline,
              Completed& completed) {
    if (unsent.empty()) input.reset();
    std::array<char, 65536> buffer{};
    while (out.is_open() || err.is_open()) {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(deadline - SteadyClock::now());
        if (left.count() <= 0) return false;
        std::array<pollfd, 3> watched{pollfd{out.get(), POLLIN, 0},
                                      pollfd{err.get(), POLLIN, 0},
                                      pollfd{input.get(), POLLOUT, 0}};
        if (::poll(watched.data(), watched.size(), static_cast<int>(left.count())) <= 0) continue;
        if (watched[2].revents != 0) {
            const ssize_t wrote = ::write(input.get(), unsent.data(), unsent.size());
            if (wrote > 0) unsent.remove_prefix(static_cast<std::size_t>(wrote));
            if (wrote < 0 || unsent.empty()) input.reset();
        }
        const auto collect = [&](UniqueFd& from, std::string& into) {
            const ssize_t got = ::read(from.get(), buffer.data(), buffer.size());
            if (got > 0) into.append(buffer.data(), static_cast<std::size_t>(got));
            if (got == 0 || (got < 0 && errno != EINTR)) from.reset();
        };
        if (watched[0].revents != 0) collect(out, completed.out);
        if (watched[1].revents != 0) collect(err, completed.err);
    }
    return true;
}

}  // namespace

Command command(std::string_view words) {
    Command result;
    while (!words.empty()) {
        const std::size_t end = std::min(words.find(' '), words.size());
        if (end > 0) result.emplace_back(words.substr(0, end));
        words.remove_prefix(std::min(end + 1, words.size()));
    }
    return result;
}

std::string to_string(const Command& command) {
    std::string text;
    for (const std::string& word : command) {
        if (!text.empty()) text += ' ';
        const bool quote = word.empty() || word.find_first_of(" \t\n;&|<>$*?'\"") != word.npos;
        text += quote ? "'" + word + "'" : word;
    }
    return text;
}

Result<Completed> run(const Command& command, const RunOptions& options) {
    auto input = make_pipe();
    if (!input) return fail(input.error());
    auto out = make_pipe();
    if (!out) return fail(out.error());
    auto err = make_pipe();
    if (!err) return fail(err.error());

    FileActions actions;
    actions.duplicate(input->read.get(), STDIN_FILENO);
    actions.duplicate(out->write.get(), STDOUT_FILENO);
    actions.duplicate(err->write.get(), STDERR_FILENO);
    const auto pid = spawn(command, actions, 0);
    if (!pid) return fail(pid.error());
    input->read.reset();
    out->write.reset();
    err->write.reset();
    ::fcntl(input->write.get(), F_SETFL, O_NONBLOCK);

    Completed completed;
    const auto deadline = SteadyClock::now() + options.time_limit;
    const bool in_time =
        converse(input->write, options.input, out->read, err->read, deadline, completed);
    if (!in_time) ::kill(*pid, SIGKILL);
    completed.exit_code = wait_for(*pid);
    if (!in_time) {
        return fail(ErrorCode::Busy,
                    fmt::format("'{}' did not end within {} ms and was killed{}{}",
                                to_string(command),
                                options.time_limit.count(),
                                completed.err.empty() ? "" : ": ",
                                completed.err));
    }
    return completed;
}

Result<std::string> run_checked(const Command& command, const RunOptions& options) {
    auto completed = run(command, options);
    if (!completed) return fail(completed.error());
    if (completed->exit_code != 0) {
        std::string said = completed->err.empty() ? completed->out : completed->err;
        while (!said.empty() && said.back() == '\n')
            said.pop_back();
        return fail(ErrorCode::System,
                    fmt::format("'{}' failed with exit code {}: {}",
                                to_string(command),
                                completed->exit_code,
                                said.empty() ? "(it said nothing)" : said));
    }
    return std::move(completed->out);
}

Result<Process> Process::start(const Command& command,
                               const std::filesystem::path& log,
                               int input) {
    FileActions actions;
    if (input >= 0) {
        actions.duplicate(input, STDIN_FILENO);
    } else {
        actions.open(STDIN_FILENO, "/dev/null", O_RDONLY);
    }
    actions.open(STDOUT_FILENO, log.c_str(), O_WRONLY | O_CREAT | O_APPEND);
    actions.duplicate(STDOUT_FILENO, STDERR_FILENO);
    const auto pid = spawn(command, actions, POSIX_SPAWN_SETSID);
    if (!pid) return fail(pid.error());
    return Process(*pid);
}

Process::Process(Process&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}

Process& Process::operator=(Process&& other) noexcept {
    if (this != &other) {
        stop();
        pid_ = std::exchange(other.pid_, -1);
    }
    return *this;
}

Process::~Process() {
    stop();
}

bool Process::is_running() noexcept {
    if (pid_ < 0) return false;
    if (::waitpid(pid_, nullptr, WNOHANG) == 0) return true;
    pid_ = -1;
    return false;
}

bool Process::signal(int number) noexcept {
    return is_running() && ::kill(pid_, number) == 0;
}

void Process::stop(std::chrono::milliseconds patience) noexcept {
    if (!is_running()) return;
    ::kill(pid_, SIGTERM);
    const auto deadline = SteadyClock::now() + patience;
    while (is_running()) {
        if (SteadyClock::now() >= deadline) {
            ::kill(pid_, SIGKILL);
            wait_for(pid_);
            pid_ = -1;
            return;
        }
        ::poll(nullptr, 0, 5);
    }
}

}  // namespace xvs::lab
