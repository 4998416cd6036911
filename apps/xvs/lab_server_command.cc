// xvs lab-server: the service of a laboratory's real server.
#include <memory>

#include "commands.h"
#include "lab/real_service.h"

namespace xvs::app {

void add_lab_server(CLI::App& app, Invocation& invocation) {
    auto* server = app.add_subcommand(
        "lab-server", "Be a real server's service: answer HTTP and UDP with a name");
    auto options = std::make_shared<lab::RealServiceOptions>();
    server->add_option("NAME", options->name, "what to answer, rs1 for instance")->required();
    server->add_option("--tcp", options->tcp_ports, "port for HTTP; may be given again");
    server->add_option("--udp", options->udp_ports, "port for UDP; may be given again");
    server->callback([options, &invocation] {
        if (options->tcp_ports.empty() && options->udp_ports.empty()) {
            invocation.exit_code = complain(
                {ErrorCode::InvalidArgument, "lab-server serves nothing: say --tcp or --udp PORT"});
            return;
        }
        if (const auto served = lab::serve(*options); !served)
            invocation.exit_code = complain(served.error());
    });
}

}  // namespace xvs::app
