// Packets through a running xvsd, where more than one program has a hand in them.
#include <array>
#include <cstdint>
#include <numeric>
#include <string>

#include <sys/socket.h>

#include "lab/traffic.h"
#include "tests/lab/uploads_fixture.h"

namespace xvs::lab {
namespace {

using testing::HasSubstr;
using testing::Not;

// A real server, 10.0.0.11, behind an interface `back` of the host, 10.0.0.1.
Result<NetworkNamespace> real_server_behind(const NetworkNamespace& host) {
    auto real = NetworkNamespace::create(unique_name("real"));
    if (!real) return real;
    const std::array of_host = {"ip link add back type veth peer name eth0 netns " + real->name(),
                                std::string("ip link set back up"),
                                std::string("ip addr add 10.0.0.1/24 dev back")};
    const std::array of_real = {"ip link set eth0 up",
                                "ip addr add 10.0.0.11/24 dev eth0",
                                "ip route add default via 10.0.0.1"};
    for (const auto& line : of_host) {
        if (auto done = host.run_checked(command(line)); !done) return fail(done.error());
    }
    for (const char* line : of_real) {
        if (auto done = real->run_checked(command(line)); !done) return fail(done.error());
    }
    return real;
}

// With established packets forwarded in the kernel, and by the engine.
class PacketPath : public Uploads, public testing::WithParamInterface<FastPath> {
protected:
    void start_this_way() { start(arguments_of(GetParam())); }

    // After an upload: whether its packets passed the engine, in super-packets, or did not.
    void expect_this_way() {
        const std::uint64_t received = counter("received");
        if (GetParam() == FastPath::On) {
            EXPECT_LT(received, 100U) << "established packets passed the engine";
            return;
        }
        EXPECT_GT(counter("super_packets"), 100U);
        EXPECT_LT(received, kTransfer / 1448 / 2) << "super-packets were cut";
    }
};

std::string name_of(const testing::TestParamInfo<FastPath>& info) {
    return name_of_way(info.param);
}

INSTANTIATE_TEST_SUITE_P(Both, PacketPath, testing::Values(FastPath::On, FastPath::Off), name_of);

TEST_P(PacketPath, TwentyMegabytesAreGivenToTheHostAsTheyCame) {
    in(*host_, "ip addr add 192.0.2.1/32 dev eth0");
    serve(*host_);
    start_this_way();
    add_service("192.0.2.1:8080", "192.0.2.10:8080", "-g");
    expect_upload(*peer_, "http://192.0.2.1:8080/");
    expect_this_way();
}

TEST_P(PacketPath, ALocalRealServerOnAnotherPortAnswersAsTheVip) {
    in(*host_, "ip addr add 192.0.2.1/32 dev eth0");
    serve(*host_);
    start_this_way();
    add_service("192.0.2.1:80", "192.0.2.10:8080");
    EXPECT_EQ(in(*peer_, "curl -sS -m 5 http://192.0.2.1/"), "real\n");
    expect_upload(*peer_, "http://192.0.2.1/");
    // Whoever asks it directly gets its answer from where he asked.
    EXPECT_EQ(in(*peer_, "curl -sS -m 5 http://192.0.2.10:8080/"), "real\n");
    expect_upload(*peer_, "http://192.0.2.10:8080/");
}

// No address of these is the host's, and none is told of one by one.
TEST_P(PacketPath, MarkRulesTakeAPrefixAndARangeOfPorts) {
    ASSERT_OK_AND_ASSIGN(real, real_server_behind(*host_));
    in(*peer_, "ip route add 203.0.113.0/24 via 192.0.2.10");
    serve(real);
    start_this_way();
    const std::string admin = programs().xvsadm.string();
    in(*host_, admin + " -A -f 7 -s rr");
    in(*host_, admin + " -a -f 7 -r 10.0.0.11:8080 -m");
    const auto ask = [&](const std::string& where) {
        return peer_->run(command("curl -sS -m 2 http://" + where + "/"))->out;
    };
    EXPECT_EQ(ask("203.0.113.5:8000"), "") << "no rule, and yet a mark";
    const std::string rule = "7 --proto tcp --dst 203.0.113.0/24 --dport 8000-8099 --in eth0";
    in(*host_, admin + " --add-mark " + rule);
    EXPECT_EQ(in(*host_, admin + " --list-marks"), rule + "\n");
    EXPECT_EQ(ask("203.0.113.5:8000"), "real\n");
    EXPECT_EQ(ask("203.0.113.250:8099"), "real\n");
    EXPECT_EQ(ask("203.0.113.5:8100"), "") << "a port that no rule names";
    expect_upload(*peer_, "http://203.0.113.9:8050/");
    expect_this_way();
    in(*host_, admin + " --delete-mark " + rule);
    EXPECT_EQ(ask("203.0.113.5:8000"), "");
}

class ShortQueue : public Uploads {
protected:
    static constexpr int kDatagrams = 60;

    // All at once, which is more than the queue holds.
    static void send_all(const NetworkNamespace& from, const net::Endpoint& where) {
        const NetworkNamespace::Scope inside(from);
        const SocketAddress to(where);
        const UniqueFd socket(::socket(to.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0));
        const std::array<char, 200> text{};
        for (int sent = 0; sent < kDatagrams; ++sent) {
            EXPECT_EQ(::sendto(socket.get(), text.data(), text.size(), 0, to.get(), to.size()),
                      static_cast<ssize_t>(text.size()));
        }
    }

    static std::uint64_t datagrams_received(const NetworkNamespace& at) {
        const auto text = at.run_checked(command("nstat -asz UdpNoPorts"));
        EXPECT_TRUE(text) << text.error().context;
        const auto name = text.value_or("").find("UdpNoPorts");
        return name == std::string::npos ? 0 : std::stoull(text->substr(name + 10));
    }
};

// A queue of 4 KB that sends 2 MB a second: twelve datagrams of the burst find room in it at once.
TEST_F(ShortQueue, IsWaitedForByABurst) {
    ASSERT_OK_AND_ASSIGN(real, real_server_behind(*host_));
    in(*host_, "ping -c 1 -W 5 10.0.0.11");  // its MAC address is known then
    in(*host_, "tc qdisc add dev back root tbf rate 16mbit burst 2kb limit 4kb");
    in(*host_, "ip addr add 192.0.2.1/32 dev eth0");
    start(arguments_of(FastPath::Off));
    const std::string admin = programs().xvsadm.string();
    in(*host_, admin + " -A -u 192.0.2.1:9 -s rr");
    in(*host_, admin + " -a -u 192.0.2.1:9 -r 10.0.0.11:9 -m");
    send_all(*peer_, *net::Endpoint::parse("192.0.2.1:9"));
    EXPECT_TRUE(comes_true([&] { return datagrams_received(real) >= kDatagrams; }));
    EXPECT_EQ(datagrams_received(real), std::uint64_t{kDatagrams});
}

// tcpdump sees what the real server gets, on its own interface.
class TunnelPath : public testing::TestWithParam<FastPath> {
protected:
    static constexpr std::size_t kUpload = 2'000'000;

    // Uploads through a tunnel; returns the lengths of the packets in it, by their outer headers.
    static std::vector<std::size_t> lengths_seen(const std::vector<std::string>& more) {
        std::vector<std::size_t> lengths;
        auto arguments = arguments_of(GetParam());
        arguments.insert(arguments.end(), more.begin(), more.end());
        upload(arguments, lengths);
        return lengths;
    }

private:
    static void upload(const std::vector<std::string>& arguments,
                       std::vector<std::size_t>& lengths) {
        ASSERT_OK_AND_ASSIGN(lab, build_bare(model::ForwardingMethod::Tunnel, 1));
        ASSERT_OK(lab.start_director(arguments));
        ASSERT_OK(lab.configure(net::Family::Ipv4));
        ASSERT_OK(lab.node("director").run_checked(command("ethtool -K eth0 tso off gso off")));
        const auto capture = std::filesystem::temp_directory_path() / (lab.name() + ".pcap");
        const auto capture_log = std::filesystem::path(capture.string() + ".log");
        // In any other mode the kernel keeps a few packets to itself for a second, which are lost
        // when tcpdump is stopped before.
        auto tcpdump = lab.node("rs1").start({"tcpdump",
                                              "-nn",
                                              "-U",
                                              "--immediate-mode",
                                              "-i",
                                              "eth0",
                                              "-s",
                                              "120",
                                              "-w",
                                              capture,
                                              "ip proto 4"},
                                             capture_log);
        ASSERT_TRUE(tcpdump) << tcpdump.error().context;
        ASSERT_TRUE(comes_true([&] { return std::filesystem::exists(capture); }));
        const auto up = std::filesystem::path(capture.string() + ".up");
        std::ofstream(up, std::ios::binary) << noise(kUpload);

        ASSERT_OK(lab.node("client").run_checked(
            {"curl", "-sS", "-m", "20", "-T", up, "http://192.0.2.1/"}));
        // Time to write them.
        std::this_thread::sleep_for(std::chrono::milliseconds(500));
        tcpdump->stop();

        const auto text = run_checked({"tcpdump", "-nn", "-vv", "-r", capture});
        ASSERT_TRUE(text) << text.error().context;
        std::istringstream lines(*text);
        for (std::string line; std::getline(lines, line);) {
            const auto at = line.rfind("proto IPIP (4), length ");
            if (at == std::string::npos) continue;
            lengths.push_back(std::stoul(line.substr(at + 23)));
            EXPECT_THAT(line, Not(HasSubstr("bad cksum")));
        }
        for (const auto& file : {capture, capture_log, up})
            std::filesystem::remove(file);
    }
};

INSTANTIATE_TEST_SUITE_P(Both, TunnelPath, testing::Values(FastPath::On, FastPath::Off), name_of);

TEST_P(TunnelPath, SuperPacketsAreCutWithTheirOuterHeader) {
    // What is put down behind the director's interface is not cut.
    const auto lengths = lengths_seen({"--redirect-peer", "off"});
    EXPECT_THAT(lengths, testing::Each(testing::Le(1520U)));
    // tcpdump may have missed some; whole super-packets would be some 40.
    EXPECT_GT(lengths.size(), 700U);
}

TEST_P(TunnelPath, IsSeenByTheRealServersTcpdumpWhateverTheWay) {
    const auto lengths = lengths_seen({"--redirect-peer", "on"});
    const auto sum = std::accumulate(lengths.begin(), lengths.end(), std::size_t{0});
    EXPECT_GT(sum, kUpload * 9 / 10);
}

// macvlan frames are PACKET_OTHERHOST on the device below: its own interface is the one to serve.
TEST_P(PacketPath, TakesPacketsForAVipOnAMacvlan) {
    const auto made = host_->run(command("ip link add mv0 link eth0 type macvlan mode bridge"));
    ASSERT_OK(made);
    if (made->exit_code != 0) GTEST_SKIP() << "this kernel has no macvlan: " << made->err;
    in(*host_, "ip link set mv0 up");
    in(*host_, "ip addr add 192.0.2.1/32 dev mv0");
    in(*host_, "sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.arp_ignore=1");
    cable("eth1", "eth1");
    ASSERT_OK_AND_ASSIGN(real, real_server_behind(*host_));
    serve(real);
    start_this_way();
    EXPECT_TRUE(logs("serving interface mv0"));
    add_service("192.0.2.1:80", "10.0.0.11:8080");
    EXPECT_EQ(in(*peer_, "curl -sS -m 5 http://192.0.2.1/"), "real\n");
    expect_upload(*peer_, "http://192.0.2.1/");
    expect_this_way();
}

}  // namespace
}  // namespace xvs::lab
