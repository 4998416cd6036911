// xvs status: what the xvsd of this network namespace says of itself.
#include <chrono>

#include <fmt/format.h>

#include "commands.h"
#include "control/command_socket.h"

namespace xvs::app {

void add_status(CLI::App& app, Invocation& invocation) {
    auto* command = app.add_subcommand(
        "status", "Ask the xvsd of this network namespace how it is, and what would outlive it");
    command->callback([&invocation] {
        constexpr std::chrono::seconds kPatience{5};
        const auto answer = control::ask_daemon("status", kPatience);
        if (answer) {
            fmt::print("{}", answer->text);
        } else {
            invocation.exit_code = complain(answer.error());
        }
    });
}

}  // namespace xvs::app
