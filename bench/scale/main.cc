// xvs_scale_bench: the control plane with many services, real servers and connections.
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/steady_heap.h"
#include "bench/scale/cases.h"

namespace {

xvs::Status run(const xvs::bench::ScaleOptions& options, xvs::bench::Report& report) {
    if (auto status = measure_services(options, report); !status) return status;
    if (auto status = measure_connections(options, report); !status) return status;
    if (options.programs.empty()) {
        report.add_not_run("xvsd and xvsadm", "no --programs");
        return {};
    }
    if (auto status = measure_daemon(options, report); !status)
        report.add_not_run("xvsd and xvsadm", status.error().context);
    return {};
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app("The control plane at scale: CPU time of edits, listings and timers.");
    std::string json;
    bool is_quick = false;
    xvs::bench::ScaleOptions options;
    app.add_option("--json", json, "Leave the figures in this file");
    app.add_flag("--quick", is_quick, "A tenth of all, but 100,000 connections");
    app.add_option("--programs", options.programs, "The folder of xvsd and xvsadm");
    CLI11_PARSE(app, argc, argv);
    if (is_quick) {
        options.services /= 10;
        options.servers_of_one /= 10;
        options.connections /= 10;
        options.repetitions /= 5;
    }
    xvs::keep_heap_steady();
    xvs::bench::Report report;
    xvs::Status status = run(options, report);
    if (status && !json.empty()) status = report.write(json);
    if (status) return 0;
    fmt::print(stderr, "{}\n", status.error().context);
    return 1;
}
