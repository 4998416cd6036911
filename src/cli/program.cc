#include "cli/program.h"

#include <istream>
#include <ostream>
#include <string_view>

#include <fmt/format.h>

#include "cli/parser.h"
#include "cli/usage.h"

namespace xvs::cli {

int Program::run(std::vector<std::string> words) {
    if (!asks_for_help_only(words)) {
        if (const int failed = connect(); failed != 0) return failed;
    }
    Outcome<int> status = 0;
    if (words.empty())
        status = list_services(Format{}, true);
    else
        status = execute(std::move(words), false);
    if (status) return *status;
    streams_.out.flush();
    streams_.err << status.error().message;
    return status.error().status;
}

int Program::connect() {
    auto client = connect_();
    if (!client) {
        streams_.err << "Can't initialize ipvs: "
                     << error_text(Operation::Initialize, client.error()) << '\n'
                     << "Are you sure that IP Virtual Server is built in the kernel or as module?\n"
                     << name_ << ": " << client.error().context << '\n';
        return kUsage;
    }
    client_.emplace(*std::move(client));
    return 0;
}

Outcome<int> Program::execute(std::vector<std::string> words, bool restoring) {
    const auto command = parse_command(name_, std::move(words));
    if (command) return execute(*command, restoring);
    // A word that is no option ends one line of -R, a sentence that makes no sense ends it all.
    const Exit& exit = command.error();
    if (!restoring || exit.status != kFailed || exit.message == hint_at_help(name_).message) {
        return tl::unexpected(exit);
    }
    streams_.err << exit.message;
    return exit.status;
}

Outcome<int> Program::execute(const Command& command, bool restoring) {
    switch (command.verb) {
        case Verb::Help:
            streams_.out << usage_text(name_);
            return tl::unexpected(Exit{.status = 0, .message = {}});
        case Verb::Version:
            streams_.out << version_text();
            return tl::unexpected(Exit{.status = 0, .message = {}});
        case Verb::Restore:
            if (restoring) return tl::unexpected(hint_at_help(name_));
            return restore();
        case Verb::List:
            return list(command);
        case Verb::Save:
            return list_services(Format::of(command), false);
        default:
            break;
    }
    Operation operation = Operation::Other;
    const auto status = edit(command, operation);
    if (status) return 0;
    streams_.out.flush();
    streams_.err << message(operation, status.error());
    return kFailed;
}

std::string Program::message(Operation operation, const Error& error) const {
    std::string text = error_text(operation, error) + '\n';
    // The protocol carries codes alone; a sentence is the client's own and tells more.
    if (!error.context.empty()) text += fmt::format("{}: {}\n", name_, error.context);
    return text;
}

tl::unexpected<Exit> Program::list_failed(Operation operation, const Error& error) const {
    return tl::unexpected(Exit{.status = kListFailed, .message = message(operation, error)});
}

Status Program::edit(const Command& command, Operation& operation) {
    const auto& key = command.service.key;
    switch (command.verb) {
        case Verb::AddService:
            operation = Operation::AddService;
            return client_->add_service(command.service);
        case Verb::EditService:
            operation = Operation::EditService;
            return client_->edit_service(command.service);
        case Verb::DeleteService:
            operation = Operation::RemoveService;
            return client_->remove_service(key);
        case Verb::AddServer:
            operation = Operation::AddDestination;
            return client_->add_destination(key, command.destination);
        case Verb::EditServer:
            operation = Operation::EditDestination;
            return client_->edit_destination(key, command.destination);
        case Verb::DeleteServer:
            operation = Operation::RemoveDestination;
            return client_->remove_destination(key, command.destination.real);
        case Verb::Zero:
            operation = Operation::ZeroService;
            if (command.options.has(Option::Service)) return client_->zero(key);
            return client_->zero_all();
        case Verb::SetTimeouts:
            return client_->set_timeouts(command.timeouts);
        case Verb::StartDaemon:
            operation = Operation::StartDaemon;
            return client_->start_daemon(command.daemon);
        case Verb::StopDaemon:
            operation = Operation::StopDaemon;
            return client_->stop_daemon(command.daemon.role);
        default:
            return client_->flush();
    }
}

// Each line is a command line. Blanks part the words, there are no quotes and no comments; the
// program's name is passed over wherever it stands.
Outcome<int> Program::restore() {
    static constexpr std::string_view kBlanks = " \t\r";
    int status = 0;
    std::string line;
    while (std::getline(streams_.in, line)) {
        std::vector<std::string> words;
        for (std::size_t start = line.find_first_not_of(kBlanks); start != std::string::npos;) {
            const std::size_t end = line.find_first_of(kBlanks, start);
            words.push_back(line.substr(start, end - start));
            start = line.find_first_not_of(kBlanks, end);
        }
        std::erase_if(words,
                      [](const auto& word) { return word == "ipvsadm" || word == "xvsadm"; });
        if (words.empty()) continue;
        const auto result = execute(std::move(words), true);
        if (!result) return result;
        status = *result;
    }
    return status;
}

Outcome<int> Program::list(const Command& command) {
    const Format format = Format::of(command);
    if (command.options.has(Option::Connection)) return list_connections(format);
    if (command.options.has(Option::Service)) return list_service(command, format);
    if (command.options.has(Option::Timeout)) return list_timeouts();
    if (command.options.has(Option::Daemon)) return list_daemons();
    return list_services(format, true);
}

Outcome<int> Program::list_services(const Format& format, bool with_version) {
    auto services = client_->services();
    if (!services) return list_failed(Operation::Other, services.error());
    if (with_version) {
        const auto info = client_->info();
        if (!info) return list_failed(Operation::Other, info.error());
        streams_.out << version_line(info->version, info->table_size);
    }
    streams_.out << table_header(format);
    if (format.sorted) sort_services(*services);
    for (auto& status : *services) {
        auto destinations = client_->destinations(status.service.key);
        if (!destinations) return list_failed(Operation::Other, destinations.error());
        if (format.sorted) sort_destinations(*destinations);
        streams_.out << service_text({std::move(status), *std::move(destinations)}, format);
    }
    return 0;
}

Outcome<int> Program::list_service(const Command& command, const Format& format) {
    auto status = client_->get_service(command.service.key);
    if (!status) return list_failed(Operation::GetService, status.error());
    auto destinations = client_->destinations(command.service.key);
    if (!destinations) return list_failed(Operation::Other, destinations.error());
    if (format.sorted) sort_destinations(*destinations);
    streams_.out << table_header(format)
                 << service_text({*std::move(status), *std::move(destinations)}, format);
    return 0;
}

Outcome<int> Program::list_connections(const Format& format) {
    streams_.out << connections_header(format);
    const auto status = client_->for_each_connection([&](const model::ConnectionInfo& connection) {
        streams_.out << connection_text(connection, format);
    });
    if (!status) return list_failed(Operation::Other, status.error());
    return 0;
}

Outcome<int> Program::list_daemons() {
    const auto daemons = client_->daemons();
    if (!daemons) return list_failed(Operation::Other, daemons.error());
    for (const auto& daemon : *daemons)
        streams_.out << daemon_text(daemon);
    return 0;
}

Outcome<int> Program::list_timeouts() {
    const auto timeouts = client_->timeouts();
    if (!timeouts) return list_failed(Operation::Other, timeouts.error());
    streams_.out << timeouts_text(*timeouts);
    return 0;
}

}  // namespace xvs::cli
