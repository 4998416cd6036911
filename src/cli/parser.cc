#include "cli/parser.h"

#include <limits>

#include <fmt/format.h>

#include "cli/argument_scanner.h"
#include "cli/legality.h"
#include "cli/option_reader.h"
#include "cli/scheduler_flags.h"

namespace xvs::cli {

namespace {

// The bits that say that an option was about a tunnel.
bool has_tunnel_options(OptionSet options) {
    return options.has_any(Option::TunnelType,
                           Option::TunnelPort,
                           Option::TunnelNoChecksum,
                           Option::TunnelChecksum,
                           Option::TunnelRemoteChecksum);
}

Outcome<void> read_timeouts(ArgumentScanner& scanner, model::Timeouts& timeouts) {
    const auto tcp = scanner.take_leftover();
    const auto tcp_fin = scanner.take_leftover();
    const auto udp = scanner.take_leftover();
    if (!tcp || !tcp_fin || !udp) return usage_error("--set option requires 3 timeout values");
    for (const auto& [text, into] : {std::pair(&*tcp, &timeouts.tcp_s),
                                     std::pair(&*tcp_fin, &timeouts.tcp_fin_s),
                                     std::pair(&*udp, &timeouts.udp_s)}) {
        const auto seconds = parse_timeout(*text, 0);
        if (!seconds) return tl::unexpected(seconds.error());
        *into = *seconds;
    }
    return {};
}

Outcome<void> check_service(Command& command) {
    auto& service = command.service;
    const bool by_address = service.key.fwmark == 0;
    if (by_address && net::number(service.key.port) == 0 &&
        (service.flags & model::kServicePersistent) == 0) {
        return usage_error("Zero port specified for non-persistent service");
    }
    if (by_address && service.key.protocol != model::Protocol::Udp &&
        (service.flags & model::kServiceOnePacket) != 0) {
        return usage_error("One-Packet Scheduling is only for UDP virtual services");
    }
    if (service.scheduler.empty()) service.scheduler = "wlc";
    return {};
}

Outcome<void> check_server(Command& command) {
    const auto& service = command.service.key;
    auto& destination = command.destination;
    const bool tunnel = destination.method == model::ForwardingMethod::Tunnel;
    // Nothing on the way to such a server could rewrite the port.
    if (service.fwmark == 0 &&
        (tunnel || destination.method == model::ForwardingMethod::DirectRoute)) {
        destination.real.port = service.port;
    }
    if (destination.real.address.family() != service.family() && !tunnel) {
        return usage_error("Different address family is allowed only for tunneling servers");
    }
    if (has_tunnel_options(command.options) && !tunnel) {
        return usage_error("Tunnel options conflict with forward method");
    }
    return check_tunnel_options(destination.tunnel.type, command.options);
}

Outcome<void> check_listing(OptionSet options) {
    const bool something_else =
        options.has_any(Option::Connection, Option::Timeout, Option::Daemon);
    const bool about_services = options.has_any(
        Option::Statistics, Option::Rate, Option::Thresholds, Option::PersistentConnections);
    // The connections have a column for persistence.
    const bool persistence_column =
        options.has(Option::Connection) &&
        !options.has_any(Option::Statistics, Option::Rate, Option::Thresholds);
    if (something_else && about_services && !persistence_column) {
        return usage_error("options conflicts in the list command");
    }
    return {};
}

Outcome<void> check_whole(Command& command, const std::optional<std::string>& flags) {
    if (flags) {
        const auto bits = parse_scheduler_flags(command.service.scheduler, *flags);
        if (!bits) return tl::unexpected(bits.error());
        command.service.flags |= *bits;
    }
    if (auto checked = check_options(command.verb, command.options); !checked) return checked;
    switch (command.verb) {
        case Verb::AddService:
        case Verb::EditService:
            return check_service(command);
        case Verb::AddServer:
        case Verb::EditServer:
            return check_server(command);
        case Verb::List:
            return check_listing(command.options);
        default:
            return {};
    }
}

}  // namespace

Exit hint_at_help(const std::string& program) {
    return {.status = kFailed,
            .message = fmt::format(
                "Try `{} -h' or '{} --help' for more information.\n", program, program)};
}

bool asks_for_help_only(const std::vector<std::string>& words) {
    ArgumentScanner scanner(all_options(), words);
    const auto item = scanner.next();
    const auto* const first = std::get_if<ArgumentScanner::Option>(&item);
    const auto verb = first == nullptr ? std::nullopt : verb_of(first->id);
    return verb == Verb::Help || verb == Verb::Version;
}

Outcome<Command> parse_command(const std::string& program, std::vector<std::string> words) {
    ArgumentScanner scanner(all_options(), std::move(words));
    Command command;
    command.service.scheduler.clear();
    auto item = scanner.next();
    const auto* option = std::get_if<ArgumentScanner::Option>(&item);
    const auto verb = option == nullptr ? std::nullopt : verb_of(option->id);
    if (!verb) return tl::unexpected(hint_at_help(program));
    command.verb = *verb;
    if (command.verb == Verb::Help || command.verb == Verb::Version) return command;
    if (auto role = read_daemon_role(*verb, *option, command.daemon); !role) {
        return tl::unexpected(role.error());
    }
    OptionReader reader(command);
    for (item = scanner.next(); (option = std::get_if<ArgumentScanner::Option>(&item)) != nullptr;
         item = scanner.next()) {
        if (verb_of(option->id)) {
            return usage_error(fmt::format("invalid option `{}'", scanner.last_word()));
        }
        if (auto read = reader.read(*option); !read) return tl::unexpected(read.error());
    }
    if (const auto* const problem = std::get_if<ArgumentScanner::Problem>(&item)) {
        return tl::unexpected(
            Exit{.status = kFailed,
                 .message = fmt::format("{}: {}\n", scanner.last_word(), problem_text(*problem))});
    }
    if (command.verb == Verb::SetTimeouts) {
        if (auto read = read_timeouts(scanner, command.timeouts); !read) {
            return tl::unexpected(read.error());
        }
    }
    if (const auto leftover = scanner.take_leftover()) {
        return usage_error("unexpected argument " + *leftover);
    }
    if (auto checked = check_whole(command, reader.scheduler_flags()); !checked) {
        return tl::unexpected(checked.error());
    }
    return command;
}

}  // namespace xvs::cli
