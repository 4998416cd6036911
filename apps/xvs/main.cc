// xvs: what an operator wishes LVS had.
#include <algorithm>
#include <cstdio>
#include <string_view>

#include <CLI/CLI.hpp>

#include "commands.h"

namespace xvs::app {

int complain(const Error& error) {
    (void)std::fflush(stdout);
    (void)std::fprintf(stderr, "xvs: %s\n", error.context.c_str());
    return kFailure;
}

}  // namespace xvs::app

int main(int argc, char** argv) {
    CLI::App app("Linux Virtual Server: laboratories, real servers, and what ails them.", "xvs");
    app.require_subcommand(1);
    xvs::app::Invocation invocation;
    xvs::app::add_demo(app, invocation);
    xvs::app::add_lab(app, invocation);
    xvs::app::add_doctor(app, invocation);
    xvs::app::add_real_server(app, invocation);
    xvs::app::add_status(app, invocation);
    xvs::app::add_lab_server(app, invocation);

    // What stands after -- is another program's command line, not ours to read.
    const std::vector<char*> words(argv, argv + argc);
    const auto ours_end = std::find_if(words.begin(), words.end(), [](const char* word) {
        return std::string_view(word) == "--";
    });
    if (ours_end != words.end()) invocation.command.assign(ours_end + 1, words.end());
    constexpr int kBadUsage = 2;
    try {
        app.parse(static_cast<int>(ours_end - words.begin()), argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? xvs::app::kSuccess : kBadUsage;
    }
    return invocation.exit_code;
}
