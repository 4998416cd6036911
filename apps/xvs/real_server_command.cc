// xvs real-server: what the tutorials make people type on each real server, and its undo.
#include <memory>

#include <fmt/format.h>

#include "commands.h"
#include "lab/plan.h"
#include "lab/real_server.h"

namespace xvs::app {

namespace {

struct RealServerArguments {
    std::string method;
    std::vector<std::string> vips;
    std::string interface;
    bool prefer_bpf = false;
    bool undo = false;
};

void tell(const std::string& why, const std::string& command) {
    if (!why.empty()) fmt::print("# {}\n", why);
    fmt::print("{}\n", command);
}

Status run_real_server(const RealServerArguments& arguments) {
    if (arguments.undo) return lab::undo_real_server(tell);
    const auto method = lab::parse_method(arguments.method);
    if (!method) return fail(method.error());
    lab::RealServerOptions options;
    options.method = *method;
    options.interface = arguments.interface;
    options.prefer_bpf = arguments.prefer_bpf;
    for (const std::string& text : arguments.vips) {
        const auto vip = net::IpAddress::parse(text);
        if (!vip) {
            return fail(
                ErrorCode::InvalidArgument,
                fmt::format("'{}' is no VIP: say an IPv4 or IPv6 address, without a port", text));
        }
        options.vips.push_back(*vip);
    }
    return lab::set_up_real_server(options, tell);
}

}  // namespace

void add_real_server(CLI::App& app, Invocation& invocation) {
    auto* command = app.add_subcommand(
        "real-server", "Make this host a real server, saying each command; or undo that");
    auto arguments = std::make_shared<RealServerArguments>();
    command->add_option("METHOD", arguments->method, "nat, dr or tun");
    command->add_option("VIP", arguments->vips, "the virtual addresses");
    command->add_option("--interface",
                        arguments->interface,
                        "tun: where encapsulated packets arrive (default: the default route's)");
    command->add_flag("--bpf", arguments->prefer_bpf, "tun: decapsulate by BPF, not by tunl0");
    command->add_flag("--undo", arguments->undo, "put back what was there before");
    command->callback([arguments, &invocation] {
        const auto done = run_real_server(*arguments);
        if (!done) invocation.exit_code = complain(done.error());
    });
}

}  // namespace xvs::app
