// The director is otherwise undisturbed: what its host does for itself and for others is the same
// before xvsd runs, while it runs, while it forwards under load, and after it has ended.
#include <functional>
#include <sstream>

#include "lab/decapsulation.h"
#include "lab/probe.h"
#include "tests/lab/http_client.h"
#include "tests/lab/xvsd_fixture.h"

namespace xvs::lab {
namespace {

using model::ForwardingMethod;
using net::Family;
using testing::HasSubstr;
using testing::Not;

constexpr std::uint16_t kHostPort = 8888;  // of services that are nobody's but the host's
constexpr std::uint16_t kHostUdpPort = 8889;

// What was seen of the host's own business, as text that does not change from time to time.
using Observe = std::function<std::string()>;

std::string value_or_error(const Result<std::string>& result) {
    return result ? *result : "failed: " + result.error().context;
}

class Undisturbed : public testing::Test {
protected:
    void SetUp() override {
        auto built = build_bare(ForwardingMethod::Masquerade, 2);
        ASSERT_TRUE(built) << built.error().context;
        lab_.emplace(std::move(*built));
    }

    [[nodiscard]] const NetworkNamespace& node(const std::string& name) const {
        return lab_->node(name);
    }

    // A service of its own on a node, answering with `says`.
    void serve(const std::string& where, const std::string& says) {
        auto started = node(where).start({programs().xvs,
                                          "lab-server",
                                          says,
                                          "--tcp",
                                          std::to_string(kHostPort),
                                          "--tcp",
                                          "80",
                                          "--udp",
                                          std::to_string(kHostUdpPort)},
                                         "/dev/null");
        ASSERT_TRUE(started) << started.error().context;
        services_.push_back(std::move(*started));
        const bool has_started = comes_true([&] {
            return ask_http(node(where), endpoint(address("127.0.0.1"), kHostPort)).has_value();
        });
        ASSERT_TRUE(has_started) << "the service of " << where << " did not start";
    }

    // Two more nodes on cables of their own to the director, which is 10.`net`.0.1 there.
    void add_neighbour(const std::string& name, unsigned net, unsigned number) {
        ASSERT_OK(lab_->add_node(name));
        const std::string interface = "to-" + name;
        ASSERT_OK(lab_->connect({{"director", interface, mac(0xd0 + number)},
                                 {name, "eth0", mac(0xe0 + number)},
                                 1500}));
        const std::string net4 = "10." + std::to_string(net) + ".0.";
        const std::string net6 = "fd00:" + std::to_string(net) + "::";
        do_on("director", "ip link set " + interface + " up");
        do_on("director", "ip addr add " + net4 + "1/24 dev " + interface);
        do_on("director", "ip addr add " + net6 + "1/64 dev " + interface + " nodad");
        do_on(name, "ip link set eth0 up");
        do_on(name, "ip addr add " + net4 + "2/24 dev eth0");
        do_on(name, "ip addr add " + net6 + "2/64 dev eth0 nodad");
        do_on(name, "ip route add default via " + net4 + "1");
        do_on(name, "ip -6 route add default via " + net6 + "1");
    }

    static net::MacAddress mac(unsigned last) {
        return net::MacAddress(
            {std::byte{2}, {}, {}, {}, std::byte{9}, static_cast<std::byte>(last)});
    }

    void do_on(const std::string& where, const std::string& words) {
        ASSERT_OK(node(where).run_checked(command(words)));
    }

    [[nodiscard]] std::string http(const std::string& from,
                                   std::string_view to,
                                   std::uint16_t port) const {
        return value_or_error(ask_http(node(from), endpoint(address(to), port)));
    }

    [[nodiscard]] std::string udp(const std::string& from,
                                  std::string_view to,
                                  std::uint16_t port) const {
        auto client = UdpClient::open(node(from), endpoint(address(to), port));
        if (!client) return client.error().context;
        return value_or_error(client->ask("datagram"));
    }

    // Asks until the answer is `expected`: xvsd hears of changed addresses a moment later.
    [[nodiscard]] std::string eventually(const Observe& observe,
                                         const std::string& expected) const {
        std::string seen;
        (void)comes_true([&] {
            seen = observe();
            return seen.starts_with(expected);
        });
        return seen;
    }

    // "3 of 3 answered".
    [[nodiscard]] std::string ping(const std::string& from, const std::string& to) const {
        const auto done = node(from).run({"ping", "-n", "-c", "3", "-i", "0.05", "-W", "2", to});
        if (!done) return done.error().context;
        std::size_t answers = 0;
        for (std::size_t at = 0; (at = done->out.find("bytes from " + to, at)) != std::string::npos;
             ++at)
            ++answers;
        return std::to_string(answers) + " of 3 answered by " + to + "; ";
    }

    // Starts xvsd with its services; they balance.
    void start_balancing() {
        ASSERT_OK(lab_->start_director());
        for (const Family family : {Family::Ipv4, Family::Ipv6})
            ASSERT_OK(lab_->configure(family));
    }

    [[nodiscard]] std::string balanced() const { return http("client", "192.0.2.1", 80); }

    // Compares what `observe` sees now with what it sees with xvsd, under load and without it.
    void expect_undisturbed(const Observe& observe, const std::string& expected) {
        const std::string before = observe();
        ASSERT_EQ(before, expected) << "before xvsd was started";
        start_balancing();
        ASSERT_EQ(observe(), before) << "with xvsd running";
        EXPECT_THAT(balanced(), testing::StartsWith("rs"));
        {
            auto load = start_load();
            ASSERT_TRUE(load) << load.error().context;
            for (int i = 0; i < 3; ++i)
                ASSERT_EQ(observe(), before) << "with xvsd under load";
            EXPECT_TRUE(load->is_running());
        }
        EXPECT_GT(bytes_forwarded(), 1'000'000U) << "there was no load";
        lab_->director().stop();
        ASSERT_EQ(observe(), before) << "after xvsd had ended";
    }

    // Downloads through the director, one after another, until its object goes; at a rate at which
    // no queue on the way overflows, so that what else is lost is lost by xvsd.
    [[nodiscard]] Result<Process> start_load() const {
        auto load = node("client").start({"sh",
                                          "-c",
                                          "while curl -s --limit-rate 40M --max-time 20 -o "
                                          "/dev/null http://192.0.2.1/bytes/50000000; do :; "
                                          "done"},
                                         "/dev/null");
        if (load) (void)comes_true([&] { return bytes_forwarded() >= 1'000'000U; });
        return load;
    }

    [[nodiscard]] std::uint64_t bytes_forwarded() const {
        const auto listing = lab_->xvsadm("-L -n --stats --exact -t 192.0.2.1:80");
        std::istringstream words(listing.value_or(""));
        for (std::string word; words >> word;) {
            if (word != "TCP") continue;
            std::uint64_t counts[6] = {};
            words >> word;
            for (std::size_t i = 0; i < 5; ++i)
                words >> counts[i];
            return counts[4];
        }
        return 0;
    }

    std::optional<Laboratory> lab_;
    std::vector<Process> services_;
};

TEST_F(Undisturbed, ItsOwnTcpService) {
    serve("director", "host");
    expect_undisturbed(
        [&] {
            return http("client", "198.51.100.1", kHostPort) + " " +
                   http("client", "192.0.2.1", kHostPort) + " " +
                   http("client", "2001:db8:c::1", kHostPort) + " " +
                   http("client", "2001:db8:1::1", kHostPort) + " " +
                   http("rs1", "10.0.0.1", kHostPort);
        },
        "host host host host host");
}

TEST_F(Undisturbed, AUdpClientOnIt) {
    serve("client", "peer");
    expect_undisturbed(
        [&] {
            return udp("director", "198.51.100.7", kHostUdpPort) + ", " +
                   udp("director", "2001:db8:c::7", kHostUdpPort);
        },
        "peer datagram, peer datagram");
}

TEST_F(Undisturbed, PingToVipAndDip) {
    expect_undisturbed(
        [&] {
            return ping("client", "192.0.2.1") + ping("client", "2001:db8:1::1") +
                   ping("client", "198.51.100.1") + ping("rs1", "10.0.0.1") +
                   ping("rs1", "fd00:10::1");
        },
        "3 of 3 answered by 192.0.2.1; 3 of 3 answered by 2001:db8:1::1; "
        "3 of 3 answered by 198.51.100.1; 3 of 3 answered by 10.0.0.1; "
        "3 of 3 answered by fd00:10::1; ");
}

TEST_F(Undisturbed, AClosedPortOfTheVip) {
    expect_undisturbed(
        [&] {
            const auto refused = ask_http(node("client"), endpoint(address("192.0.2.1"), 81));
            const bool reset =
                !refused && refused.error().context.find("Couldn't connect") != std::string::npos;
            auto client = UdpClient::open(node("client"), endpoint(address("192.0.2.1"), 5001));
            const auto silence = client.value().ask("x", std::chrono::milliseconds(500));
            const bool unreachable =
                !silence && silence.error().context.find("refused") != std::string::npos;
            return std::string(reset ? "reset " : "no reset ") +
                   (unreachable ? "unreachable" : silence.error().context);
        },
        "reset unreachable");
}

TEST_F(Undisturbed, ForwardingBetweenTwoOtherNamespaces) {
    add_neighbour("left", 41, 1);
    add_neighbour("right", 42, 2);
    serve("right", "right");
    expect_undisturbed(
        [&] {
            const auto bytes = node("left").run_checked(
                {"curl", "-sS", "--max-time", "10", "http://10.42.0.2:8888/bytes/3000000"});
            return http("left", "10.42.0.2", kHostPort) + " " +
                   http("left", "fd00:42::2", kHostPort) + " " +
                   // A port like the service's is nothing special.
                   http("left", "10.42.0.2", kHttpPort) + " " +
                   udp("left", "10.42.0.2", kHostUdpPort) + " " +
                   std::to_string(bytes ? bytes->size() : 0);
        },
        "right right right right datagram 3000000");
}

TEST_F(Undisturbed, ChecksFromDipToRealServersWhileTheServiceIsUp) {
    expect_undisturbed(
        [&] {
            return http("director", "10.0.0.11", kNatHttpPort) + " " +
                   http("director", "10.0.0.12", kNatHttpPort) + " " +
                   http("director", "fd00:10::11", kNatHttpPort) + " " +
                   udp("director", "10.0.0.12", kUdpPort) + " " + ping("director", "10.0.0.11");
        },
        "rs1 rs2 rs1 rs2 datagram 3 of 3 answered by 10.0.0.11; ");
}

TEST_F(Undisturbed, DirectAccessToARealServer) {
    expect_undisturbed(
        [&] {
            const auto bytes = node("client").run_checked(
                {"curl", "-sS", "--max-time", "10", "http://10.0.0.12:8080/bytes/3000000"});
            return http("client", "10.0.0.11", kNatHttpPort) + " " +
                   http("client", "fd00:10::12", kNatHttpPort) + " " +
                   udp("client", "10.0.0.12", kUdpPort) + " " + ping("client", "10.0.0.11") +
                   std::to_string(bytes ? bytes->size() : 0);
        },
        "rs1 rs2 rs2 datagram 3 of 3 answered by 10.0.0.11; 3000000");
}

TEST_F(Undisturbed, ARealServersOwnTrafficThroughIt) {
    serve("client", "outside");
    expect_undisturbed(
        [&] {
            return http("rs1", "198.51.100.7", kHostPort) + " " +
                   http("rs1", "2001:db8:c::7", kHostPort) + " " +
                   udp("rs1", "198.51.100.7", kHostUdpPort) + " " + ping("rs1", "198.51.100.7");
        },
        "outside outside outside datagram 3 of 3 answered by 198.51.100.7; ");
}

// Left and right are hosts on a bridge of the director's. Right is a virtual server of its own at
// the very address of ours: what left sends there is for right's MAC address.
TEST_F(Undisturbed, FramesForAnotherHostOnABridgePort) {
    add_neighbour("left", 43, 1);
    add_neighbour("right", 44, 2);
    for (const char* words : {"ip link add br1 type bridge",
                              "ip link set br1 up",
                              "ip addr flush dev to-left",
                              "ip addr flush dev to-right",
                              "ip link set to-left master br1",
                              "ip link set to-right master br1"})
        do_on("director", words);
    do_on("right", "ip addr add 10.43.0.3/24 dev eth0");
    do_on("right", "ip addr add 192.0.2.1/32 dev lo");
    do_on("left", "ip route add 192.0.2.1/32 via 10.43.0.3");
    serve("right", "right");
    expect_undisturbed(
        [&] {
            return http("left", "192.0.2.1", kHttpPort) + " " +
                   http("left", "10.43.0.3", kHostPort) + " " + ping("left", "10.43.0.3");
        },
        "right right 3 of 3 answered by 10.43.0.3; ");
}

TEST_F(Undisturbed, AMacvlanWithAServiceOfTheHosts) {
    for (const char* words : {"ip link add mv0 link eth0 type macvlan mode bridge",
                              "ip link set mv0 up",
                              "ip addr add 198.51.100.50/24 dev mv0"})
        do_on("director", words);
    // Only the macvlan answers for its address.
    ASSERT_OK(node("director").set_sysctl("net.ipv4.conf.all.arp_ignore", "1"));
    serve("director", "host");
    expect_undisturbed(
        [&] {
            return http("client", "198.51.100.50", kHostPort) + ping("client", "198.51.100.50");
        },
        "host3 of 3 answered by 198.51.100.50; ");
}

TEST_F(Undisturbed, AVipOnAMacvlanIsBalanced) {
    for (const char* words : {"ip link add mv0 link eth0 type macvlan mode bridge",
                              "ip link set mv0 up",
                              "ip addr add 198.51.100.50/24 dev mv0"})
        do_on("director", words);
    ASSERT_OK(node("director").set_sysctl("net.ipv4.conf.all.arp_ignore", "1"));
    start_balancing();
    ASSERT_OK(lab_->xvsadm("-A -t 198.51.100.50:80 -s rr"));
    ASSERT_OK(lab_->xvsadm("-a -t 198.51.100.50:80 -r 10.0.0.11:8080 -m"));
    ASSERT_OK(lab_->xvsadm("-a -t 198.51.100.50:80 -r 10.0.0.12:8080 -m"));

    std::vector<std::string> answers;
    for (int i = 0; i < 4; ++i)
        answers.push_back(http("client", "198.51.100.50", 80));

    EXPECT_EQ(to_string(tally(answers)), "rs1 2, rs2 2");
    const auto bytes = node("client").run_checked(
        {"curl", "-sS", "--max-time", "20", "http://198.51.100.50/bytes/3000000"});
    EXPECT_EQ(value_or_error(bytes).size(), 3'000'000U);
}

// The VIP moves to a host behind the director: it only routes there, whatever services say.
TEST_F(Undisturbed, AVipRemoved) {
    add_neighbour("left", 45, 1);
    do_on("left", "ip addr add 192.0.2.1/32 dev lo");
    serve("left", "left");
    start_balancing();
    ASSERT_THAT(balanced(), testing::StartsWith("rs"));

    do_on("director", "ip addr del 192.0.2.1/32 dev eth0");
    do_on("director", "ip route add 192.0.2.1/32 via 10.45.0.2");

    EXPECT_EQ(eventually([&] { return balanced(); }, "left"), "left");
    for (int i = 0; i < 5; ++i)
        EXPECT_EQ(balanced(), "left");
    EXPECT_EQ(http("client", "192.0.2.1", kHostPort), "left");
    do_on("director", "ip route del 192.0.2.1/32 via 10.45.0.2");
    do_on("director", "ip addr add 192.0.2.1/32 dev eth0");
    EXPECT_THAT(eventually([&] { return balanced(); }, "rs"), testing::StartsWith("rs"));
}

// A firewall that lets in only what it knows: connections that it saw begin go on, and nothing
// comes to it half.
TEST_F(Undisturbed, ItsConntrackEntries) {
    serve("director", "host");
    ASSERT_OK(node("director").run_checked({"nft", "-f", "-"}, {.input = R"(
table ip mine {
    counter invalid { }
    chain input {
        type filter hook input priority 0; policy drop;
        iif lo accept
        ct state established,related accept
        ct state invalid counter name invalid drop
        ct state new tcp dport 8888 accept
        ct state new icmp type echo-request accept
    }
    chain forward {
        type filter hook forward priority 0; policy accept;
        ct state invalid counter name invalid drop
    }
})"}));
    ASSERT_OK_AND_ASSIGN(
        old, HttpClient::open(node("client"), endpoint(address("198.51.100.1"), kHostPort)));
    expect_undisturbed(
        [&] {
            const auto entries = node("director").run_checked({"cat", "/proc/net/nf_conntrack"});
            std::istringstream lines(entries.value_or(""));
            unsigned established = 0;
            for (std::string line; std::getline(lines, line);) {
                const bool ours = line.find("dst=198.51.100.1 ") != std::string::npos &&
                                  line.find("dport=8888") != std::string::npos;
                if (ours && line.find("ESTABLISHED") != std::string::npos &&
                    line.find("[ASSURED]") != std::string::npos)
                    ++established;
            }
            const auto invalid =
                node("director").run_checked(command("nft list counter ip mine invalid"));
            return value_or_error(old.get("/")) + ", " + std::to_string(established) + " entry, " +
                   (invalid.value_or("").find("packets 0") != std::string::npos
                        ? "none invalid, "
                        : "some invalid, ") +
                   http("client", "198.51.100.1", kHostPort);
        },
        "host, 1 entry, none invalid, host");
}

// Somebody's program at tc ingress of the client's side: it takes an outer header off.
TEST_F(Undisturbed, SomebodyElsesTcFilter) {
    do_on("director", "ip addr add 192.0.2.99/32 dev lo");
    {
        const NetworkNamespace::Scope inside(node("director"));
        ASSERT_OK(attach_decapsulation("eth0", {address("192.0.2.99")}));
    }
    expect_undisturbed(
        [&]() -> std::string {
            const auto filters =
                node("director").run_checked(command("tc filter show dev eth0 ingress"));
            const bool there = filters.value_or("").find("pref 49000 bpf") != std::string::npos;
            const NetworkNamespace::Scope inside(node("client"));
            EchoRequest request;
            request.interface = "eth0";
            request.to_mac = resolve("eth0", address("198.51.100.1")).value();
            request.source = address("198.51.100.7");
            request.destination = address("192.0.2.99");
            request.outer = OuterHeader{address("198.51.100.7"), address("198.51.100.1")};
            const auto answer = ask_echo(request, std::chrono::seconds(2));
            return std::string(there ? "there" : "gone") +
                   (answer.value().has_value() ? ", and at work" : ", but idle");
        },
        "there, and at work");
}

}  // namespace
}  // namespace xvs::lab
