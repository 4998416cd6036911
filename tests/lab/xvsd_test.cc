// xvsd itself: how it starts and refuses to, what it leaves behind, and which interfaces it serves.
#include <csignal>
#include <string>
#include <thread>

#include "tests/lab/xvsd_fixture.h"

namespace xvs::lab {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

// curl's exit codes.
constexpr int kRefused = 7;
constexpr int kTimedOut = 28;

constexpr const char* kFour = "-all,+net_admin,+net_raw,+bpf,+perfmon";

TEST_F(Xvsd, SaysFirstThatFiltersDoNotSeeBalancedPackets) {
    start();
    // All that may come before is what was removed of daemons whose namespaces are gone.
    EXPECT_THAT(log().substr(0, log().find("room for")),
                AllOf(HasSubstr("nftables"), HasSubstr("iptables")));
}

TEST_F(Xvsd, RunsWithTheFourCapabilitiesItNeeds) {
    Command words = daemon_command({});
    words.insert(words.begin(), {"setpriv", "--bounding-set", kFour});
    auto started = host_->start(words, log_);
    ASSERT_TRUE(started) << started.error().context;
    daemon_ = std::move(*started);
    in(*host_, xvsd() + " --wait 60");
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
    in(*host_, xvsd() + " --wait 60");
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

TEST_F(Xvsd, RunsAsManyWorkersAsItIsTold) {
    start({"--workers", "2"});
    EXPECT_THAT(in(*host_, (programs().xvsd.parent_path() / "xvs").string() + " status"),
                HasSubstr("workers:     2\n"));
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
    ASSERT_TRUE(daemon_.signal(SIGKILL));
    ASSERT_TRUE(comes_true([&] { return !daemon_.is_running(); }));
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
    ASSERT_TRUE(daemon_.signal(SIGKILL));
    ASSERT_TRUE(comes_true([&] { return !daemon_.is_running(); }));
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

}  // namespace
}  // namespace xvs::lab
