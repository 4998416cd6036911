#include "tests/differential/kernel_target.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <thread>

#include <sys/prctl.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sched.h>
#include <unistd.h>

#include "tests/differential/command.h"

namespace xvs::test {
namespace {

// Long enough for ksoftirqd on a busy machine to have forwarded what it got.
constexpr int kQuietMs = 40;

constexpr std::array kTappedProtocols{net::IpProtocol::Icmp,
                                      net::IpProtocol::Icmpv6,
                                      net::IpProtocol::Tcp,
                                      net::IpProtocol::Udp,
                                      net::IpProtocol::Sctp,
                                      net::IpProtocol::Ipv4,
                                      net::IpProtocol::Ipv6};

std::string_view director_interface(Side side) {
    return side == Side::Client ? "c0" : "r0";
}

std::string far_interface(Side side, unsigned number) {
    return fmt::format("{}{}", side == Side::Client ? "c" : "r", number);
}

void write_file(const std::string& path, const std::string& value) {
    std::ofstream file(path);
    file << value << std::flush;
    if (!file) give_up(path, errno);
}

void run_or_give_up(const std::vector<std::string>& arguments, const std::string& input) {
    const CommandOutput output = run_command(arguments, input);
    if (output.exit_status == 0) return;
    give_up(fmt::format("{}: {}", fmt::join(arguments, " "), output.error), EINVAL);
}

// Forwards between its links, answers no redirects, and limits no ICMP.
void set_sysctls() {
    const std::string v4 = "/proc/sys/net/ipv4/";
    const std::string v6 = "/proc/sys/net/ipv6/";
    write_file(v4 + "ip_forward", "1");
    write_file(v4 + "icmp_ratelimit", "0");
    for (const char* name : {"all", "default"}) {
        write_file(v4 + "conf/" + name + "/rp_filter", "0");
        write_file(v4 + "conf/" + name + "/send_redirects", "0");
        write_file(v6 + "conf/" + name + "/forwarding", "1");
        write_file(v6 + "conf/" + name + "/accept_dad", "0");
    }
    write_file(v6 + "icmp/ratelimit", "0");
}

std::string links_and_addresses(pid_t far, unsigned number) {
    std::string batch = "link set lo up\n";
    for (const DirectorLink& link : topology::kDirectorLinks) {
        const auto interface = director_interface(link.side);
        batch += fmt::format("link add {} address {} mtu {} type veth peer name {} netns {}\n",
                             interface,
                             link.mac.to_string(),
                             kDefaultMtu,
                             far_interface(link.side, number),
                             far);
        batch +=
            fmt::format("addr add {}/{} dev {}\n", link.v4.to_string(), link.v4_prefix, interface);
        batch += fmt::format(
            "addr add {}/{} dev {} nodad\n", link.v6.to_string(), link.v6_prefix, interface);
        batch += fmt::format("link set {} up\n", interface);
    }
    for (const net::IpAddress& vip : topology::kVips) {
        const bool is_v4 = vip.family() == net::Family::Ipv4;
        batch += fmt::format("addr add {}/{} dev lo\n", vip.to_string(), is_v4 ? 32 : 128);
    }
    for (const TestHost& host : topology::kHosts) {
        for (const net::IpAddress& address : {host.v4, host.v6}) {
            batch += fmt::format("neigh add {} lladdr {} nud permanent dev {}\n",
                                 address.to_string(),
                                 host.mac.to_string(),
                                 director_interface(host.side));
        }
    }
    return batch;
}

void forbid_ipv6_by_default() {
    write_file("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
}

// The director's stack has no sockets that would answer. What it says because of that must not
// come near IPVS, which would translate it and take it for the connection's end. What came in by a
// link is told from it by a mark.
std::string silence() {
    return fmt::format(
        "table inet silence {{\n"
        " chain marks {{ type filter hook prerouting priority -300; meta mark set {0:#x}; }}\n"
        " chain answers {{ type filter hook output priority -300;\n"
        "  meta mark {0:#x} accept\n"
        "  tcp flags & rst == rst drop\n"
        "  icmp type echo-reply drop\n"
        "  icmpv6 type echo-reply drop\n"
        " }}\n"
        "}}\n",
        kNotOfTheStack);
}

}  // namespace

FarNamespace::FarNamespace() {
    if (::unshare(CLONE_NEWNET) != 0) give_up("make a network namespace (root is needed)", errno);
    forbid_ipv6_by_default();
    keeper_ = ::fork();
    if (keeper_ < 0) give_up("fork", errno);
    if (keeper_ == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            ::pause();
    }
    namespace_ = UniqueFd(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
    if (!namespace_.is_open()) give_up("/proc/self/ns/net", errno);
}

FarNamespace::~FarNamespace() {
    ::kill(keeper_, SIGKILL);
    ::waitpid(keeper_, nullptr, 0);
}

void FarNamespace::enter() const {
    if (::setns(namespace_.get(), CLONE_NEWNET) != 0) give_up("setns", errno);
}

KernelTarget::KernelTarget(const FarNamespace& far, unsigned number, const Scenario& scenario) {
    if (::unshare(CLONE_NEWNET) != 0) give_up("make a network namespace", errno);
    const UniqueFd own(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
    set_sysctls();
    run_or_give_up({"ip", "-batch", "-"}, links_and_addresses(far.keeper(), number));
    run_or_give_up({"nft", "-f", "-"}, silence());
    listen_where_needed(scenario);
    for (const Side side : kSides)
        finish_checksums(std::string(director_interface(side)));
    for (const net::IpProtocol protocol : kTappedProtocols) {
        for (const net::Family family : {net::Family::Ipv4, net::Family::Ipv6})
            taps_.emplace_back(family, protocol);
    }
    far.enter();
    for (const Side side : kSides)
        far_ends_.emplace_back(far_interface(side, number));
    if (::setns(own.get(), CLONE_NEWNET) != 0) give_up("setns", errno);
    collect();  // whatever the links said when they came up
}

// A datagram for a port that nobody listens at would be answered with an error, which would be
// translated as well.
void KernelTarget::listen_where_needed(const Scenario& scenario) {
    for (const Step& step : scenario.steps) {
        const auto* expected = std::get_if<ExpectStep>(&step.what);
        if (expected == nullptr || expected->host != kDirectorHost) continue;
        const auto* udp = std::get_if<UdpFields>(&expected->packet.transport);
        if (udp == nullptr) continue;
        listeners_.push_back(listen_to_udp(expected->packet.family(), udp->destination));
    }
}

CommandOutput KernelTarget::ipvsadm(const std::vector<std::string>& arguments) {
    std::vector<std::string> command{"ipvsadm"};
    command.insert(command.end(), arguments.begin(), arguments.end());
    return run_command(command);
}

void KernelTarget::send(const TestHost& from, const Packet& packet) {
    const FarEnd& end = far_ends_.at(static_cast<std::size_t>(from.side));
    end.send(packet.frame(from.mac, director_link(from.side).mac));
}

void KernelTarget::send_from_host(const Packet& packet) {
    send_from_stack(packet);
}

bool KernelTarget::receive_all(std::vector<Sighting>& sightings) {
    bool is_any = false;
    for (const Side side : kSides) {
        while (const auto frame = far_ends_.at(static_cast<std::size_t>(side)).receive()) {
            is_any = true;
            if (auto sighting = sighting_of(side, *frame))
                sightings.push_back(std::move(*sighting));
        }
    }
    for (const StackTap& tap : taps_) {
        while (auto packet = tap.receive()) {
            is_any = true;
            if (auto decoded = Packet::decode(*packet)) delivered_.push_back(std::move(*decoded));
            sightings.push_back({.host = std::string(kDirectorHost), .packet = std::move(*packet)});
        }
    }
    return is_any;
}

std::vector<Sighting> KernelTarget::collect() {
    std::vector<Sighting> sightings;
    std::vector<pollfd> waits;
    for (const FarEnd& end : far_ends_)
        waits.push_back({.fd = end.fd(), .events = POLLIN, .revents = 0});
    for (const StackTap& tap : taps_)
        waits.push_back({.fd = tap.fd(), .events = POLLIN, .revents = 0});
    do {
        receive_all(sightings);
    } while (::poll(waits.data(), waits.size(), kQuietMs) > 0);
    std::erase_if(sightings, [&](const Sighting& sighting) {
        return sighting.host != kDirectorHost && is_answer_of_the_stack(sighting);
    });
    return sightings;
}

// A scenario says what the director's own stack is given. That the stack has no use for its
// protocol is not IPVS's to say.
bool KernelTarget::is_answer_of_the_stack(const Sighting& sighting) const {
    const auto answer = Packet::decode(sighting.packet);
    if (!answer) return false;
    return std::any_of(delivered_.begin(), delivered_.end(), [&](const Packet& question) {
        return std::holds_alternative<IcmpFields>(answer->transport) && !answer->inner.empty() &&
               answer->inner.front().source == question.source &&
               answer->inner.front().destination == question.destination &&
               answer->inner.front().transport == question.transport;
    });
}

void KernelTarget::advance(std::chrono::milliseconds by) {
    std::this_thread::sleep_for(by);
}

Status KernelTarget::set_mtu(Side side, std::uint32_t mtu) {
    run_or_give_up(
        {"ip", "link", "set", std::string(director_interface(side)), "mtu", std::to_string(mtu)},
        {});
    return {};
}

Status KernelTarget::set_sysctl(const std::string& name, const std::string& value) {
    const std::string path = "/proc/sys/net/ipv4/vs/" + name;
    std::ofstream file(path);
    file << value << std::flush;
    if (!file) return fail(system_error(fmt::format("write {} to {}", value, path), errno));
    return {};
}

std::optional<std::map<std::string, std::uint64_t>> KernelTarget::drops() {
    return std::nullopt;
}

}  // namespace xvs::test
