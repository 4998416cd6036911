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

// NAT asks nothing of a real server but that its default gateway is the director.
Result<int> check_gateway(const std::vector<net::IpAddress>& vips) {
    lab::RealServerPatient patient;
    patient.method = model::ForwardingMethod::Masquerade;
    patient.vips = vips;
    fmt::print("# NAT changes nothing on a real server; its default gateway is the director\n");
    const auto findings = lab::examine_real_server(patient);
    if (!findings) return fail(findings.error());
    return print_findings(*findings);
}

// Returns the exit code.
Result<int> run_real_server(const RealServerArguments& arguments) {
    if (arguments.undo) {
        if (auto undone = lab::undo_real_server(tell); !undone) return fail(undone.error());
        return kSuccess;
    }
    if (arguments.method.empty()) {
        return fail(ErrorCode::InvalidArgument,
                    "say what to be: xvs real-server nat|dr|tun VIP..., or --undo");
    }
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
    if (options.method == model::ForwardingMethod::Masquerade) return check_gateway(options.vips);
    if (auto done = lab::set_up_real_server(options, tell); !done) return fail(done.error());
    return kSuccess;
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
        const auto code = run_real_server(*arguments);
        invocation.exit_code = code ? *code : complain(code.error());
    });
}

}  // namespace xvs::app
