// What outlives the daemon: connections through its death, its restart and a takeover, and what is
// left when all is handed back.
#include <csignal>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>
#include <thread>

#include <gmock/gmock.h>

#include "tests/lab/outlives_fixture.h"

namespace xvs::lab {
namespace {

using model::ForwardingMethod;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// The listing without what runs on: times that are left.
std::string without_times(const std::string& listing) {
    return std::regex_replace(listing, std::regex(" [0-9]+:[0-9]{2} "), " ");
}

TEST_P(Outlives, EveryNumberedDatagramComesOnce) {
    expect_every_datagram_once();
}

class TakesOver : public Outlives {};

INSTANTIATE_TEST_SUITE_P(Every, TakesOver, every_takeover(), name_of_case);

TEST_P(TakesOver, NewConnectionsAreServedAllAlong) {
    expect_every_new_connection_once();
}

class OutlivesEach : public Outlives {};

INSTANTIATE_TEST_SUITE_P(Every, OutlivesEach, each_in_turn(), name_of_case);

TEST_P(OutlivesEach, EveryNumberedDatagramOfIpv6ComesOnce) {
    expect_every_datagram_once(net::Family::Ipv6);
}

TEST_P(OutlivesEach, TransfersArriveWholeAndAThousandConnectionsStayOpen) {
    expect_transfers_whole();
}

TEST_P(Outlives, ListingsAreTheSame) {
    for (int i = 0; i < 5; ++i)
        ASSERT_OK(ask_http(client(), vip(kHttpPort)));
    const auto listings = [&] {
        std::string all;
        for (const char* what : {"-L -n", "-L -n --stats --exact", "-L -n -c"})
            all += lab_->xvsadm(what).value_or("no listing");
        return without_times(all);
    };
    // Closing connections still change their states.
    std::this_thread::sleep_for(kWhile);
    const std::string before = listings();
    happens(std::get<1>(GetParam()));
    // For a moment neither daemon has the port.
    EXPECT_TRUE(comes_true([&] { return lab_->xvsadm("-L -n").has_value(); }));
    EXPECT_EQ(listings(), before);
}

INSTANTIATE_TEST_SUITE_P(Every, Outlives, every_event(), name_of_case);

// The daemon by itself, with its state kept.
class Kept : public Xvsd {
protected:
    void TearDown() override {
        static_cast<void>(host_->run({xvsd(), "--detach"}));
        Xvsd::TearDown();
        std::filesystem::remove_all(state());
    }

    [[nodiscard]] std::filesystem::path state() const { return log_.string() + ".state"; }

    void start_kept(const std::vector<std::string>& more = {}, int connections = 1000) {
        Command words{xvsd(), "--state-dir", state(), "--connections", std::to_string(connections)};
        words.insert(words.end(), more.begin(), more.end());
        auto started = host_->start(words, log_);
        ASSERT_TRUE(started) << started.error().context;
        daemon_ = std::move(*started);
        in(*host_, xvsd() + " --wait 60");
    }

    // Adds one whose real server is not there, and waits until it is on disk.
    void add_kept_service() {
        in(*host_, "ip addr add 192.0.2.1/32 dev eth0");
        add_service("192.0.2.1:80", "192.0.2.99:80");
        ASSERT_TRUE(comes_true([&] {
            std::ifstream file(state() / "services");
            std::stringstream text;
            text << file.rdbuf();
            return text.str().find("192.0.2.99") != std::string::npos;
        }));
    }

    void kill_daemon(int signal = SIGKILL) {
        ASSERT_TRUE(daemon_.signal(signal));
        ASSERT_TRUE(comes_true([&] { return !daemon_.is_running(); }));
    }

    int ask() { return peer_->run({"curl", "-sS", "-m", "1", "http://192.0.2.1/"})->exit_code; }

    std::string status() { return in(*host_, programs().xvs.string() + " status"); }
};

constexpr int kRefused = 7;  // curl's exit codes
constexpr int kTimedOut = 28;

TEST_F(Kept, NewConnectionsWaitForTheNextDaemonAndAreTheHostsAfterTheOrphanTimeout) {
    start_kept({"--orphan-timeout", "4"});
    add_kept_service();
    kill_daemon();
    EXPECT_EQ(ask(), kTimedOut);
    EXPECT_TRUE(comes_true([&] { return ask() == kRefused; }));
    start_kept({"--orphan-timeout", "4"});
    EXPECT_EQ(ask(), kTimedOut) << "the service is not balanced any more";
}

TEST_F(Kept, DetachHandsEverythingBack) {
    const std::string before = links();
    start_kept();
    add_kept_service();
    in(*host_, xvsd() + " --detach");
    EXPECT_TRUE(comes_true([&] { return !daemon_.is_running(); }));
    EXPECT_EQ(links(), before);
    EXPECT_EQ(ask(), kRefused);
}

TEST_F(Kept, DetachHandsBackWhatADeadDaemonLeft) {
    const std::string before = links();
    start_kept();
    add_kept_service();
    kill_daemon();
    EXPECT_NE(links(), before);
    EXPECT_THAT(in(*host_, xvsd() + " --detach"), HasSubstr("removed what a dead xvsd had left"));
    EXPECT_EQ(links(), before);
    EXPECT_EQ(ask(), kRefused);
    EXPECT_THAT(in(*host_, xvsd() + " --detach"), HasSubstr("there was nothing"));
}

TEST_F(Kept, DetachWaitsForADaemonThatIsStopping) {
    const std::string before = links();
    start_kept();
    for (int i = 0; i < 5; ++i) {
        ASSERT_TRUE(daemon_.signal(SIGTERM));
        in(*host_, xvsd() + " --detach");
        EXPECT_EQ(links(), before);
        ASSERT_TRUE(comes_true([&] { return !daemon_.is_running(); }));
        start_kept();
    }
}

TEST_F(Kept, AnEphemeralDaemonRemovesWhatAnEarlierOneLeft) {
    start_kept();
    add_kept_service();
    kill_daemon(SIGTERM);
    EXPECT_THAT(log(), HasSubstr("established connections go on in the kernel"));
    start();
    EXPECT_THAT(in(*host_, programs().xvsadm.string() + " -Ln"), Not(HasSubstr("192.0.2.1:80")));
    EXPECT_THAT(status(), HasSubstr("end with the daemon: --ephemeral"));
}

TEST_F(Kept, ATakeoverThatIsRefusedLeavesTheOldDaemonAsItWas) {
    start();
    EXPECT_THAT(refused({xvsd(), "--state-dir", state(), "--takeover"}),
                HasSubstr("nothing outlives it"));
    EXPECT_TRUE(daemon_.is_running());
    EXPECT_THAT(status(), HasSubstr("pid " + std::to_string(daemon_.pid())));
    EXPECT_THAT(links(), HasSubstr("xvs0"));
}

TEST_F(Kept, CommandsWaitForADaemonThatTakesOver) {
    constexpr int kServices = 2000;  // which it reads before it serves
    start_kept();
    std::string lines;
    for (int i = 0; i < kServices; ++i)
        lines += "-A -t 192.0.2.1:" + std::to_string(1000 + i) + "\n";
    ASSERT_OK(host_->run_checked({programs().xvsadm, "-R"}, {.input = lines}));
    auto former = std::move(daemon_);
    auto started =
        host_->start({xvsd(), "--state-dir", state(), "--connections", "1000", "--takeover"}, log_);
    ASSERT_TRUE(started) << started.error().context;
    daemon_ = std::move(*started);
    while (former.is_running())
        EXPECT_OK(host_->run_checked({programs().xvsadm, "-L", "--timeout"}));
    EXPECT_OK(host_->run_checked({programs().xvsadm, "-L", "-t", "192.0.2.1:1000"}));
}

TEST_F(Kept, AStartThatFailsLeavesNothing) {
    const std::string before = links();
    std::ofstream(state()) << "in the way of the directory";
    EXPECT_THAT(refused({xvsd(), "--state-dir", state(), "--connections", "1000"}),
                HasSubstr("services cannot be kept"));
    EXPECT_EQ(links(), before);
    EXPECT_THAT(in(*host_, xvsd() + " --detach"), HasSubstr("there was nothing"));
}

TEST_F(Kept, StatusSaysWhatWouldOutliveIt) {
    start_kept();
    EXPECT_THAT(status(),
                AllOf(HasSubstr("fast path:   on"),
                      HasSubstr("connections: 0, room for 1000"),
                      HasSubstr("pinned in xvs/"),
                      HasSubstr("eth0: tc, a veth\n")));
}

TEST_F(Kept, KeepsTheSizeOfTablesThatAreThere) {
    start_kept();
    kill_daemon();
    start_kept({}, 2000);
    EXPECT_THAT(log(), HasSubstr("room for 1000 connections"));
    EXPECT_THAT(log(), HasSubstr("xvsd --detach"));
}

TEST_F(Kept, TwoDaemonsNeverShareAStateDirectory) {
    start_kept();
    const auto other = peer_->run({xvsd(), "--state-dir", state(), "--connections", "1000"});
    ASSERT_OK(other);
    EXPECT_EQ(other->exit_code, 1);
    EXPECT_THAT(other->err, HasSubstr("name another directory with --state-dir"));
    static_cast<void>(peer_->run({xvsd(), "--detach"}));
    EXPECT_THAT(in(*peer_, "ip -brief link"), Not(HasSubstr("xvs")));
}

TEST_F(Kept, AnEditThatWasAnsweredOutlivesAKill) {
    start_kept();
    for (int i = 1; i <= 5; ++i) {
        add_service("192.0.2.1:" + std::to_string(i), "192.0.2.99:80");
        kill_daemon();
        start_kept();
        EXPECT_THAT(
            in(*host_, programs().xvsadm.string() + " -Ln"),
            AllOf(HasSubstr("192.0.2.1:" + std::to_string(i) + " "), HasSubstr("192.0.2.99:80")));
    }
}

TEST_F(Kept, WhatANetworkNamespaceThatIsGoneHadPinnedIsRemoved) {
    const auto other = state().string() + ".gone";
    auto gone = NetworkNamespace::create(unique_name("gone"));
    ASSERT_TRUE(gone) << gone.error().context;
    in(*gone, "ip link add eth0 type veth peer name eth1");
    in(*gone, "ip link set eth0 up");
    std::filesystem::path pinned = "/sys/fs/bpf";
    {
        auto daemon = gone->start({xvsd(), "--state-dir", other, "--connections", "1000"}, log_);
        ASSERT_TRUE(daemon) << daemon.error().context;
        in(*gone, xvsd() + " --wait 60");
        const std::string said = in(*gone, programs().xvs.string() + " status");
        std::smatch named;
        ASSERT_TRUE(std::regex_search(said, named, std::regex("pinned in (xvs/[0-9]+)"))) << said;
        pinned /= named[1].str();
        daemon->stop();
    }
    EXPECT_TRUE(std::filesystem::exists(pinned));
    {
        const NetworkNamespace going = std::move(*gone);  // it goes with its owner
    }
    EXPECT_TRUE(comes_true([&] {
        start_kept();
        kill_daemon();
        return !std::filesystem::exists(pinned);
    }));
    std::filesystem::remove_all(other);
}

TEST_F(Kept, SaysWhatIsNoBpfFileSystem) {
    EXPECT_THAT(refused({xvsd(), "--bpffs", "/tmp", "--state-dir", state()}),
                HasSubstr("/tmp is not a BPF file system"));
}

}  // namespace
}  // namespace xvs::lab
