#include "lab/real_server.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>

#include <sys/socket.h>

#include <fmt/format.h>

#include "base/unique_fd.h"
#include "lab/decapsulation.h"
#include "lab/network_namespace.h"
#include "lab/process.h"

namespace xvs::lab {

using model::ForwardingMethod;
namespace fs = std::filesystem;

namespace {

constexpr const char* kNoteDirectory = "/run/xvs/real-server";

// One note a network namespace, by its cookie: numbers that are never used again until a reboot,
// which empties /run.
fs::path note_path() {
    const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    std::uint64_t cookie = 0;
    socklen_t size = sizeof cookie;
#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif
    ::getsockopt(socket.get(), SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size);
    return fs::path(kNoteDirectory) / std::to_string(cookie);
}

Status note(const std::string& line) {
    std::error_code error;
    fs::create_directories(kNoteDirectory, error);
    std::ofstream file(note_path(), std::ios::app);
    file << line << '\n';
    file.flush();
    if (!file) return fail(system_error("noting the change in " + note_path().string(), errno));
    return {};
}

std::string with_length(const net::IpAddress& vip) {
    return vip.to_string() + (vip.family() == net::Family::Ipv4 ? "/32" : "/128");
}

std::vector<net::IpAddress> noted_vips() {
    std::vector<net::IpAddress> vips;
    std::ifstream file(note_path());
    for (std::string line; std::getline(file, line);) {
        std::istringstream words(line);
        std::string what;
        std::string address;
        words >> what >> address;
        if (what != "address") continue;
        if (const auto vip = net::IpAddress::parse(address.substr(0, address.find('/'))))
            vips.push_back(*vip);
    }
    return vips;
}

bool link_exists(const std::string& name) {
    const auto shown = run({"ip", "link", "show", "dev", name});
    return shown && shown->exit_code == 0;
}

class SetUp {
public:
    SetUp(const RealServerOptions& options, const Narrator& tell)
        : options_(options), tell_(tell) {}

    // The ARP settings come before the VIP, so that it is never answered for.
    Status direct_route() {
        if (has(net::Family::Ipv4)) {
            if (auto done = keep_vip_quiet(); !done) return done;
        }
        for (const net::IpAddress& vip : options_.vips) {
            if (auto done = add_vip(vip, "lo", "the VIP, so that packets to it are ours"); !done)
                return done;
        }
        return {};
    }

    Status tunnel() {
        if (has(net::Family::Ipv4)) {
            if (auto done = keep_vip_quiet(); !done) return done;
        }
        // One program on an interface serves both families.
        std::vector<std::string> programmed;
        for (const net::Family family : {net::Family::Ipv4, net::Family::Ipv6}) {
            if (!has(family)) continue;
            if (!options_.prefer_bpf && tunnel_device_exists(family)) {
                if (auto done = by_tunnel_device(family); !done) return done;
                continue;
            }
            const auto interface = prepare_for_program(family);
            if (!interface) return fail(interface.error());
            if (std::find(programmed.begin(), programmed.end(), *interface) == programmed.end())
                programmed.push_back(*interface);
        }
        for (const std::string& interface : programmed) {
            if (auto done = attach_program(interface); !done) return done;
        }
        return {};
    }

private:
    [[nodiscard]] bool has(net::Family family) const {
        return std::any_of(options_.vips.begin(), options_.vips.end(), [&](const auto& vip) {
            return vip.family() == family;
        });
    }

    Status keep_vip_quiet() {
        if (auto done = raise("net.ipv4.conf.all.arp_ignore",
                              1,
                              "answer ARP only for addresses of the interface asked on: not for a "
                              "VIP on lo");
            !done)
            return done;
        return raise("net.ipv4.conf.all.arp_announce",
                     2,
                     "never name the VIP as sender in an ARP request of our own");
    }

    // These settings act by the larger of "all" and the interface.
    Status raise(const std::string& key, int value, const std::string& why) {
        const auto before = read_sysctl(key);
        if (!before) return fail(before.error());
        if (std::atoi(before->c_str()) >= value) return {};
        return set(key, *before, std::to_string(value), why);
    }

    Status set(const std::string& key,
               const std::string& before,
               const std::string& value,
               const std::string& why) {
        tell_(why, fmt::format("sysctl -w {}={}", key, value));
        if (auto noted = note(fmt::format("sysctl {} {}", key, before)); !noted) return noted;
        return write_sysctl(key, value);
    }

    Status add_vip(const net::IpAddress& vip, const std::string& device, const std::string& why) {
        if (has_address(vip)) return {};
        Command add{"ip", "addr", "add", with_length(vip), "dev", device};
        tell_(why, to_string(add));
        if (vip.family() == net::Family::Ipv6) add.emplace_back("nodad");
        if (auto noted = note(fmt::format("address {} {}", with_length(vip), device)); !noted)
            return noted;
        const auto added = run_checked(add);
        return added ? Status{} : Status{fail(added.error())};
    }

    static const char* tunnel_device(net::Family family) {
        return family == net::Family::Ipv4 ? "tunl0" : "ip6tnl0";
    }

    static bool tunnel_device_exists(net::Family family) {
        if (link_exists(tunnel_device(family))) return true;
        // The device comes with the module; a kernel without it says so here.
        (void)run({"modprobe", "-q", family == net::Family::Ipv4 ? "ipip" : "ip6_tunnel"});
        return link_exists(tunnel_device(family));
    }

    Status by_tunnel_device(net::Family family) {
        const std::string device = tunnel_device(family);
        const Command up{"ip", "link", "set", device, "up"};
        tell_("the device that takes the outer header off", to_string(up));
        if (auto noted = note("link-down " + device); !noted) return noted;
        if (auto done = run_checked(up); !done) return fail(done.error());
        if (family == net::Family::Ipv4) {
            if (auto done = loosen_reverse_path_filter(device); !done) return done;
        }
        return add_vips(family, device);
    }

    // Returns the interface that the program is for.
    Result<std::string> prepare_for_program(net::Family family) {
        std::string interface = options_.interface;
        if (interface.empty()) interface = default_interface(family);
        if (interface.empty()) {
            return fail(ErrorCode::NotFound,
                        "no default route tells where encapsulated packets arrive: say "
                        "--interface IF");
        }
        if (family == net::Family::Ipv4) {
            if (auto done = loosen_reverse_path_filter(interface); !done) return fail(done.error());
        }
        if (auto done = add_vips(family, "lo"); !done) return fail(done.error());
        return interface;
    }

    Status attach_program(const std::string& interface) {
        const bool anew = !is_decapsulating(interface);
        tell_("take the outer header off, by a BPF program (a kernel with ipip has tunl0 for that)",
              fmt::format("tc qdisc add dev {} clsact", interface));
        tell_("",
              fmt::format("tc filter add dev {} ingress bpf direct-action obj decapsulate.bpf.o",
                          interface));
        // VIPs that an earlier call added stay its business.
        std::vector<net::IpAddress> vips = options_.vips;
        for (const net::IpAddress& vip : noted_vips()) {
            if (std::find(vips.begin(), vips.end(), vip) == vips.end()) vips.push_back(vip);
        }
        const auto attached = attach_decapsulation(interface, vips);
        if (!attached) return fail(attached.error());
        if (!anew) return {};
        return note(
            fmt::format("decapsulate {} {}", interface, attached->made_clsact ? "clsact" : "kept"));
    }

    // A decapsulated packet comes from a client by an interface that may not lead to that client;
    // strict filtering (1) drops it. 2 asks only that some route leads there.
    Status loosen_reverse_path_filter(const std::string& device) {
        const auto all = read_sysctl("net.ipv4.conf.all.rp_filter");
        const std::string key = fmt::format("net.ipv4.conf.{}.rp_filter", device);
        const auto own = read_sysctl(key);
        if (!all || !own) return fail(all ? own.error() : all.error());
        if (std::max(std::atoi(all->c_str()), std::atoi(own->c_str())) != 1) return {};
        return set(key,
                   *own,
                   "2",
                   "let packets in whose way back leads elsewhere (strict reverse path "
                   "filtering drops them)");
    }

    Status add_vips(net::Family family, const std::string& device) {
        for (const net::IpAddress& vip : options_.vips) {
            if (vip.family() != family) continue;
            if (auto done = add_vip(vip, device, "the VIP, so that the inner packets are ours");
                !done)
                return done;
        }
        return {};
    }

    const RealServerOptions& options_;
    const Narrator& tell_;
};

Status undo_line(const std::string& line, const Narrator& tell) {
    std::istringstream words(line);
    std::string what;
    std::string first;
    std::string second;
    words >> what >> first >> second;
    if (what == "sysctl") {
        tell("as it was", fmt::format("sysctl -w {}={}", first, second));
        return write_sysctl(first, second);
    }
    if (what == "decapsulate") {
        tell("no decapsulation any more",
             fmt::format("tc filter del dev {} ingress pref 49000", first));
        return detach_decapsulation(first, second == "clsact");
    }
    Command undo{"ip", "addr", "del", first, "dev", second};
    if (what == "link-down") undo = {"ip", "link", "set", first, "down"};
    tell(what == "address" ? "the VIP goes" : "as it was", to_string(undo));
    const auto undone = run_checked(undo);
    return undone ? Status{} : Status{fail(undone.error())};
}

}  // namespace

Status set_up_real_server(const RealServerOptions& options, const Narrator& tell) {
    if (options.vips.empty())
        return fail(ErrorCode::InvalidArgument, "a real server is told at least one VIP");
    SetUp set_up(options, tell);
    switch (options.method) {
        case ForwardingMethod::DirectRoute:
            return set_up.direct_route();
        case ForwardingMethod::Tunnel:
            return set_up.tunnel();
        default:
            return {};  // NAT asks nothing but the default gateway; `xvs doctor` checks it
    }
}

Status undo_real_server(const Narrator& tell) {
    std::vector<std::string> lines;
    std::ifstream file(note_path());
    for (std::string line; std::getline(file, line);)
        lines.push_back(line);
    if (lines.empty()) {
        return fail(ErrorCode::NotFound,
                    "nothing to undo: xvs real-server has changed nothing in this network "
                    "namespace");
    }
    // What cannot be undone (its interface is gone, say) does not keep the rest from it.
    Status result;
    while (!lines.empty()) {
        if (auto undone = undo_line(lines.back(), tell); !undone && result) result = undone;
        lines.pop_back();
    }
    forget_real_server();
    return result;
}

void forget_real_server() noexcept {
    std::error_code ignored;
    fs::remove(note_path(), ignored);
}

std::string default_interface(net::Family family) {
    const auto shown =
        run({"ip", family == net::Family::Ipv4 ? "-4" : "-6", "route", "show", "default"});
    if (!shown) return {};
    std::istringstream words(shown->out);
    for (std::string word; words >> word;) {
        if (word == "dev" && words >> word) return word;
    }
    return {};
}

bool has_address(const net::IpAddress& address) {
    const auto shown = run({"ip", "-o", "addr", "show", "to", with_length(address)});
    return shown && shown->exit_code == 0 && !shown->out.empty();
}

}  // namespace xvs::lab
