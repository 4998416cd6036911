#include <sstream>

#include "cli/access_command.h"
#include "cli/parser.h"
#include "control/engine_service_manager.h"
#include "testing/director.h"

namespace xvs::test {
namespace {

std::vector<std::string> words_of(std::string_view text) {
    std::istringstream in{std::string(text)};
    std::vector<std::string> words;
    for (std::string word; in >> word;)
        words.push_back(std::move(word));
    if (!words.empty() && words.front() == "ipvsadm") words.erase(words.begin());
    return words;
}

Result<cli::Command> read_command(std::string_view text) {
    auto command = cli::parse_command("ipvsadm", words_of(text));
    if (command) return *std::move(command);
    return fail(ErrorCode::InvalidArgument, std::string(text) + ": " + command.error().message);
}

Status zero(engine::Engine& engine, const cli::Command& command) {
    Gate gate;
    control::EngineServiceManager manager(engine, gate);
    if (command.options.has(cli::Option::Service)) return manager.zero(command.service.key);
    manager.zero_all();
    return {};
}

}  // namespace

Status run_ipvsadm_line(engine::Engine& engine, std::string_view text) {
    if (const auto words = words_of(text); cli::is_about_access(words)) {
        const auto wanted = cli::parse_access_edit("ipvsadm", words);
        if (!wanted) return fail(ErrorCode::InvalidArgument, wanted.error().message);
        return wanted->is_addition ? engine.services().add_access_rule(wanted->rule)
                                   : engine.services().remove_access_rule(wanted->rule);
    }
    const auto command = read_command(text);
    if (!command) return fail(command.error());
    engine::Services& services = engine.services();
    const model::ServiceKey& key = command->service.key;
    switch (command->verb) {
        case cli::Verb::AddService:
            return services.add_service(command->service);
        case cli::Verb::EditService:
            return services.edit_service(command->service);
        case cli::Verb::DeleteService:
            engine.catch_up();  // as the daemon does
            return services.remove_service(key);
        case cli::Verb::AddServer:
            return services.add_destination(key, command->destination);
        case cli::Verb::EditServer:
            return services.edit_destination(key, command->destination);
        case cli::Verb::DeleteServer:
            engine.catch_up();
            return services.remove_destination(key, command->destination.real);
        case cli::Verb::Flush:
            engine.catch_up();
            services.flush();
            return {};
        case cli::Verb::Zero:
            return zero(engine, *command);
        case cli::Verb::SetTimeouts:
            engine.set_timeouts(command->timeouts);
            return {};
        default:
            return fail(ErrorCode::NotSupported, std::string(text) + ": not a command for a test");
    }
}

Result<model::ServiceKey> parse_service_key(std::string_view text) {
    const auto command = read_command("-D " + std::string(text));
    if (!command) return fail(command.error());
    return command->service.key;
}

}  // namespace xvs::test
