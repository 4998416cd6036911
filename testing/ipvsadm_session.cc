#include "testing/ipvsadm_session.h"

#include "cli/access_command.h"
#include "cli/error_text.h"
#include "cli/listing.h"
#include "cli/parser.h"
#include "testing/run_edit.h"

namespace xvs::test {
namespace {

using cli::Format;
using cli::Option;
using cli::Verb;

std::string list_services(const control::ServiceManager& manager, const Format& format) {
    std::string text = cli::table_header(format);
    auto services = manager.services();
    if (format.sorted) cli::sort_services(services);
    for (const control::ServiceStatus& status : services) {
        auto destinations = manager.destinations(status.service.key);
        if (format.sorted) cli::sort_destinations(destinations);
        text +=
            cli::service_text({.status = status, .destinations = std::move(destinations)}, format);
    }
    return text;
}

std::string list_connections(const control::ServiceManager& manager, const Format& format) {
    std::string text = cli::connections_header(format);
    std::uint64_t cursor = 0;
    do {
        cursor = manager.for_each_connection(cursor, 64, [&](const model::ConnectionInfo& info) {
            text += cli::connection_text(info, format);
        });
    } while (cursor != 0);
    return text;
}

CommandOutput output_of(const Status& status) {
    if (status) return {};
    return {.exit_status = cli::kFailed,
            .out = {},
            .error = cli::error_text(cli::Operation::Other, status.error()) + " " +
                     status.error().context};
}

CommandOutput edit_access(control::ServiceManager& manager,
                          const std::vector<std::string>& arguments) {
    const auto wanted = cli::parse_access_edit("xvsadm", arguments);
    if (!wanted) {
        return {.exit_status = wanted.error().status, .out = {}, .error = wanted.error().message};
    }
    return output_of(wanted->is_addition ? manager.add_access_rule(wanted->rule)
                                         : manager.remove_access_rule(wanted->rule));
}

}  // namespace

CommandOutput run_ipvsadm(control::ServiceManager& manager,
                          const std::vector<std::string>& arguments) {
    if (cli::is_about_access(arguments) && arguments.front() != cli::kListAccess) {
        return edit_access(manager, arguments);
    }
    const auto command = cli::parse_command("ipvsadm", arguments);
    if (!command) {
        return {.exit_status = command.error().status, .out = {}, .error = command.error().message};
    }
    if (command->verb == Verb::List) {
        const Format format = Format::of(*command);
        const bool is_of_connections = command->options.has(Option::Connection);
        return {.exit_status = 0,
                .out = is_of_connections ? list_connections(manager, format)
                                         : list_services(manager, format),
                .error = {}};
    }
    return output_of(run_edit(manager, *command));
}

}  // namespace xvs::test
