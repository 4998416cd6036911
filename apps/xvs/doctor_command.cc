// xvs doctor: finds the classic mistakes and says what to type.
#include <memory>

#include <fmt/format.h>

#include "commands.h"
#include "lab/doctor.h"
#include "lab/laboratory.h"
#include "lab/plan.h"

namespace xvs::app {

namespace {

constexpr int kCouldNotExamine = 2;

struct DoctorArguments {
    std::string method;
    std::vector<std::string> vips;
    std::string interface;
};

Result<std::vector<lab::Finding>> examine(const DoctorArguments& arguments) {
    if (arguments.method.empty()) {
        const auto saved = lab::run_checked({lab::Programs::beside_this().xvsadm, "-S", "-n"});
        if (!saved) return fail(saved.error());
        const auto services = lab::parse_saved_services(*saved);
        if (!services) return fail(services.error());
        if (services->empty()) {
            return fail(ErrorCode::NotFound,
                        "the director has no services yet, so there is nothing to examine; on a "
                        "real server say: xvs doctor dr|tun|nat VIP...");
        }
        return lab::examine_director(*services);
    }
    const auto method = lab::parse_method(arguments.method);
    if (!method) return fail(method.error());
    lab::RealServerPatient patient;
    patient.method = *method;
    patient.interface = arguments.interface;
    for (const std::string& text : arguments.vips) {
        const auto vip = net::IpAddress::parse(text);
        if (!vip) {
            return fail(
                ErrorCode::InvalidArgument,
                fmt::format("'{}' is no VIP: say an IPv4 or IPv6 address, without a port", text));
        }
        patient.vips.push_back(*vip);
    }
    return lab::examine_real_server(patient);
}

int run_doctor(const DoctorArguments& arguments) {
    const auto findings = examine(arguments);
    if (!findings) {
        (void)complain(findings.error());
        return kCouldNotExamine;
    }
    return print_findings(*findings);
}

}  // namespace

void add_doctor(CLI::App& app, Invocation& invocation) {
    auto* command = app.add_subcommand("doctor",
                                       "Find the classic mistakes: on a director by itself, on a "
                                       "real server with METHOD and VIPs");
    auto arguments = std::make_shared<DoctorArguments>();
    command->add_option("METHOD", arguments->method, "on a real server: nat, dr or tun");
    command->add_option("VIP", arguments->vips, "on a real server: the virtual addresses");
    command->add_option(
        "--interface", arguments->interface, "tun: where encapsulated packets arrive");
    command->footer("Exit code: 0 nothing found, 1 something needs a remedy, 2 not examined.");
    command->callback([arguments, &invocation] { invocation.exit_code = run_doctor(*arguments); });
}

}  // namespace xvs::app
