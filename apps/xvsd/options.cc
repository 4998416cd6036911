#include "xvsd/options.h"

#include <algorithm>
#include <charconv>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <sched.h>

#include "engine/assist/ftp_assistant.h"
#include "flow/layout.h"
#include "flow/sizes.h"

namespace xvs::xvsd {
namespace {

constexpr double kDefaultWait = 10;
constexpr std::uint32_t kMaxOrphanTimeout = 86400 * 365;  // ticks wrap after two years

std::uint32_t usable_cpus() {
    cpu_set_t usable;
    CPU_ZERO(&usable);
    if (::sched_getaffinity(0, sizeof(usable), &usable) != 0) return 1;
    return std::clamp(static_cast<std::uint32_t>(CPU_COUNT(&usable)), 1u, XVS_MAX_WORKERS);
}

// What outlives the daemon.
void describe_keeping(CLI::App& app, Options& options) {
    app.add_option("--state-dir",
                   options.state_directory,
                   "where services are kept; default: /var/lib/xvs, or below it in a network "
                   "namespace that is not the machine's own")
        ->type_name("DIR");
    app.add_option("--bpffs",
                   options.bpffs,
                   "the BPF file system on which connections outlive the daemon; default: "
                   "/sys/fs/bpf")
        ->type_name("DIR");
    app.add_flag("--ephemeral",
                 options.is_ephemeral,
                 "keep nothing, restore nothing: what an earlier daemon left is removed, and "
                 "connections end with this one");
    app.add_option_function<std::uint32_t>(
           "--orphan-timeout",
           [&options](std::uint32_t seconds) {
               options.orphan_timeout = std::chrono::seconds(seconds);
           },
           "how long after the daemon's death new connections still wait for the next one; then "
           "they go to the host; 0: for ever; default: 600")
        ->type_name("SECONDS")
        ->check(CLI::Range(0u, kMaxOrphanTimeout));
    app.add_flag("--takeover",
                 options.is_takeover,
                 "go on in the place of the daemon that runs in this network namespace, without a "
                 "gap");
    app.add_flag("--detach",
                 options.is_detach,
                 "start nothing: have the daemon of this network namespace stop, and hand "
                 "everything back to the host; of a dead one too");
}

void read_attach(const std::string& choice, Options& options) {
    const std::size_t equals = choice.rfind('=');
    const std::string point = equals == std::string::npos ? "" : choice.substr(equals + 1);
    if (equals == 0 || (point != "xdp" && point != "tc")) {
        throw CLI::ValidationError("--attach",
                                   fmt::format("{}: write INTERFACE=xdp or INTERFACE=tc", choice));
    }
    options.attach_at_xdp[choice.substr(0, equals)] = point == "xdp";
}

// "21,2121" or "none".
std::vector<net::Port> read_ftp_ports(const std::string& text) {
    constexpr std::size_t kMost = engine::FtpAssistant::kMaxPorts;
    std::vector<net::Port> ports;
    if (text == "none") return ports;
    for (const std::string& each : CLI::detail::split(text, ',')) {
        std::uint16_t number = 0;
        const char* const end = each.data() + each.size();
        const auto [stop, error] = std::from_chars(each.data(), end, number);
        if (error != std::errc() || stop != end || number < 2) {
            throw CLI::ValidationError(
                "--ftp-ports",
                fmt::format("{}: \"{}\" is no port from 2 to 65535; write them with commas "
                            "between, as in 21,2121, or none",
                            text,
                            each));
        }
        const net::Port port{number};
        if (std::find(ports.begin(), ports.end(), port) == ports.end()) ports.push_back(port);
    }
    if (ports.size() > kMost) {
        throw CLI::ValidationError(
            "--ftp-ports", fmt::format("{}: {} ports; at most {}", text, ports.size(), kMost));
    }
    return ports;
}

void describe_assistants(CLI::App& app, Options& options) {
    app.add_option_function<std::string>(
           "--ftp-ports",
           [&options](const std::string& text) { options.ftp_ports = read_ftp_ports(text); },
           "ports of VIPs where FTP is spoken, at most 8: NAT connections there are read, so that "
           "their data connections follow them; or none; default: 21")
        ->type_name("PORT,...");
}

// How much there is room for, and how many do the work.
void describe_sizes(CLI::App& app, Options& options) {
    app.add_option("--connections",
                   options.connections,
                   "how many connections of IPv4, and as many of IPv6, there is room for; default: "
                   "2 % of this machine's memory")
        ->type_name("N")
        ->check(CLI::Range(1u, flow::kMaxConnections));
    app.add_option("--workers",
                   options.workers,
                   "threads of the engine, each with the connections of some clients' ports; "
                   "default: one for each CPU that xvsd may run on, at most 16")
        ->type_name("N")
        ->check(CLI::Range(1u, XVS_MAX_WORKERS));
}

std::string read_stock(const std::string& choice, std::uint32_t& stock) {
    stock = choice == "on" ? kDefaultStock : 0;
    if (choice == "on" || choice == "off") return {};
    const char* const end = choice.data() + choice.size();
    const auto parsed = std::from_chars(choice.data(), end, stock);
    if (parsed.ec == std::errc() && parsed.ptr == end && stock >= 1 && stock <= XVS_STOCK_SIZE)
        return {};
    return fmt::format("{}: write on, off, or a number from 1 to {}", choice, XVS_STOCK_SIZE);
}

void describe_stock(CLI::App& app, Options& options) {
    app.add_option_function<std::string>(
           "--stock",
           [&options](const std::string& choice) {
               const std::string problem = read_stock(choice, options.stock.turns);
               if (!problem.empty()) throw CLI::ValidationError("--stock", problem);
           },
           "begin connections in the kernel, by decisions that schedulers make ahead of time: so "
           "many for each service, 1024 (on, the default), or none (off)")
        ->type_name("on|off|N");
    app.add_option("--stock-by-counts",
                   options.stock.counts,
                   "how many of them, where the scheduler compares counts of connections (lc, wlc, "
                   "sed, nq, ovf, lblc, twos), which may change meanwhile; 1: none, so that each "
                   "decision is "
                   "made when it is needed; default: 32")
        ->type_name("N")
        ->check(CLI::Range(1U, XVS_STOCK_SIZE));
}

void describe(CLI::App& app, Options& options, std::string& peer_redirect, double& wait) {
    app.add_option("--interface",
                   options.interfaces,
                   "serve this interface alone (repeatable); default: every layer-3 interface, "
                   "those that appear later too")
        ->type_name("IF")
        ->expected(1)
        ->take_all();
    describe_keeping(app, options);
    describe_sizes(app, options);
    describe_assistants(app, options);
    describe_stock(app, options);
    app.add_option_function<std::vector<std::string>>(
           "--attach",
           [&options](const std::vector<std::string>& choices) {
               for (const std::string& choice : choices)
                   read_attach(choice, options);
           },
           "where packets of this interface are met: xdp (its driver must know XDP) or tc "
           "(repeatable); default: xdp on physical interfaces that can, tc on all others")
        ->type_name("IF=xdp|tc")
        ->expected(1)
        ->take_all();
    app.add_option_function<std::string>(
           "--af-xdp",
           [&options](const std::string& use) {
               options.af_xdp = use == "on"    ? AfXdpUse::On
                                : use == "off" ? AfXdpUse::Off
                                               : AfXdpUse::Auto;
           },
           "how packets that user space must see come up from interfaces at XDP: by AF_XDP where "
           "that locks no more than a sixteenth of the memory (auto, the default), by AF_XDP "
           "whatever it takes (on), or by tc (off)")
        ->check(CLI::IsMember({"auto", "on", "off"}))
        ->type_name("auto|on|off");
    app.add_option("--redirect-peer",
                   peer_redirect,
                   "put packets straight into the other end of a veth in another network "
                   "namespace, past whoever listens on this end: auto (while nobody does), on or "
                   "off")
        ->check(CLI::IsMember({"auto", "on", "off"}))
        ->type_name("auto|on|off")
        ->capture_default_str();
    app.add_flag("!--no-fast-path",
                 options.has_fast_path,
                 "have every balanced packet go through user space, as where the kernel refuses to "
                 "replay established connections");
    app.add_option("--wait",
                   wait,
                   "start nothing: wait until the xvsd of this network namespace is ready, "
                   "10 seconds unless told otherwise; exit 0 when it is, else 1")
        ->type_name("SECONDS")
        ->expected(0, 1)
        ->check(CLI::Range(0.0, 86400.0));
    app.add_flag("--verbose", options.is_verbose, "log more");
    app.set_version_flag("--version", "xvsd " XVS_VERSION);
}

}  // namespace

std::optional<Options> parse_options(int argc, char** argv, int& exit_code) {
    CLI::App app("xvsd: the XVS director of this network namespace. Manage it with xvsadm.",
                 "xvsd");
    Options options;
    options.workers = usable_cpus();
    double wait = kDefaultWait;
    std::string peer_redirect = "auto";
    describe(app, options, peer_redirect, wait);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        exit_code = app.exit(error) == 0 ? 0 : 2;
        return std::nullopt;
    }
    if (peer_redirect == "on") options.peer_redirect = host::PeerRedirect::On;
    if (peer_redirect == "off") options.peer_redirect = host::PeerRedirect::Off;
    if (app.count("--wait") > 0) {
        const auto given = app.get_option("--wait")->as<std::string>();
        options.wait_s = given.empty() ? kDefaultWait : wait;
    }
    return options;
}

}  // namespace xvs::xvsd
