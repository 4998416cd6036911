// xvsadm's command lines: words of any kind are understood or refused, and a service or real server
// that was understood reads the same when it is printed as -S prints it.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <string>
#include <vector>

#include <netdb.h>

#include "cli/listing.h"
#include "cli/parser.h"
#include "control/state_text.h"
#include "model/mark_rule.h"
#include "model/sysctls.h"
#include "model/validate.h"
#include "testing/fake_service_manager.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

// Names of hosts stay unknown: nobody is asked for them.
extern "C" hostent* gethostbyname(const char* /*name*/) noexcept(noexcept(gethostbyname(""))) {
    return nullptr;
}

namespace {

using namespace xvs;  // NOLINT(google-build-using-namespace): a fuzz target

void expect(bool holds, const std::string& what) {
    if (holds) return;
    std::fputs((what + "\n").c_str(), stderr);
    std::abort();
}

std::vector<std::string> words_of(const std::string& line) {
    std::istringstream in(line);
    std::vector<std::string> words;
    for (std::string word; in >> word;)
        words.push_back(word);
    return words;
}

// Whether -S can say all of it: thresholds it leaves out.
std::string printed(const cli::Command& command) {
    cli::ListedService listed{.status = {.service = command.service, .statistics = {}},
                              .destinations = {}};
    if (command.verb == cli::Verb::AddServer) {
        control::DestinationStatus server;
        server.destination = command.destination;
        listed.destinations.push_back(server);
    }
    const std::string text =
        cli::service_text(listed, cli::Format{.layout = cli::Layout::Rules, .numeric = true});
    if (command.verb == cli::Verb::AddService) return text;
    return text.substr(text.find('\n') + 1);
}

// What no director has is refused there; of names only those that it knows are printed again.
bool is_refused(const cli::Command& command) {
    const model::Surroundings surroundings = testing::FakeServiceManager::default_surroundings();
    if (command.verb == cli::Verb::AddService)
        return !model::check_service(command.service, surroundings);
    const net::Family family = command.service.key.family();
    return !model::check_destination(family, command.destination);
}

void check_service(const cli::Command& command) {
    if (is_refused(command)) return;
    const std::string line = printed(command);
    const auto again = cli::parse_command("xvsadm", words_of(line));
    expect(again.has_value(), "printed, and not understood: " + line);
    expect(printed(*again) == line, "printed as: " + line + "then as: " + printed(*again));
    expect(again->service.key == model::canonical(command.service.key), "another key: " + line);
}

void check_mark_rule(const std::vector<std::string>& words) {
    const auto rule = model::parse_mark_rule(words);
    if (!rule) {
        expect(!rule.error().context.empty(), "a mark rule refused without a reason");
        return;
    }
    const auto again = model::parse_mark_rule(rule->to_string());
    expect(again && *again == *rule, "a mark rule that is not what it says: " + rule->to_string());
}

void check_sysctl(const std::vector<std::string>& words) {
    if (words.size() < 2) return;
    model::Sysctls sysctls;
    const model::Sysctls before = sysctls;
    if (!model::set_sysctl(sysctls, words[0], words[1])) {
        expect(sysctls == before, "a setting refused, and changed");
        return;
    }
    // Of the automatic defence modes one is shown for both.
    const auto shown = model::changed_sysctls(sysctls);
    model::Sysctls again;
    for (const model::SysctlValue& each : shown)
        expect(model::set_sysctl(again, each.name, each.value).has_value(), "shown, and refused");
    expect(model::changed_sysctls(again) == shown, "a setting that is not what it shows");
}

}  // namespace

// Words are parted by bytes of zero, as the kernel hands them over; a file of -R and of the
// daemon's state is the whole.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string text(reinterpret_cast<const char*>(data), size);
    std::vector<std::string> words;
    std::istringstream in(text);
    for (std::string word; std::getline(in, word, '\0');)
        words.push_back(word);
    (void)control::parse_state(text);
    check_mark_rule(words);
    check_sysctl(words);
    (void)cli::asks_for_help_only(words);
    const auto command = cli::parse_command("xvsadm", words);
    if (!command) {
        expect(command.error().status == 0 || !command.error().message.empty(),
               "refused without a word");
        return 0;
    }
    if (command->verb == cli::Verb::AddService || command->verb == cli::Verb::AddServer)
        check_service(*command);
    return 0;
}
