#include "cli/program.h"

#include <algorithm>
#include <ostream>

#include <fmt/format.h>

#include "cli/access_command.h"
#include "cli/line_reader.h"
#include "cli/parser.h"
#include "cli/usage.h"

namespace xvs::cli {
namespace {

bool is_edit(Verb verb) {
    switch (verb) {
        case Verb::List:
        case Verb::Save:
        case Verb::Restore:
        case Verb::Help:
        case Verb::Version:
            return false;
        default:
            return true;
    }
}

// What a refusal is called by.
Operation operation_of(Verb verb) {
    switch (verb) {
        case Verb::AddService:
            return Operation::AddService;
        case Verb::EditService:
            return Operation::EditService;
        case Verb::DeleteService:
            return Operation::RemoveService;
        case Verb::AddServer:
            return Operation::AddDestination;
        case Verb::EditServer:
            return Operation::EditDestination;
        case Verb::DeleteServer:
            return Operation::RemoveDestination;
        case Verb::Zero:
            return Operation::ZeroService;
        case Verb::StartDaemon:
            return Operation::StartDaemon;
        case Verb::StopDaemon:
            return Operation::StopDaemon;
        default:
            return Operation::Other;
    }
}

}  // namespace

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
    if (!words.empty() && words.front() == kSysctlOption) return sysctl(words, restoring);
    if (!words.empty() && is_about_marks(words)) return marks(words, restoring);
    if (is_about_access(words)) return access(words, restoring);
    if (!words.empty() && words.front() == kProcOption) {
        if (restoring) client_->finish_edits();
        return proc(words);
    }
    const auto command = parse_command(name_, std::move(words));
    // Edits of -R are answered later; whatever else speaks waits until they have.
    if (restoring && !(command && is_edit(command->verb))) client_->finish_edits();
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
            return save(Format::of(command));
        default:
            break;
    }
    if (!restoring) return report(operation_of(command.verb), edit(command));
    sent_.push_back(operation_of(command.verb));
    static_cast<void>(edit(command));
    return restored_;
}

int Program::report(Operation operation, const Status& status) const {
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

Status Program::edit(const Command& command) {
    const auto& key = command.service.key;
    switch (command.verb) {
        case Verb::AddService:
            return client_->add_service(command.service);
        case Verb::EditService:
            return client_->edit_service(command.service);
        case Verb::DeleteService:
            return client_->remove_service(key);
        case Verb::AddServer:
            return client_->add_destination(key, command.destination);
        case Verb::EditServer:
            return client_->edit_destination(key, command.destination);
        case Verb::DeleteServer:
            return client_->remove_destination(key, command.destination.real);
        case Verb::Zero:
            if (command.options.has(Option::Service)) return client_->zero(key);
            return client_->zero_all();
        case Verb::SetTimeouts:
            return client_->set_timeouts(command.timeouts);
        case Verb::StartDaemon:
            return client_->start_daemon(command.daemon);
        case Verb::StopDaemon:
            return client_->stop_daemon(command.daemon.role);
        default:
            return client_->flush();
    }
}

// Each line is a command line. What it edits is sent ahead, until there is no line at hand.
Outcome<int> Program::restore() {
    restored_ = 0;
    client_->send_edits_ahead([this](const Status& status) { settle(status); });
    LineReader lines(streams_.in, [this] { client_->finish_edits(); });
    while (const auto line = lines.next()) {
        const auto result = restore_line(*line);
        if (!result) {
            client_->finish_edits();
            return result;
        }
        restored_ = *result;
    }
    client_->finish_edits();
    return restored_;
}

// Blanks part the words, there are no quotes and no comments; the program's name is passed over
// wherever it stands.
Outcome<int> Program::restore_line(std::string_view line) {
    static constexpr std::string_view kBlanks = " \t\r";
    std::vector<std::string> words;
    for (std::size_t start = line.find_first_not_of(kBlanks); start != std::string_view::npos;) {
        const std::size_t end = std::min(line.find_first_of(kBlanks, start), line.size());
        words.emplace_back(line.substr(start, end - start));
        start = line.find_first_not_of(kBlanks, end);
    }
    std::erase_if(words, [](const auto& word) { return word == "ipvsadm" || word == "xvsadm"; });
    return words.empty() ? restored_ : execute(std::move(words), true);
}

void Program::settle(const Status& status) {
    const Operation operation = sent_.front();
    sent_.pop_front();
    restored_ = report(operation, status);
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
    const auto status = for_each_listed(*services, [&](const auto& service, auto destinations) {
        if (format.sorted) sort_destinations(destinations);
        streams_.out << service_text({service, std::move(destinations)}, format);
    });
    if (!status) return list_failed(Operation::Other, status.error());
    return 0;
}

Status Program::for_each_listed(
    const std::vector<control::ServiceStatus>& services,
    const std::function<void(const control::ServiceStatus&,
                             std::vector<control::DestinationStatus>)>& visit) {
    std::vector<model::ServiceKey> keys;
    keys.reserve(services.size());
    for (const auto& each : services)
        keys.push_back(each.service.key);
    return client_->destinations_of_each(keys, [&](std::size_t index, auto destinations) {
        visit(services[index], std::move(destinations));
    });
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
