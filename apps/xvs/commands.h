// The subcommands of xvs, one file each. Each adds itself to `app` and, when it is chosen, runs and
// leaves its exit code.
#pragma once

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "base/error.h"
#include "lab/doctor.h"

namespace xvs::app {

inline constexpr int kSuccess = 0;
inline constexpr int kFailure = 1;

struct Invocation {
    std::vector<std::string> command;  // what stood after --
    int exit_code = kSuccess;
};

// Says "xvs: <the sentence>" on stderr; returns kFailure.
int complain(const Error& error);

// Prints each finding with its remedy, and a closing line; returns kFailure if one is ill.
int print_findings(const std::vector<lab::Finding>& findings);

void add_demo(CLI::App& app, Invocation& invocation);
void add_doctor(CLI::App& app, Invocation& invocation);
void add_lab(CLI::App& app, Invocation& invocation);
void add_lab_server(CLI::App& app, Invocation& invocation);
void add_real_server(CLI::App& app, Invocation& invocation);
void add_status(CLI::App& app, Invocation& invocation);

}  // namespace xvs::app
