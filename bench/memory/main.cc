// xvs_memory_bench: what a packet costs in memory, without input and output.
#include <algorithm>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "bench/memory/bounds.h"
#include "bench/memory/cases.h"

namespace xvs::bench {
namespace {

struct Options {
    std::string json;
    bool is_quick = false;
    bool is_check = false;
    std::vector<std::string> tables{"private", "shared"};
    std::vector<std::string> cases{"established", "new", "miss", "kernel", "memory"};
    std::vector<std::uint32_t> flows;
    std::size_t rounds = 0;
};

Status run(const Options& options, Report& report) {
    const Stopwatch watch;
    CaseOptions cases;
    cases.flows = options.flows;
    if (cases.flows.empty()) {
        cases.flows = {1, 1024, 131072, 1'000'000};
        if (!options.is_quick) cases.flows.push_back(10'000'000);
    }
    if (options.is_check) cases.live_of_new = 1u << 16;
    cases.rounds = options.rounds != 0 ? options.rounds : options.is_quick ? 50 : 300;
    const auto wants = [&](const char* name) {
        return std::find(options.cases.begin(), options.cases.end(), name) != options.cases.end();
    };
    if (wants("memory")) measure_memory(report);
    for (const std::string& table : options.tables) {
        cases.table = table == "private" ? TableKind::Private : TableKind::Shared;
        Status status;
        if (wants("established")) status = measure_established(cases, watch, report);
        if (status && wants("new")) status = measure_new(cases, watch, report);
        if (status && wants("miss")) status = measure_miss(cases, watch, report);
        if (status) continue;
        if (cases.table == TableKind::Private) return status;
        report.add_not_run("the shared table", status.error().context);
    }
    if (!wants("kernel")) return {};
    if (const Status status = measure_kernel(cases, report); !status)
        report.add_not_run("packets in the kernel", status.error().context);
    return {};
}

// A short run of which only what does not depend on the machine is looked at.
int check(Options options) {
    options.tables = {"private"};
    options.cases = {"established", "new", "miss"};
    options.flows = {1, 1024};
    options.rounds = 20;
    Report report;
    if (const Status status = run(options, report); !status) {
        fmt::print(stderr, "xvs_memory_bench: {}\n", status.error().context);
        return 1;
    }
    const std::vector<std::string> excesses = find_excesses(report);
    for (const std::string& excess : excesses)
        fmt::print(stderr, "xvs_memory_bench: {}\n", excess);
    return excesses.empty() ? 0 : 1;
}

}  // namespace
}  // namespace xvs::bench

int main(int argc, char** argv) {
    CLI::App app("What a packet costs in memory, without input and output: ns of one core.");
    xvs::bench::Options options;
    app.add_option("--json", options.json, "Leave the figures in this file");
    app.add_flag("--quick", options.is_quick, "Fewer rounds, and no 10 million flows");
    app.add_flag("--check",
                 options.is_check,
                 "Run shortly; fail where a ratio or a count of instructions is out of bounds");
    app.add_option("--tables", options.tables, "private, shared")
        ->delimiter(',')
        ->check(CLI::IsMember({"private", "shared"}));
    app.add_option("--cases", options.cases, "established, new, miss, kernel, memory")
        ->delimiter(',')
        ->check(CLI::IsMember({"established", "new", "miss", "kernel", "memory"}));
    app.add_option("--flows", options.flows, "Live flows of the established cases")
        ->delimiter(',')
        ->check(CLI::Range(1u, 1u << 26));
    app.add_option("--rounds", options.rounds, "Slices of each");
    CLI11_PARSE(app, argc, argv);
    if (options.is_check) return xvs::bench::check(options);
    xvs::bench::Report report;
    xvs::Status status = xvs::bench::run(options, report);
    if (status && !options.json.empty()) status = report.write(options.json);
    if (status) return 0;
    fmt::print(stderr, "xvs_memory_bench: {}\n", status.error().context);
    return 1;
}
