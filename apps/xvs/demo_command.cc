// xvs demo: the three classic forwarding methods on real traffic.
#include <memory>

#include "commands.h"
#include "lab/demo.h"
#include "lab/interruption.h"

namespace xvs::app {

namespace {

Status show(const std::string& method) {
    const lab::Interruption interruption;
    const lab::Programs programs = lab::Programs::beside_this();
    const lab::Paint paint = lab::Paint::for_standard_output();
    if (method.empty()) return lab::show_demo(programs, paint);
    const auto parsed = lab::parse_method(method);
    if (!parsed) return fail(parsed.error());
    return lab::show_method(*parsed, programs, paint);
}

}  // namespace

void add_demo(CLI::App& app, Invocation& invocation) {
    auto* command = app.add_subcommand("demo", "Watch NAT, DR and TUN balance real traffic");
    auto method = std::make_shared<std::string>();
    command->add_option("METHOD", *method, "nat, dr or tun alone (all three)");
    command->callback([method, &invocation] {
        if (const auto shown = show(*method); !shown)
            invocation.exit_code = complain(shown.error());
    });
}

}  // namespace xvs::app
