#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include <sys/wait.h>

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <spawn.h>
#include <unistd.h>

#include "bench/scale/cases.h"

namespace xvs::bench {
namespace {

using Clock = std::chrono::steady_clock;

double milliseconds_since(Clock::time_point begin) {
    return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

// A program with this input. Returns 0 where it could not be started. Not by fork(): copying the
// page tables of a process that has held millions of connections takes longer than what is
// measured.
pid_t start(const std::vector<std::string>& words, const char* input) {
    std::vector<char*> arguments;
    for (const std::string& word : words)
        arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    posix_spawn_file_actions_t streams;
    ::posix_spawn_file_actions_init(&streams);
    ::posix_spawn_file_actions_addopen(&streams, STDIN_FILENO, input, O_RDONLY, 0);
    ::posix_spawn_file_actions_addopen(&streams, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    ::posix_spawn_file_actions_addopen(&streams, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    pid_t child = 0;
    const int error =
        ::posix_spawnp(&child, arguments.front(), &streams, nullptr, arguments.data(), ::environ);
    ::posix_spawn_file_actions_destroy(&streams);
    return error == 0 ? child : 0;
}

int finish(pid_t child) {
    int status = 0;
    if (child == 0 || ::waitpid(child, &status, 0) != child) return 127;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

int run(const std::vector<std::string>& words) {
    return finish(start(words, "/dev/null"));
}

// A folder that goes with its owner.
class Folder {
public:
    Folder() {
        std::string name = (std::filesystem::temp_directory_path() / "xvs-scale-XXXXXX").string();
        if (::mkdtemp(name.data()) != nullptr) path_ = name;
    }

    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;

    ~Folder() {
        std::error_code ignored;
        if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
    }

    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

private:
    std::filesystem::path path_;
};

// xvsd in this process's network namespace, which stops with its owner and leaves nothing.
class Daemon {
public:
    Daemon(std::string programs, const std::filesystem::path& state)
        : programs_(std::move(programs)), state_(state) {}

    Daemon(const Daemon&) = delete;
    Daemon& operator=(const Daemon&) = delete;

    ~Daemon() { stop(); }

    bool start_and_wait() {
        pid_ = start({programs_ + "/xvsd", "--state-dir", state_, "--connections", "65536"},
                     "/dev/null");
        return run({programs_ + "/xvsd", "--wait", "60"}) == 0;
    }

    void stop() {
        if (pid_ <= 0) return;
        if (run({programs_ + "/xvsd", "--detach"}) != 0) ::kill(pid_, SIGTERM);
        finish(std::exchange(pid_, 0));
    }

    // Returns how long it took in milliseconds, less than 0 where it failed.
    double xvsadm(std::vector<std::string> words, const char* input = "/dev/null") const {
        words.insert(words.begin(), programs_ + "/xvsadm");
        const auto begin = Clock::now();
        return finish(start(words, input)) == 0 ? milliseconds_since(begin) : -1;
    }

private:
    std::string programs_;
    std::string state_;
    pid_t pid_ = 0;
};

std::string address(unsigned first, std::uint32_t number) {
    return fmt::format("{}.{}.{}.{}", first, number >> 16, number >> 8 & 255, number & 255);
}

void write_rules(const std::filesystem::path& path, const ScaleOptions& options) {
    std::ofstream rules(path);
    std::uint32_t number = 0;
    for (std::uint32_t i = 0; i < options.services; ++i) {
        const std::string vip = address(172, i) + ":80";
        rules << "-A -t " << vip << " -s wrr\n";
        for (std::uint32_t j = 0; j < options.servers_of_each; ++j, ++number) {
            rules << "-a -t " << vip << " -r " << address(10, number + 256) << ":80 -m -w 1\n";
        }
    }
}

bool make_network() {
    return ::unshare(CLONE_NEWNET) == 0 && run({"ip", "link", "set", "lo", "up"}) == 0 &&
           run({"ip", "link", "add", "in", "type", "veth", "peer", "name", "out"}) == 0 &&
           run({"ip", "link", "set", "in", "up"}) == 0 &&
           run({"ip", "link", "set", "out", "up"}) == 0 &&
           run({"ip", "address", "add", "10.0.0.1/8", "dev", "in"}) == 0;
}

Summary of(const std::function<double()>& work, int count) {
    std::vector<double> samples;
    for (int i = 0; i < count; ++i)
        samples.push_back(work());
    return summarize(samples);
}

void measure(Daemon& daemon,
             const std::string& rules,
             const ScaleOptions& options,
             Report& report) {
    const std::string group = "Through xvsd and xvsadm, elapsed time";
    const auto add = [&](std::string name, const Summary& value, double limit) {
        report.add({.group = group,
                    .name = std::move(name),
                    .unit = "ms",
                    .value = value,
                    .limit = limit});
    };
    add("xvsadm --restore",
        of([&] { return daemon.xvsadm({"--restore"}, rules.c_str()); }, 1),
        2000);
    add("xvsadm -Ln", of([&] { return daemon.xvsadm({"-Ln"}); }, 5), 1000);
    add("xvsadm -Ln --stats", of([&] { return daemon.xvsadm({"-Ln", "--stats"}); }, 5), 1000);
    int weight = 1;
    const auto edit = [&] {
        ++weight;
        return daemon.xvsadm({"-e",
                              "-t",
                              address(172, 5) + ":80",
                              "-r",
                              address(10, 5 * options.servers_of_each + 256) + ":80",
                              "-m",
                              "-w",
                              std::to_string(weight)});
    };
    add("one edit, while the last ones are being saved",
        of(
            [&] {
                ::usleep(20000);
                return edit();
            },
            options.repetitions),
        5);
    daemon.stop();
    add("xvsd restores them and is ready",
        of(
            [&] {
                const auto begin = Clock::now();
                const bool is_ready = daemon.start_and_wait();
                return is_ready ? milliseconds_since(begin) : -1;
            },
            1),
        2000);
}

}  // namespace

Status measure_daemon(const ScaleOptions& options, Report& report) {
    if (::geteuid() != 0) return fail(ErrorCode::NotPermitted, "network namespaces need root");
    if (!make_network())
        return fail(ErrorCode::System, "a network namespace with a veth could not be made");
    const Folder folder;
    const std::string rules = folder.path() / "rules";
    write_rules(rules, options);
    Daemon daemon(options.programs, folder.path() / "state");
    if (!daemon.start_and_wait())
        return fail(ErrorCode::NotAvailable, "xvsd did not start; see: " + options.programs);
    measure(daemon, rules, options, report);
    return {};
}

}  // namespace xvs::bench
