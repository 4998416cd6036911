#include "lab/demo.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <unistd.h>

#include "lab/drawing.h"
#include "lab/packet_way.h"
#include "lab/traffic.h"

namespace xvs::lab {

using model::ForwardingMethod;

namespace {

constexpr std::size_t kColumns = 98;
constexpr unsigned kRounds = 3;  // each real server answers so often
constexpr net::Port kFollowedPort{40001};

// What a method is, in the words of someone who explains it once.
struct Story {
    std::string_view title;
    std::string_view idea;
    std::string_view moral;
};

Story story_of(ForwardingMethod method) {
    switch (method) {
        case ForwardingMethod::DirectRoute:
            return {"DR, direct routing",
                    "Director and real servers share one network, and all of them hold the VIP; "
                    "only the\n  director answers ARP for it. It hands each frame on to a real "
                    "server, which answers the\n  client itself.",
                    "Addresses stay as they are; the frame alone gets another destination (MAC). "
                    "The reply\n  does not pass the director."};
        case ForwardingMethod::Tunnel:
            return {"TUN, IP in IP",
                    "Real servers may be anywhere. The director puts each packet into another one "
                    "(IPIP) to\n  a real server, which takes it out, finds the VIP that it holds "
                    "itself, and answers\n  the client.",
                    "The client's packet travels whole inside an outer header, director to real "
                    "server.\n  The reply does not pass the director."};
        default:
            return {"NAT, masquerading",
                    "Real servers are hidden behind the director, which is their default gateway. "
                    "It rewrites\n  the destination of what clients send, and the source of what "
                    "real servers reply.",
                    "The director rewrites the destination on the way in, and the source on the "
                    "way back:\n  the client only ever sees the VIP."};
    }
}

class Show {
public:
    Show(ForwardingMethod method, const Programs& programs, const Paint& paint)
        : method_(method), programs_(programs), paint_(paint) {}

    Status play() {
        const Story story = story_of(method_);
        print_rule(story.title);
        fmt::print("\n  {}\n", story.idea);
        auto lab = build();
        if (!lab) return fail(lab.error());

        fmt::print("\n{}", painted(draw(lab->plan()), lab->plan()));
        print_title("Set up, as one would type it");
        print_commands(lab->plan());
        if (auto configured = start(*lab); !configured) return configured;

        print_title("A client asks, and this is who answers");
        if (auto asked = ask(*lab); !asked) return asked;
        print_title("What the director counted");
        if (auto listed = list(*lab); !listed) return listed;
        print_title("The way of one packet, captured at each hop (* marks what changed)");
        if (auto followed = follow(*lab); !followed) return followed;
        fmt::print("\n  {}\n\n", story.moral);
        return {};
    }

private:
    struct Told {
        std::string node;
        std::string why;
        std::string command;
    };

    Result<Laboratory> build() {
        LaboratoryOptions options;
        options.name = fmt::format("demo-{}-{}", method_word(method_), ::getpid());
        options.plan.method = method_;
        options.tell =
            [this](const std::string& node, const std::string& why, const std::string& command) {
                told_.push_back({node, why, command});
            };
        return Laboratory::build(options, programs_);
    }

    static Status start(Laboratory& lab) {
        if (auto started = lab.start_director(); !started) return started;
        return lab.configure(net::Family::Ipv4);
    }

    void print_rule(std::string_view title) const {
        const std::string head = fmt::format("== {} ", title);
        fmt::print("{}\n", paint_.bold(head + std::string(kColumns - head.size(), '=')));
    }

    void print_title(std::string_view title) const { fmt::print("\n{}\n", paint_.bold(title)); }

    // Real servers' names in their colours.
    [[nodiscard]] std::string painted(std::string text, const Plan& plan) const {
        for (std::size_t i = plan.real_servers.size(); i-- > 0;) {
            const std::string name = Plan::real_server_name(i);
            const std::size_t at = text.find(name);
            if (at != std::string::npos) text.replace(at, name.size(), paint_.of_node(name, name));
        }
        return text;
    }

    void print_command(const std::string& node,
                       const std::string& command,
                       const std::string& why = {}) const {
        const std::string prompt = fmt::format("{:<9}", node + (node == "client" ? "$" : "#"));
        const std::size_t fill = command.size() < 42 ? 42 - command.size() : 1;
        fmt::print("  {} {}{}{}\n",
                   paint_.dim(prompt),
                   command,
                   why.empty() ? "" : std::string(fill, ' '),
                   why.empty() ? "" : paint_.dim("# " + why));
    }

    // Of all that was done, what belongs to the method; the IPv6 half goes without saying.
    void print_commands(const Plan& plan) const {
        const std::string vip = plan.vip.v4.to_string();
        if (method_ == ForwardingMethod::Masquerade)
            print_command("director", "sysctl -w net.ipv4.ip_forward=1", "it is a router");
        if (method_ == ForwardingMethod::Tunnel)
            print_command("director",
                          "ip link set eth0 mtu 1600",
                          "room for the outer header, on the whole way");
        print_command("director", "ip addr add " + vip + "/32 dev eth0", "the VIP");
        print_real_server_commands(plan);
        const auto services = plan.services(net::Family::Ipv4);
        for (const Command& command : services)
            print_command("director", to_string(command), why_of(command));
    }

    void print_real_server_commands(const Plan& plan) const {
        if (method_ == ForwardingMethod::Masquerade) {
            print_command("rs1",
                          "ip route add default via " + plan.gateway.v4.to_string(),
                          "replies pass the director; so on rs2, rs3");
            return;
        }
        print_command(
            "rs1",
            fmt::format("xvs real-server {} {}", method_word(method_), plan.vip.v4.to_string()),
            "so on rs2, rs3; it does:");
        for (const Told& told : told_) {
            const bool v6 = told.command.find(plan.vip.v6.to_string()) != std::string::npos;
            if (told.node != "rs1" || v6) continue;
            if (!told.why.empty()) fmt::print("              {}\n", paint_.dim("# " + told.why));
            fmt::print("              {}\n", told.command);
        }
    }

    [[nodiscard]] std::string why_of(const Command& command) const {
        if (command[1] == "-A")
            return command[2] == "-t" ? "a TCP service, round robin" : "and UDP";
        return "";
    }

    Status ask(const Laboratory& lab) {
        const Plan& plan = lab.plan();
        const std::size_t count = kRounds * plan.real_servers.size();
        const net::Endpoint http{plan.vip.v4, net::Port{kHttpPort}};
        const net::Endpoint udp{plan.vip.v4, net::Port{kUdpPort}};
        print_command("client",
                      "curl http://" + plan.vip.v4.to_string() + "/",
                      fmt::format("{} times; rr starts with the newest server", count));
        if (auto asked =
                ask_each(count, "HTTP", plan, [&] { return ask_http(lab.node("client"), http); });
            !asked)
            return asked;
        fmt::print("  {} datagrams to UDP {}, each from a port of its own\n",
                   paint_.dim("client   "),
                   udp.to_string());
        std::vector<UdpClient> clients;  // a port that is free again could be taken again
        return ask_each(count, "UDP", plan, [&]() -> Result<std::string> {
            auto client = UdpClient::open(lab.node("client"), udp);
            if (!client) return fail(client.error());
            clients.push_back(std::move(*client));
            auto answer = clients.back().ask("");
            if (!answer) return answer;
            return answer->substr(0, answer->find(' '));
        });
    }

    template <class Ask>
    Status ask_each(std::size_t count, std::string_view what, const Plan& plan, Ask ask_once) {
        std::vector<std::string> answers;
        fmt::print("            ");
        for (std::size_t i = 0; i < count; ++i) {
            const auto answer = ask_once();
            if (!answer) {
                fmt::print("\n");
                return did_not_balance(what, answer.error().context);
            }
            answers.push_back(*answer);
            fmt::print("{} ", paint_.of_node(*answer, *answer));
            (void)std::fflush(stdout);
        }
        fmt::print("\n");
        const Tally counts = tally(answers);
        if (is_even(counts, plan.real_servers.size())) return {};
        return did_not_balance(what, "the answers came from " + to_string(counts));
    }

    [[nodiscard]] Status did_not_balance(std::string_view what, const std::string& cause) const {
        return fail(ErrorCode::System,
                    fmt::format("{} did not balance {}: {}", story_of(method_).title, what, cause));
    }

    Status list(const Laboratory& lab) const {
        for (const char* arguments : {"-L -n", "-L -n --stats"}) {
            const auto listing = lab.xvsadm(arguments);
            if (!listing) return fail(listing.error());
            print_command("director", std::string("xvsadm ") + arguments);
            std::string_view rest = *listing;
            while (!rest.empty()) {
                const std::size_t end = std::min(rest.find('\n'), rest.size());
                fmt::print("            {}\n", rest.substr(0, end));
                rest.remove_prefix(std::min(end + 1, rest.size()));
            }
        }
        return {};
    }

    Status follow(const Laboratory& lab) const {
        auto captures = CaptureEverywhere::start(lab);
        if (!captures) return fail(captures.error());
        const auto answer = ask_http(lab.node("client"),
                                     {lab.plan().vip.v4, net::Port{kHttpPort}},
                                     {"--local-port", std::to_string(net::number(kFollowedPort))});
        if (!answer) return did_not_balance("HTTP", answer.error().context);
        const PacketWay way = packet_way(captures->take(), {lab.plan().client.v4, kFollowedPort});
        fmt::print("{}", to_table(way, lab.plan(), paint_));
        if (!way.request.empty() && !way.reply.empty()) return {};
        return fail(ErrorCode::System,
                    fmt::format("{}: the captures show no way of the client's packet",
                                story_of(method_).title));
    }

    ForwardingMethod method_;
    const Programs& programs_;
    const Paint& paint_;
    std::vector<Told> told_;
};

}  // namespace

Status show_method(ForwardingMethod method, const Programs& programs, const Paint& paint) {
    return Show(method, programs, paint).play();
}

Status show_demo(const Programs& programs, const Paint& paint) {
    fmt::print(
        "\n  XVS is a Linux Virtual Server: one address, the VIP, in front of many real "
        "servers.\n  Below it forwards real traffic in the three classic ways. Each host is "
        "a network namespace;\n  nothing outside of them is touched, and all of it goes "
        "again at the end.\n\n");
    for (const auto method :
         {ForwardingMethod::Masquerade, ForwardingMethod::DirectRoute, ForwardingMethod::Tunnel}) {
        if (auto shown = show_method(method, programs, paint); !shown) return shown;
    }
    fmt::print("{}\n  {}\n",
               paint.good("All three methods balanced."),
               "To try one yourself: xvs lab up nat   (or dr, tun; `xvs lab down nat` ends it)");
    return {};
}

}  // namespace xvs::lab
