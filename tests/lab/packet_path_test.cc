// Packets through a running xvsd, where more than one program has a hand in them.
#include <array>
#include <cstdint>

#include "tests/lab/uploads_fixture.h"

namespace xvs::lab {
namespace {

using testing::HasSubstr;
using testing::Not;

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

// tcpdump sees what the real server gets: the kernel must have cut it on the way.
class TunnelPath : public testing::TestWithParam<FastPath> {};

INSTANTIATE_TEST_SUITE_P(Both, TunnelPath, testing::Values(FastPath::On, FastPath::Off), name_of);

TEST_P(TunnelPath, SuperPacketsAreCutWithTheirOuterHeader) {
    // What is put down behind the director's interface is neither cut nor seen by tcpdump.
    auto arguments = arguments_of(GetParam());
    arguments.insert(arguments.end(), {"--redirect-peer", "off"});
    ASSERT_OK_AND_ASSIGN(lab, build_bare(model::ForwardingMethod::Tunnel, 1));
    ASSERT_OK(lab.start_director(arguments));
    ASSERT_OK(lab.configure(net::Family::Ipv4));
    ASSERT_OK(lab.node("director").run_checked(command("ethtool -K eth0 tso off gso off")));
    const auto capture = std::filesystem::temp_directory_path() / (lab.name() + ".pcap");
    const auto capture_log = std::filesystem::path(capture.string() + ".log");
    auto tcpdump = lab.node("rs1").start(
        {"tcpdump", "-nn", "-U", "-i", "eth0", "-s", "120", "-w", capture, "ip proto 4"},
        capture_log);
    ASSERT_TRUE(tcpdump) << tcpdump.error().context;
    ASSERT_TRUE(comes_true([&] { return std::filesystem::exists(capture); }));
    const auto up = std::filesystem::path(capture.string() + ".up");
    std::ofstream(up, std::ios::binary) << noise(2'000'000);

    ASSERT_OK(
        lab.node("client").run_checked({"curl", "-sS", "-m", "20", "-T", up, "http://192.0.2.1/"}));
    // What the kernel holds for tcpdump still is written in the meantime.
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    tcpdump->stop();

    const auto text = run_checked({"tcpdump", "-nn", "-vv", "-r", capture});
    ASSERT_TRUE(text) << text.error().context;
    std::size_t packets = 0;
    std::istringstream lines(*text);
    for (std::string line; std::getline(lines, line);) {
        const auto at = line.rfind("proto IPIP (4), length ");
        if (at == std::string::npos) continue;
        const std::size_t length = std::stoul(line.substr(at + 23));
        EXPECT_LE(length, 1520U) << line;
        EXPECT_THAT(line, Not(HasSubstr("bad cksum")));
        ++packets;
    }
    // tcpdump may have missed some; whole super-packets would be some 40.
    EXPECT_GT(packets, 700U);
    for (const auto& file : {capture, capture_log, up})
        std::filesystem::remove(file);
}

// The client keeps to the segment size that the real server announces, in an answer that does not
// come by the director, and here nobody tells it of the tunnel.
TEST_P(TunnelPath, WithMssClampAnUploadPassesWithoutPathMtuDiscovery) {
    PlanOptions plan;
    plan.method = model::ForwardingMethod::Tunnel;
    plan.real_servers = 1;
    plan.tunnel_mtu = 1500;
    ASSERT_OK_AND_ASSIGN(lab, build_bare(plan));
    ASSERT_OK(lab.start_director(arguments_of(GetParam())));
    ASSERT_OK(lab.configure(net::Family::Ipv4));
    ASSERT_OK(lab.node("client").run_checked(
        {"nft", "-f", "-"},
        {.input = "table ip deaf { chain input { type filter hook input priority 0;\n"
                  "icmp type destination-unreachable drop; }; }"}));
    // So that no card cuts super-packets to another size.
    ASSERT_OK(lab.node("client").run_checked(command("ethtool -K eth0 tso off gso off")));
    const auto up = std::filesystem::temp_directory_path() / (lab.name() + ".up");
    const std::string body = noise(500'000);
    std::ofstream(up, std::ios::binary) << body;
    const auto upload = [&](const std::string& patience_s) {
        return *lab.node("client").run(
            {"curl", "-sS", "-m", patience_s, "-T", up, "http://192.0.2.1/"});
    };
    constexpr int kTimedOut = 28;
    EXPECT_EQ(upload("3").exit_code, kTimedOut) << "nothing is in the way";
    ASSERT_OK(lab.node("director")
                  .run_checked(
                      {programs().xvsadm, "-E", "-t", "192.0.2.1:80", "-s", "rr", "--mss-clamp"}));
    const auto passed = upload("20");
    EXPECT_EQ(passed.exit_code, 0) << passed.err;
    EXPECT_THAT(passed.out, HasSubstr(sha256_of(body)));
    std::filesystem::remove(up);
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
    auto real = NetworkNamespace::create(unique_name("real"));
    ASSERT_TRUE(real) << real.error().context;
    in(*host_, "ip link add back type veth peer name eth0 netns " + real->name());
    in(*host_, "ip link set back up");
    in(*host_, "ip addr add 10.0.0.1/24 dev back");
    in(*real, "ip link set eth0 up");
    in(*real, "ip addr add 10.0.0.11/24 dev eth0");
    in(*real, "ip route add default via 10.0.0.1");
    serve(*real);
    start_this_way();
    EXPECT_TRUE(logs("serving interface mv0"));
    add_service("192.0.2.1:80", "10.0.0.11:8080");
    EXPECT_EQ(in(*peer_, "curl -sS -m 5 http://192.0.2.1/"), "real\n");
    expect_upload(*peer_, "http://192.0.2.1/");
    expect_this_way();
}

}  // namespace
}  // namespace xvs::lab
