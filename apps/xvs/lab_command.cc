// xvs lab: builds, uses and takes down laboratories.
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <unistd.h>

#include "commands.h"
#include "lab/interruption.h"
#include "lab/laboratory.h"
#include "lab/registry.h"
#include "lab/traffic.h"

namespace xvs::app {

namespace {

using lab::Laboratory;

struct LabArguments {
    std::string method;
    std::string name;
    unsigned real_servers = 3;
    bool bare = false;
    bool all = false;
    std::string node;
    std::vector<std::string> command;
};

constexpr net::Family kFamilies[] = {net::Family::Ipv4, net::Family::Ipv6};

Result<Laboratory> build(const LabArguments& arguments, const std::string& default_name) {
    const auto method = lab::parse_method(arguments.method);
    if (!method) return fail(method.error());
    lab::LaboratoryOptions options;
    options.name = arguments.name.empty() ? default_name : arguments.name;
    options.plan.method = *method;
    options.plan.real_servers = arguments.real_servers;
    auto built = Laboratory::build(options, lab::Programs::beside_this());
    if (!built || arguments.bare) return built;
    if (auto started = built->start_director(); !started) return fail(started.error());
    for (const net::Family family : kFamilies) {
        if (auto configured = built->configure(family); !configured)
            return fail(configured.error());
    }
    return built;
}

void print_how_to_use(const Laboratory& laboratory, bool bare) {
    const lab::Plan& plan = laboratory.plan();
    const std::string& name = laboratory.name();
    fmt::print("The laboratory {} stands: client, director{}, rs1 to rs{}.\n\n",
               name,
               plan.method == model::ForwardingMethod::Masquerade ? "" : ", router",
               plan.real_servers.size());
    fmt::print("  xvs lab exec {} client -- curl -s http://{}/\n", name, plan.vip.v4.to_string());
    fmt::print("  xvs lab exec {} client -- curl -s http://[{}]/\n", name, plan.vip.v6.to_string());
    if (!bare) fmt::print("  xvs lab exec {} director -- xvsadm -L -n\n", name);
    fmt::print("  xvs lab exec {} rs1 -- tcpdump -nei eth0\n", name);
    fmt::print("  xvs lab exec {} director              (a shell there)\n", name);
    fmt::print("  xvs lab down {}\n", name);
}

int up(const LabArguments& arguments) {
    const lab::Interruption interruption;
    auto built = build(arguments, arguments.method);
    if (!built) return complain(built.error());
    if (auto left = built->leave_standing(); !left) return complain(left.error());
    print_how_to_use(*built, arguments.bare);
    return kSuccess;
}

int down(const LabArguments& arguments) {
    if (!arguments.all) {
        if (arguments.name.empty()) {
            return complain(
                {ErrorCode::InvalidArgument, "say which laboratory: xvs lab down NAME, or --all"});
        }
        if (auto found = lab::find_record(arguments.name);
            !found && lab::namespaces_of(arguments.name).empty())
            return complain(found.error());
        lab::take_down(arguments.name);
        return kSuccess;
    }
    for (const lab::Record& record : lab::all_records()) {
        // One that a living program still uses is that program's.
        if (record.owner && !record.is_stale()) {
            fmt::print(
                "{} is in use by process {}: left standing\n", record.name, record.owner->pid);
            continue;
        }
        lab::take_down(record.name);
        fmt::print("{} taken down\n", record.name);
    }
    return kSuccess;
}

int list() {
    const auto records = lab::all_records();
    if (records.empty()) fmt::print("No laboratory stands. 'xvs lab up nat' makes one.\n");
    for (const lab::Record& record : records) {
        std::string state = "standing";
        if (record.owner) {
            state = record.is_stale()
                        ? std::string("left behind by a program that is gone; 'xvs lab down' it")
                        : fmt::format("in use by process {}", record.owner->pid);
        }
        fmt::print("{:<16} {:<4} {:>2} real servers  {}\n",
                   record.name,
                   lab::method_word(record.method),
                   record.real_servers,
                   state);
    }
    return kSuccess;
}

int exec(const LabArguments& arguments) {
    if (auto found = lab::find_record(arguments.name); !found) return complain(found.error());
    const std::string space = lab::namespace_name(arguments.name, arguments.node);
    if (auto opened = lab::NetworkNamespace::open(space); !opened) {
        std::string nodes;
        for (const std::string& each : lab::namespaces_of(arguments.name))
            nodes += " " + each.substr(each.find('.') + 1);
        return complain({ErrorCode::NotFound,
                         fmt::format("the laboratory {} has no node {}; it has{}",
                                     arguments.name,
                                     arguments.node,
                                     nodes)});
    }
    lab::Command words{"ip", "netns", "exec", space};
    words.insert(words.end(), arguments.command.begin(), arguments.command.end());
    const char* shell = std::getenv("SHELL");  // NOLINT(concurrency-mt-unsafe): one thread
    if (arguments.command.empty()) words.emplace_back(shell == nullptr ? "/bin/sh" : shell);
    // xvsadm and xvs are found there as they were here.
    const char* path = std::getenv("PATH");  // NOLINT(concurrency-mt-unsafe): one thread
    const auto ours = lab::Programs::beside_this().xvs.parent_path().string();
    ::setenv("PATH", (ours + ":" + (path == nullptr ? "" : path)).c_str(), 1);  // NOLINT
    std::vector<char*> argv;
    for (std::string& word : words)
        argv.push_back(word.data());
    argv.push_back(nullptr);
    ::execvp(argv.front(), argv.data());
    return complain(system_error("running ip netns exec", errno));
}

// Two rounds of each real server over HTTP, then over UDP.
Status send_traffic(const Laboratory& laboratory, net::Family family) {
    const lab::Plan& plan = laboratory.plan();
    const std::size_t count = 2 * plan.real_servers.size();
    const net::Endpoint http{plan.vip.of(family), net::Port{lab::kHttpPort}};
    const net::Endpoint udp{plan.vip.of(family), net::Port{lab::kUdpPort}};
    std::vector<std::string> over_http;
    std::vector<std::string> over_udp;
    std::vector<lab::UdpClient> clients;  // a port that is free again could be taken again
    for (std::size_t i = 0; i < count; ++i) {
        const auto answer = lab::ask_http(laboratory.node("client"), http);
        if (!answer) return fail(answer.error());
        over_http.push_back(*answer);
        auto client = lab::UdpClient::open(laboratory.node("client"), udp);
        if (!client) return fail(client.error());
        clients.push_back(std::move(*client));
        const auto echo = clients.back().ask("");
        if (!echo) return fail(echo.error());
        over_udp.push_back(echo->substr(0, echo->find(' ')));
    }
    for (const auto& [what, answers] : {std::pair("HTTP", &over_http), {"UDP", &over_udp}}) {
        const lab::Tally counts = lab::tally(*answers);
        fmt::print("{:<4} {:<22} {}\n",
                   what,
                   (answers == &over_http ? http : udp).to_string(),
                   lab::to_string(counts));
        if (!lab::is_even(counts, plan.real_servers.size())) {
            return fail(ErrorCode::System,
                        fmt::format("{} {} did not balance evenly: {}",
                                    what,
                                    http.address.to_string(),
                                    lab::to_string(counts)));
        }
    }
    return {};
}

int run(const LabArguments& arguments) {
    const lab::Interruption interruption;
    auto built = build(arguments, fmt::format("{}-{}", arguments.method, ::getpid()));
    if (!built) return complain(built.error());
    for (const net::Family family : kFamilies) {
        if (auto sent = send_traffic(*built, family); !sent) return complain(sent.error());
    }
    const auto listing = built->xvsadm("-L -n --stats");
    if (!listing) return complain(listing.error());
    fmt::print("\n{}", *listing);
    return kSuccess;
}

}  // namespace

void add_lab(CLI::App& app, Invocation& invocation) {
    auto* command = app.add_subcommand(
        "lab", "Build, use and take down a Linux Virtual Server in network namespaces");
    command->require_subcommand(1);
    auto arguments = std::make_shared<LabArguments>();
    const auto name_of_node = "client, router, director, switch, rs1 ...";

    auto* up_command = command->add_subcommand("up", "Build one and leave it standing");
    auto* run_command = command->add_subcommand(
        "run", "Build one, send traffic, show the listing and take it down; exit 0: balanced");
    for (CLI::App* each : {up_command, run_command}) {
        each->add_option("METHOD", arguments->method, "nat, dr or tun")->required();
        each->add_option("--real-servers", arguments->real_servers, "how many (3)");
        each->add_option("--name", arguments->name, "its name (up: the method)");
    }
    up_command->add_flag(
        "--bare", arguments->bare, "the topology and the real servers alone, without xvsd");
    up_command->callback([arguments, &invocation] { invocation.exit_code = up(*arguments); });
    run_command->callback([arguments, &invocation] { invocation.exit_code = run(*arguments); });

    auto* down_command = command->add_subcommand("down", "Take one down");
    down_command->add_option("NAME", arguments->name, "which");
    down_command->add_flag("--all", arguments->all, "all that no living program uses");
    down_command->callback([arguments, &invocation] { invocation.exit_code = down(*arguments); });

    auto* list_command = command->add_subcommand("list", "List those that stand");
    list_command->callback([&invocation] { invocation.exit_code = list(); });

    auto* exec_command = command->add_subcommand("exec", "Run a command, or a shell, on a node");
    exec_command->add_option("NAME", arguments->name, "which laboratory")->required();
    exec_command->add_option("NODE", arguments->node, name_of_node)->required();
    exec_command->footer("COMMAND: what comes after --; a shell without one");
    exec_command->callback([arguments, &invocation] {
        arguments->command = invocation.command;
        invocation.exit_code = exec(*arguments);
    });

    auto* reap_command = command->add_subcommand("reap", "");
    reap_command->group("");  // Laboratory's own
    reap_command->add_option("NAME", arguments->name)->required();
    reap_command->callback([arguments] { lab::reap(arguments->name); });
}

}  // namespace xvs::app
