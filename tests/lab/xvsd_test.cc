// xvsd itself: how it starts and refuses to, what it leaves behind, and which interfaces it serves.
#include <csignal>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>

#include "tests/lab/lab_test.h"

namespace xvs::lab {
namespace {

using model::ForwardingMethod;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

template <class Condition>
bool eventually(Condition condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!condition()) {
        if (std::chrono::steady_clock::now() > deadline) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return true;
}

// A host with one network, and no service yet.
class Xvsd : public testing::Test {
protected:
    void SetUp() override {
        for (const char* name : {"host", "peer"}) {
            auto made = NetworkNamespace::create(unique_name(name));
            ASSERT_TRUE(made) << made.error().context;
            (std::string(name) == "host" ? host_ : peer_).emplace(std::move(*made));
        }
        cable("eth0", "eth0");
        in(*host_, "ip addr add 192.0.2.10/24 dev eth0");
        in(*peer_, "ip addr add 192.0.2.20/24 dev eth0");
        log_ = std::filesystem::temp_directory_path() / (host_->name() + ".log");
    }

    void TearDown() override {
        daemon_.stop();
        if (HasFailure()) std::fputs(log().c_str(), stderr);
        std::filesystem::remove(log_);
    }

    // A network between host and peer.
    void cable(const std::string& on_host, const std::string& on_peer) {
        in(*host_,
           "ip link add " + on_host + " type veth peer name " + on_peer + " netns " +
               peer_->name());
        in(*host_, "ip link set " + on_host + " up");
        in(*peer_, "ip link set " + on_peer + " up");
    }

    static std::string in(const NetworkNamespace& where, const std::string& words) {
        const auto done = where.run_checked(command(words));
        EXPECT_TRUE(done) << done.error().context;
        return done ? *done : std::string();
    }

    [[nodiscard]] static std::string xvsd() { return programs().xvsd.string(); }

    // A command line that starts xvsd on the host.
    [[nodiscard]] static Command daemon_command(const std::vector<std::string>& arguments) {
        Command words{xvsd(), "--ephemeral", "--connections", "1000"};
        words.insert(words.end(), arguments.begin(), arguments.end());
        return words;
    }

    void start(const std::vector<std::string>& arguments = {}) {
        auto started = host_->start(daemon_command(arguments), log_);
        ASSERT_TRUE(started) << started.error().context;
        daemon_ = std::move(*started);
        in(*host_, xvsd() + " --wait 10");
    }

    // Runs an xvsd that is to refuse; returns what it says, which is one line.
    std::string refused(const Command& words) {
        RunOptions options;
        options.time_limit = std::chrono::seconds(10);
        const auto done = host_->run(words, options);
        if (!done) return done.error().context;
        EXPECT_EQ(done->exit_code, 1) << done->err;
        const auto last = done->err.rfind("xvsd: ");
        return last == std::string::npos ? done->err : done->err.substr(last);
    }

    std::string log() const {
        std::ifstream file(log_);
        std::stringstream text;
        text << file.rdbuf();
        return text.str();
    }

    bool logs(const std::string& text) const {
        return eventually([&] { return log().find(text) != std::string::npos; });
    }

    std::string links() { return in(*host_, "ip -brief link"); }

    void add_service(const std::string& service, const std::string& real) {
        const std::string admin = programs().xvsadm.string();
        in(*host_, admin + " -A -t " + service + " -s rr");
        in(*host_, admin + " -a -t " + service + " -r " + real + " -m");
    }

    std::optional<NetworkNamespace> host_;
    std::optional<NetworkNamespace> peer_;
    std::filesystem::path log_;
    Process daemon_;
};

// curl's exit codes.
constexpr int kRefused = 7;
constexpr int kTimedOut = 28;

constexpr const char* kFour = "-all,+net_admin,+net_raw,+bpf,+perfmon";

TEST_F(Xvsd, SaysFirstThatFiltersDoNotSeeBalancedPackets) {
    start();
    EXPECT_THAT(log().substr(0, log().find('\n')),
                AllOf(HasSubstr("nftables"), HasSubstr("iptables")));
}

TEST_F(Xvsd, RunsWithTheFourCapabilitiesItNeeds) {
    Command words = daemon_command({});
    words.insert(words.begin(), {"setpriv", "--bounding-set", kFour});
    auto started = host_->start(words, log_);
    ASSERT_TRUE(started) << started.error().context;
    daemon_ = std::move(*started);
    in(*host_, xvsd() + " --wait 10");
    EXPECT_TRUE(logs("ready: serving 1 interface"));
}

TEST_F(Xvsd, RunsWithoutBeingRoot) {
    Command words = daemon_command({});
    const std::string four(kFour);
    words.insert(words.begin(),
                 {"setpriv",
                  "--reuid=65534",
                  "--clear-groups",
                  "--inh-caps=" + four,
                  "--ambient-caps=" + four,
                  "--bounding-set=" + four});
    auto started = host_->start(words, log_);
    ASSERT_TRUE(started) << started.error().context;
    daemon_ = std::move(*started);
    in(*host_, xvsd() + " --wait 10");
}

TEST_F(Xvsd, NamesTheCapabilityThatIsMissing) {
    for (const std::string lacking : {"net_admin", "net_raw", "bpf", "perfmon"}) {
        std::string kept = "-all";
        std::string name = "CAP_";
        for (const std::string each : {"net_admin", "net_raw", "bpf", "perfmon"}) {
            if (each != lacking) kept += ",+" + each;
        }
        for (const char letter : lacking)
            name += static_cast<char>(std::toupper(letter));
        Command words = daemon_command({});
        words.insert(words.begin(), {"setpriv", "--bounding-set", kept});
        EXPECT_THAT(refused(words), StartsWith("xvsd: xvsd lacks " + name + ": ")) << lacking;
    }
    Command words = daemon_command({});
    words.insert(words.begin(), {"setpriv", "--reuid=65534", "--clear-groups"});
    EXPECT_THAT(refused(words), HasSubstr("must run as root"));
    EXPECT_THAT(links(), Not(HasSubstr("xvs")));
}

TEST_F(Xvsd, RefusesAnInterfaceThatIsNotThereOrIsPartOfABridge) {
    EXPECT_THAT(refused(daemon_command({"--interface", "eth7"})),
                HasSubstr("there is no interface eth7"));
    in(*host_, "ip link add br0 type bridge");
    in(*host_, "ip link set eth0 master br0");
    EXPECT_THAT(refused(daemon_command({"--interface", "eth0"})), HasSubstr("interface eth0"));
    EXPECT_THAT(links(), Not(HasSubstr("xvs")));
}

TEST_F(Xvsd, NamesTheOneThatServesTheNamespaceAlready) {
    start();
    EXPECT_THAT(refused(daemon_command({})),
                AllOf(HasSubstr("pid " + std::to_string(daemon_.pid())), HasSubstr("xvsd")));
    EXPECT_TRUE(daemon_.is_running());
    in(*host_, xvsd() + " --wait 0");
}

TEST_F(Xvsd, LeavesAnInterfaceAloneThatHasItsNameButIsNotItsOwn) {
    in(*host_, "ip link add xvs1 type veth peer name other");
    EXPECT_THAT(refused(daemon_command({})), HasSubstr("there is an interface xvs1"));
    EXPECT_THAT(links(), HasSubstr("xvs1@other"));
}

TEST_F(Xvsd, WaitsInVainWhereNobodyStarts) {
    const auto done = host_->run({xvsd(), "--wait", "0.1"});
    ASSERT_OK(done);
    EXPECT_EQ(done->exit_code, 1);
    EXPECT_THAT(done->err, StartsWith("xvsd: no xvsd is ready"));
}

TEST_F(Xvsd, LeavesNothingBehind) {
    const std::string before = links();
    start();
    EXPECT_THAT(links(), HasSubstr("xvs0"));
    daemon_.stop();
    EXPECT_EQ(links(), before);
    EXPECT_THAT(in(*host_, "tc filter show dev eth0 ingress"), IsEmpty());
}

TEST_F(Xvsd, TakesOverFromOneThatWasKilled) {
    start();
    ::kill(daemon_.pid(), SIGKILL);
    ASSERT_TRUE(eventually([&] { return !daemon_.is_running(); }));
    start();
    const std::string now = links();
    EXPECT_EQ(now.find("xvs0@"), now.rfind("xvs0@"));
    EXPECT_TRUE(daemon_.is_running());
}

TEST_F(Xvsd, KilledLeavesPacketsToTheHost) {
    in(*host_, "ip addr add 192.0.2.1/32 dev eth0");
    start();
    add_service("192.0.2.1:80", "192.0.2.99:80");
    const Command ask{"curl", "-sS", "-m", "1", "http://192.0.2.1/"};
    // Nobody answers: the real server is not there, and the host's own stack is not asked.
    EXPECT_EQ(peer_->run(ask)->exit_code, kTimedOut);
    ::kill(daemon_.pid(), SIGKILL);
    ASSERT_TRUE(eventually([&] { return !daemon_.is_running(); }));
    EXPECT_EQ(peer_->run(ask)->exit_code, kRefused);
    in(*peer_, "ping -c 1 -W 1 192.0.2.10");
}

TEST_F(Xvsd, ServesAnInterfaceThatComesLaterAndForgetsOneThatGoes) {
    start();
    cable("later", "eth1");
    EXPECT_TRUE(logs("serving interface later"));
    in(*host_, "ip link del later");
    EXPECT_TRUE(logs("interface later is gone"));
    cable("later", "eth1");
    EXPECT_TRUE(daemon_.is_running());
}

TEST_F(Xvsd, LetsGoOfAnInterfaceThatBecomesPartOfABridge) {
    start();
    in(*host_, "ip link add br0 type bridge");
    EXPECT_TRUE(logs("serving interface br0"));
    in(*host_, "ip link set eth0 master br0");
    EXPECT_TRUE(logs("no longer serving interface eth0"));
}

TEST_F(Xvsd, ServesTheNamedInterfaceAlone) {
    cable("eth1", "eth1");
    start({"--interface", "eth1"});
    EXPECT_TRUE(logs("serving interface eth1"));
    EXPECT_TRUE(logs("ready: serving 1 interface"));
    EXPECT_THAT(log(), Not(HasSubstr("interface eth0")));
}

TEST_F(Xvsd, WarnsOfAVipThatIsNotLocalAndOfARealServerWithoutARoute) {
    start();
    add_service("203.0.113.1:80", "198.51.100.9:80");
    EXPECT_TRUE(logs("service TCP 203.0.113.1:80: its VIP is not an address of this host"));
    EXPECT_TRUE(logs("there is no route to its real server 198.51.100.9:80"));
    in(*host_, "ip addr add 203.0.113.1/32 dev eth0");
    in(*host_, "ip route add 198.51.100.0/24 via 192.0.2.20");
    add_service("192.0.2.10:81", "192.0.2.20:80");
    std::this_thread::sleep_for(std::chrono::milliseconds(800));
    const std::string text = log();
    EXPECT_EQ(text.find("VIP is not"), text.rfind("VIP is not"));
    EXPECT_EQ(text.find("no route"), text.rfind("no route"));
}

// A frame that a bridge is to carry on to another host, though it is for a service's VIP and port.
TEST_F(Xvsd, LeavesFramesForOtherHostsOnABridgePortAlone) {
    in(*host_, "ip link add br0 type bridge");
    in(*host_, "ip link set br0 up");
    in(*host_, "ip addr flush dev eth0");
    in(*host_, "ip link set eth0 master br0");
    in(*host_, "ip addr add 192.0.2.10/24 dev br0");
    in(*host_, "ip addr add 192.0.2.1/32 dev br0");
    auto other = NetworkNamespace::create(unique_name("other"));
    ASSERT_TRUE(other) << other.error().context;
    in(*host_, "ip link add port1 type veth peer name eth0 netns " + other->name());
    in(*host_, "ip link set port1 master br0 up");
    in(*other, "ip link set eth0 up");
    in(*other, "ip addr add 192.0.2.30/24 dev eth0");
    in(*other, "ip addr add 192.0.2.1/32 dev lo");
    start();
    add_service("192.0.2.1:80", "192.0.2.99:80");
    in(*peer_, "ip route add 192.0.2.1/32 via 192.0.2.30");
    const auto done = peer_->run({"curl", "-sS", "-m", "3", "http://192.0.2.1/"});
    ASSERT_OK(done);
    // The other host has the address and no listener; through xvsd nobody would answer.
    EXPECT_EQ(done->exit_code, kRefused);
}

TEST_F(Xvsd, LeavesOthersFiltersWhereTheyAre) {
    in(*host_, "tc qdisc add dev eth0 clsact");
    const Command filter{"tc",
                         "filter",
                         "add",
                         "dev",
                         "eth0",
                         "ingress",
                         "prio",
                         "7",
                         "protocol",
                         "all",
                         "bpf",
                         "bytecode",
                         "1,6 0 0 0"};  // matches nothing
    ASSERT_OK(host_->run_checked(filter));
    const auto filters = [&] {
        return in(*host_, "tc filter show dev eth0 ingress");
    };
    const std::string before = filters();
    start();
    EXPECT_THAT(filters(), HasSubstr("pref 7 bpf"));
    daemon_.stop();
    EXPECT_EQ(filters(), before);
}

// A real server that listens at `address`:8080 and says its name.
class Balanced : public Xvsd {
protected:
    void serve(const NetworkNamespace& where) {
        const Command words{"python3",
                            "-u",
                            "-c",
                            "import http.server as h\n"
                            "class A(h.BaseHTTPRequestHandler):\n"
                            " def do_GET(self):\n"
                            "  self.send_response(200)\n"
                            "  self.end_headers()\n"
                            "  self.wfile.write(b'served')\n"
                            "h.HTTPServer(('', 8080), A).serve_forever()\n"};
        auto started = where.start(words, log_.string() + ".server");
        ASSERT_TRUE(started) << started.error().context;
        server_ = std::move(*started);
        ASSERT_TRUE(
            eventually([&] { return in(where, "ss -Hltn").find(":8080") != std::string::npos; }));
    }

    void TearDown() override {
        server_.stop();
        std::filesystem::remove(log_.string() + ".server");
        Xvsd::TearDown();
    }

    Process server_;
};

// macvlan frames are PACKET_OTHERHOST on the device below: its own interface is the one to serve.
TEST_F(Balanced, TakesPacketsForAVipOnAMacvlan) {
    const auto made = host_->run(command("ip link add mv0 link eth0 type macvlan mode bridge"));
    ASSERT_OK(made);
    if (made->exit_code != 0) GTEST_SKIP() << "this kernel has no macvlan: " << made->err;
    in(*host_, "ip link set mv0 up");
    in(*host_, "ip addr add 192.0.2.1/32 dev mv0");
    in(*host_, "sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.arp_ignore=1");
    cable("eth1", "eth1");
    auto real = NetworkNamespace::create(unique_name("real"));
    ASSERT_TRUE(real) << real.error().context;
    in(*host_, "ip link add back type veth peer name eth0 netns " + real->name());
    in(*host_, "ip link set back up");
    in(*host_, "ip addr add 10.0.0.1/24 dev back");
    in(*real, "ip link set eth0 up");
    in(*real, "ip addr add 10.0.0.11/24 dev eth0");
    in(*real, "ip route add default via 10.0.0.1");
    serve(*real);
    start();
    EXPECT_TRUE(logs("serving interface mv0"));
    add_service("192.0.2.1:80", "10.0.0.11:8080");
    EXPECT_EQ(in(*peer_, "curl -sS -m 5 http://192.0.2.1/"), "served");
}

}  // namespace
}  // namespace xvs::lab
