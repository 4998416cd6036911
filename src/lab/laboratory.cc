#include "lab/laboratory.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <fstream>
#include <system_error>
#include <utility>

#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include "base/byte_order.h"
#include "lab/registry.h"

namespace xvs::lab {

namespace fs = std::filesystem;

namespace {

// The kernel looks through xvsd's programs first, on a busy machine for many seconds.
constexpr std::chrono::seconds kStartLimit{60};
constexpr char kTakenDown = '.';  // what the reaper is told when nothing is left to do

Status check_privileges() {
    if (::geteuid() == 0) return {};
    return fail(ErrorCode::NotPermitted,
                "a laboratory needs root for its network namespaces; type the command again with "
                "sudo in front");
}

bool is_listening(const NetworkNamespace& where, std::uint16_t port) {
    const NetworkNamespace::Scope inside(where);
    const UniqueFd fd(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_addr = in6addr_loopback;
    address.sin6_port = to_wire16(port);
    return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

}  // namespace

Programs Programs::in(const fs::path& directory) {
    return {directory / "xvs", directory / "xvsd", directory / "xvsadm"};
}

Programs Programs::beside_this() {
    std::error_code ignored;
    return in(fs::read_symlink("/proc/self/exe", ignored).parent_path());
}

Laboratory::Laboratory(std::string name, Plan plan, const Programs& programs)
    : name_(std::move(name)), plan_(std::move(plan)), programs_(programs), standing_(true) {}

Laboratory::Laboratory(Laboratory&& other) noexcept
    : name_(std::move(other.name_)),
      plan_(std::move(other.plan_)),
      programs_(std::move(other.programs_)),
      standing_(std::exchange(other.standing_, false)),
      reaper_pipe_(std::move(other.reaper_pipe_)),
      reaper_(std::move(other.reaper_)),
      nodes_(std::move(other.nodes_)),
      services_(std::move(other.services_)),
      director_(std::move(other.director_)) {}

Laboratory::~Laboratory() {
    if (!standing_) return;
    director_.stop();
    for (Process& service : services_)
        service.stop();
    nodes_.clear();
    take_down(name_);
    dismiss_reaper();
}

Result<Laboratory> Laboratory::build(const LaboratoryOptions& options, const Programs& programs) {
    if (auto allowed = check_privileges(); !allowed) return fail(allowed.error());
    if (auto checked = check_name(options.name); !checked) return fail(checked.error());
    auto plan = make_plan(options.plan);
    if (!plan) return fail(plan.error());
    (void)take_down_stale();
    const Record record{
        options.name, options.plan.method, options.plan.real_servers, ProcessId::self()};
    if (auto added = add_record(record); !added) return fail(added.error());

    Laboratory lab(options.name, std::move(*plan), programs);
    if (auto started = lab.start_reaper(); !started) return fail(started.error());
    if (auto done = lab.carry_out(options); !done) return fail(done.error());
    return lab;
}

const NetworkNamespace& Laboratory::node(const std::string& name) const {
    return nodes_.at(name);
}

Status Laboratory::add_node(const std::string& name) {
    auto made = NetworkNamespace::create(namespace_name(name_, name));
    if (!made) return fail(made.error());
    made->release();  // take_down() removes it, after the processes in it
    nodes_.emplace(name, std::move(*made));
    return {};
}

Status Laboratory::connect(const Cable& cable) {
    const auto& [first, second, mtu] = cable;
    const auto made = run_checked(
        command(fmt::format("ip link add name {} mtu {} address {} netns {} type veth peer name {} "
                            "mtu {} address {} netns {}",
                            first.interface,
                            mtu,
                            first.mac.to_string(),
                            node(first.node).name(),
                            second.interface,
                            mtu,
                            second.mac.to_string(),
                            node(second.node).name())));
    if (!made) return fail(made.error());
    return {};
}

Status Laboratory::carry_out(const LaboratoryOptions& options) {
    for (const std::string& name : plan_.nodes) {
        if (auto made = add_node(name); !made) return made;
    }
    // Interfaces take a namespace's settings when they are made.
    for (const Step& step : plan_.steps) {
        const auto* setting = std::get_if<Setting>(&step.action);
        if (setting == nullptr) continue;
        if (auto set = node(step.node).set_sysctl(setting->key, setting->value); !set) return set;
    }
    for (const Cable& cable : plan_.cables) {
        if (auto made = connect(cable); !made) return made;
    }
    for (const Step& step : plan_.steps) {
        const auto* command = std::get_if<Command>(&step.action);
        if (command == nullptr) continue;
        if (auto done = node(step.node).run_checked(*command); !done)
            return fail(ErrorCode::System, step.node + ": " + done.error().context);
    }
    for (std::size_t i = 0; i < plan_.real_servers.size(); ++i) {
        if (auto made = make_real_server(i, options); !made) return made;
    }
    return await_real_servers();
}

Status Laboratory::make_real_server(std::size_t index, const LaboratoryOptions& options) {
    const std::string name = Plan::real_server_name(index);
    const Narrator tell = [&](const std::string& why, const std::string& command) {
        options.tell(name, why, command);
    };
    {
        const NetworkNamespace::Scope inside(node(name));
        RealServerOptions real_server;
        real_server.method = plan_.method;
        real_server.vips = {plan_.vip.v4, plan_.vip.v6};
        if (auto done = set_up_real_server(real_server, tell); !done) return done;
    }
    auto service = node(name).start({programs_.xvs,
                                     "lab-server",
                                     name,
                                     "--tcp",
                                     std::to_string(plan_.real_http_port),
                                     "--udp",
                                     std::to_string(kUdpPort)},
                                    log_of(name));
    if (!service) return fail(service.error());
    services_.push_back(std::move(*service));
    return {};
}

Status Laboratory::await_real_servers() const {
    const auto deadline = std::chrono::steady_clock::now() + kStartLimit;
    for (std::size_t i = 0; i < plan_.real_servers.size(); ++i) {
        const std::string name = Plan::real_server_name(i);
        while (!is_listening(node(name), plan_.real_http_port)) {
            if (std::chrono::steady_clock::now() > deadline) {
                return fail(
                    ErrorCode::System,
                    fmt::format("the service of {} did not start: {}", name, last_words(name)));
            }
            ::poll(nullptr, 0, 2);
        }
    }
    return {};
}

Status Laboratory::start_director(const std::vector<std::string>& more_arguments) {
    if (!fs::exists(programs_.xvsd)) {
        return fail(
            ErrorCode::NotFound,
            fmt::format("there is no {}; build it with 'make build'", programs_.xvsd.string()));
    }
    // `ip netns exec` gives the daemon the namespace's own /sys as well.
    const std::string space = node("director").name();
    Command daemon{"ip", "netns", "exec", space, programs_.xvsd, "--ephemeral"};
    const bool has_size =
        std::find(more_arguments.begin(), more_arguments.end(), "--connections") !=
        more_arguments.end();
    if (!has_size) daemon.insert(daemon.end(), {"--connections", "65536"});
    daemon.insert(daemon.end(), more_arguments.begin(), more_arguments.end());
    auto started = Process::start(daemon, log_of("xvsd"));
    if (!started) return fail(started.error());
    director_ = std::move(*started);
    const auto ready = run({"ip",
                            "netns",
                            "exec",
                            space,
                            programs_.xvsd,
                            "--wait",
                            std::to_string(kStartLimit.count())});
    if (ready && ready->exit_code == 0 && director_.is_running()) return {};
    // One that is about to end has not said why yet.
    for (int i = 0; i < 100 && director_.is_running(); ++i)
        ::poll(nullptr, 0, 5);
    return fail(ErrorCode::System,
                fmt::format("xvsd did not become ready: {}", last_words("xvsd")));
}

Status Laboratory::configure(net::Family family) {
    for (Command command : plan_.services(family)) {
        command.front() = programs_.xvsadm;
        if (auto done = node("director").run_checked(command); !done) return fail(done.error());
    }
    return {};
}

Result<std::string> Laboratory::xvsadm(std::string_view arguments) const {
    const Command rest = command(arguments);
    Command words{programs_.xvsadm};
    words.insert(words.end(), rest.begin(), rest.end());
    return node("director").run_checked(words);
}

Status Laboratory::leave_standing() {
    const Record record{
        name_, plan_.method, static_cast<unsigned>(plan_.real_servers.size()), std::nullopt};
    if (auto updated = update_record(record); !updated) return updated;
    for (Process& service : services_)
        service.detach();
    director_.detach();
    standing_ = false;
    dismiss_reaper();
    return {};
}

std::string Laboratory::last_words(const std::string& node) const {
    std::ifstream file(log_of(node));
    std::string last;
    for (std::string line; std::getline(file, line);) {
        if (!line.empty()) last = line;
    }
    return last.empty() ? "(it said nothing)" : last;
}

fs::path Laboratory::log_of(const std::string& node) const {
    return directory_of(name_) / (node + ".log");
}

Status Laboratory::start_reaper() {
    std::array<int, 2> fds{};
    if (::pipe2(fds.data(), O_CLOEXEC) != 0) return fail(system_error("making a pipe", errno));
    const UniqueFd read_end(fds[0]);
    reaper_pipe_ = UniqueFd(fds[1]);
    auto started =
        Process::start({programs_.xvs, "lab", "reap", name_}, "/dev/null", read_end.get());
    if (!started) return fail(started.error());
    reaper_ = std::move(*started);
    return {};
}

void Laboratory::dismiss_reaper() noexcept {
    if (!reaper_pipe_.is_open()) return;
    (void)!::write(reaper_pipe_.get(), &kTakenDown, 1);
    reaper_pipe_.reset();
    reaper_.stop(kStartLimit);
}

void reap(const std::string& name) {
    for (const int signal : {SIGINT, SIGTERM, SIGHUP})
        ::signal(signal, SIG_IGN);
    ::prctl(PR_SET_NAME, "xvs-lab-reaper");
    char said = 0;
    ssize_t got = 0;
    do {
        got = ::read(STDIN_FILENO, &said, 1);
    } while (got < 0 && errno == EINTR);
    if (got != 1) take_down(name);
}

}  // namespace xvs::lab
