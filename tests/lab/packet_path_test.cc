// Packets through a running xvsd, where more than one program has a hand in them.
#include <array>
#include <csignal>
#include <cstdint>

#include "lab/sha256.h"
#include "tests/lab/xvsd_fixture.h"

namespace xvs::lab {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr std::size_t kTransfer = 20'000'000;

// Bytes that no compression of the test's own mistakes for right.
std::string noise(std::size_t size) {
    std::string bytes(size, '\0');
    std::uint32_t state = 1;
    for (char& byte : bytes) {
        state = state * 1664525 + 1013904223;
        byte = static_cast<char>(state >> 24);
    }
    return bytes;
}

std::string sha256_of(std::string_view bytes) {
    Sha256 sha;
    sha.update(std::as_bytes(std::span(bytes.data(), bytes.size())));
    return sha.finish();
}

// With established packets forwarded in the kernel, and by the engine.
class PacketPath : public Xvsd, public testing::WithParamInterface<FastPath> {
protected:
    void SetUp() override {
        Xvsd::SetUp();
        upload_ = log_.string() + ".up";
    }

    void TearDown() override {
        std::filesystem::remove(upload_);
        Xvsd::TearDown();
    }

    // Sends 20 MB from the peer; the server says the sum of what came.
    void expect_upload(const NetworkNamespace& from, const std::string& url) {
        const std::string body = noise(kTransfer);
        std::ofstream(upload_, std::ios::binary) << body;
        RunOptions patience;
        patience.time_limit = std::chrono::seconds(60);
        const auto said =
            from.run_checked({"curl", "-sS", "-m", "50", "-T", upload_, url}, patience);
        ASSERT_TRUE(said) << said.error().context;
        EXPECT_THAT(*said, HasSubstr(sha256_of(body)));
    }

    // A number that xvsd says of what has become of packets.
    std::uint64_t counter(const std::string& name) {
        const std::size_t before = log().size();
        EXPECT_TRUE(daemon_.signal(SIGUSR1));
        std::uint64_t value = 0;
        EXPECT_TRUE(comes_true([&] {
            const std::string text = log().substr(before);
            const auto at = text.find(" " + name + "=");
            if (at == std::string::npos || text.find('\n', at) == std::string::npos) return false;
            value = std::stoull(text.substr(at + name.size() + 2));
            return true;
        }));
        return value;
    }

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

    std::filesystem::path upload_;
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

// At XDP as on physical interfaces: whoever is at the other end sends finished checksums and takes
// frames from there.
class XdpPath : public PacketPath {
protected:
    void SetUp() override {
        PacketPath::SetUp();
        auto made = NetworkNamespace::create(unique_name("real"));
        ASSERT_TRUE(made) << made.error().context;
        real_.emplace(std::move(*made));
        in(*host_, "ip link add eth1 type veth peer name eth0 netns " + real_->name());
        in(*host_, "ip link set eth1 up");
        in(*host_, "ip addr add 10.0.0.1/24 dev eth1");
        in(*host_, "ip addr add 192.0.2.1/32 dev eth0");
        in(*real_, "ip link set eth0 up");
        in(*real_, "ip addr add 10.0.0.11/24 dev eth0");
        in(*real_, "ip route add default via 10.0.0.1");
        for (const auto* end : {&*peer_, &*real_})
            in(*end, "ethtool -K eth0 tx off gro on");
    }

    std::optional<NetworkNamespace> real_;
};

TEST_F(XdpPath, TwentyMegabytesPassWholeBeforeTheKernelSeesThem) {
    serve(*real_);
    start({"--attach", "eth0=xdp", "--attach", "eth1=xdp"});
    EXPECT_TRUE(logs("serving interface eth0 at XDP and tc"));
    EXPECT_THAT(in(*host_, programs().xvs.string() + " status"),
                HasSubstr("eth0: native XDP and tc, as --attach says\n"));
    add_service("192.0.2.1:80", "10.0.0.11:8080");
    expect_upload(*peer_, "http://192.0.2.1/");
    EXPECT_LT(counter("received"), 100U);
    const auto redirected = [&](const std::string& interface) {
        const std::string all = in(*host_, "ethtool -S " + interface);
        const auto at = all.find("rx_queue_0_xdp_redirect: ");
        return at == std::string::npos ? 0 : std::stoull(all.substr(at + 25));
    };
    EXPECT_GT(redirected("eth0"), kTransfer / 1448 - 100);
    EXPECT_GT(redirected("eth1"), 100U);
}

TEST_F(XdpPath, AnInterfaceThatKnowsNoXdpIsServedAtTc) {
    in(*host_, "ip link add br0 type bridge");
    in(*host_, "ip link set br0 up");
    start({"--attach", "br0=xdp"});
    EXPECT_TRUE(logs("attaching to br0 at XDP"));
    EXPECT_TRUE(logs("serving interface br0 at tc"));
    EXPECT_THAT(in(*host_, programs().xvs.string() + " status"),
                HasSubstr("br0: tc, attaching to br0 at XDP: "));
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
