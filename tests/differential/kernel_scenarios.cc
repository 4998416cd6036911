// kernel_scenarios FOLDER|FILE...: runs scenarios on the IPVS of the kernel it runs under, as root.
// tests/differential/run boots a kernel for it. Each is named before it begins, so that of output
// that breaks off the last line names the one that hangs.
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>

#include <fmt/format.h>
#include <unistd.h>

#include "tests/differential/command.h"
#include "tests/differential/kernel_target.h"

namespace {

using namespace std::chrono_literals;

// A scenario that waits longer is for the engine, whose clock is virtual.
constexpr std::chrono::milliseconds kLongestWait = 6s;

// One that takes longer hangs.
constexpr unsigned kMostSeconds = 60;

struct Tally {
    unsigned agree = 0;
    unsigned differ = 0;
    unsigned engine_only = 0;
    unsigned failed = 0;

    static void begin(const std::string& name) {
        fmt::print("{}: ", name);
        std::fflush(stdout);
    }

    static void end(const char* verdict, const std::string& remark = {}) {
        fmt::print("{}{}{}\n", verdict, remark.empty() ? "" : ": ", remark);
        std::fflush(stdout);
    }
};

void run_one(const xvs::test::FarNamespace& far,
             unsigned number,
             const std::string& path,
             Tally& tally) {
    const auto scenario = xvs::test::read_scenario(path);
    if (!scenario) {
        ++tally.failed;
        Tally::end("FAILED", scenario.error().context);
        return;
    }
    const bool is_too_long = scenario->duration() > kLongestWait;
    if (scenario->engine_only || is_too_long) {
        ++tally.engine_only;
        Tally::end("engine", scenario->engine_only.value_or("it waits too long"));
        return;
    }
    xvs::test::KernelTarget target(far, number, *scenario);
    const auto status = run_scenario(*scenario, target);
    if (scenario->differs_from_ipvs) {
        if (!status) {
            ++tally.differ;
            Tally::end("differs", *scenario->differs_from_ipvs);
        } else {
            ++tally.failed;
            Tally::end("FAILED", "it says that it differs from IPVS, but it does not");
        }
    } else if (status) {
        ++tally.agree;
        Tally::end("agrees");
    } else {
        ++tally.failed;
        Tally::end("FAILED", "\n  " + status.error().context);
    }
}

// By whatever the kernel itself loads modules with. Without it the scenarios of FTP fail, and say
// so.
void load_ftp_helper() {
    std::ifstream file("/proc/sys/kernel/modprobe");
    std::string loader;
    if (std::getline(file, loader) && !loader.empty())
        (void)xvs::test::run_command({loader, "-q", "--", "ip_vs_ftp"}, "");
}

// Async-signal-safe.
void end_at_alarm(int /*signal*/) {
    constexpr std::string_view kText = "FAILED: it hangs; those after it were not run\n";
    (void)!::write(STDOUT_FILENO, kText.data(), kText.size());
    ::_exit(1);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2) {
        std::fputs("usage: kernel_scenarios FOLDER|FILE...\n", stderr);
        return 2;
    }
    load_ftp_helper();
    (void)std::signal(SIGALRM, end_at_alarm);
    xvs::test::give_way_to_the_kernel();
    const xvs::test::FarNamespace far;
    const auto began = std::chrono::steady_clock::now();
    Tally tally;
    unsigned number = 0;
    for (int i = 1; i < argc; ++i) {
        const std::string argument = argv[i];
        const bool is_folder = std::filesystem::is_directory(argument);
        const auto paths =
            is_folder ? xvs::test::find_scenarios(argument) : std::vector<std::string>{argument};
        for (const std::string& path : paths) {
            const auto name =
                is_folder ? std::filesystem::path(path).lexically_relative(argument).string()
                          : path;
            Tally::begin(name);
            ::alarm(kMostSeconds);
            run_one(far, ++number, path, tally);
            ::alarm(0);
        }
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    fmt::print(
        "{} scenarios: {} agree with kernel IPVS, {} differ as they say, {} are the engine's "
        "alone, {} failed ({:.1f} s)\n",
        number,
        tally.agree,
        tally.differ,
        tally.engine_only,
        tally.failed,
        took.count());
    if (number == 0) std::fputs("kernel_scenarios: no scenario was found\n", stderr);
    return number != 0 && tally.failed == 0 ? 0 : 1;
}
