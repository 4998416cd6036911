// Interfaces that are met at XDP: what is replayed there, what comes to the engine by AF_XDP, and
// what becomes of it where there is none.
#include <cstdint>

#include "tests/lab/uploads_fixture.h"

namespace xvs::lab {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

// Who fills in the checksums of what the ends send: they themselves, as on a real network, or, as
// between veths, whoever sends it on last.
enum class Checksums : bool { Filled, Unfilled };

// Whoever is at the other end takes frames that were sent from XDP.
class XdpPath : public Uploads {
protected:
    void SetUp() override {
        Uploads::SetUp();
        auto made = NetworkNamespace::create(unique_name("real"));
        ASSERT_TRUE(made) << made.error().context;
        real_.emplace(std::move(*made));
        make_back();
        in(*host_, "ip addr add 192.0.2.1/32 dev eth0");
        in(*host_, "sysctl -qw net.ipv4.ip_forward=1");
        set_checksums(Checksums::Filled);
    }

    void make_back() {
        in(*host_, "ip link add eth1 type veth peer name eth0 netns " + real_->name());
        in(*host_, "ip link set eth1 up");
        in(*host_, "ip addr add 10.0.0.1/24 dev eth1");
        in(*real_, "ip link set eth0 up");
        in(*real_, "ip addr add 10.0.0.11/24 dev eth0");
        in(*real_, "ip route add default via 10.0.0.1");
    }

    void set_checksums(Checksums checksums) {
        const bool is_filled = checksums == Checksums::Filled;
        for (const auto* end : {&*peer_, &*real_})
            in(*end, std::string("ethtool -K eth0 gro on tx ") + (is_filled ? "off" : "on"));
    }

    void start_at_xdp(const std::vector<std::string>& more = {}) {
        std::vector<std::string> arguments{"--attach", "eth0=xdp", "--attach", "eth1=xdp"};
        arguments.insert(arguments.end(), more.begin(), more.end());
        start(arguments);
    }

    std::string status() { return in(*host_, programs().xvs.string() + " status"); }

    void ask() { EXPECT_EQ(in(*peer_, "curl -sS -m 5 http://192.0.2.1/"), "real\n"); }

    std::optional<NetworkNamespace> real_;
};

TEST_F(XdpPath, TwentyMegabytesPassWholeBeforeTheKernelSeesThem) {
    serve(*real_);
    start_at_xdp();
    EXPECT_TRUE(logs("serving interface eth0 at XDP and tc"));
    EXPECT_THAT(in(*host_, programs().xvs.string() + " status"),
                HasSubstr("eth0: native XDP and tc, as --attach says"));
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

// Whether established packets pass the engine as well.
class AfXdpPath : public XdpPath,
                  public testing::WithParamInterface<std::tuple<FastPath, Checksums>> {
protected:
    [[nodiscard]] static bool is_fast() { return std::get<0>(GetParam()) == FastPath::On; }

    void start_this_way(const std::vector<std::string>& more = {}) {
        set_checksums(std::get<1>(GetParam()));
        std::vector<std::string> arguments = arguments_of(std::get<0>(GetParam()));
        arguments.insert(arguments.end(), more.begin(), more.end());
        start_at_xdp(arguments);
        EXPECT_TRUE(
            logs("interface eth0: what the engine must see comes by AF_XDP (copy, 1 queue)"));
    }

    // Almost all that the engine saw came by AF_XDP.
    void expect_this_way() {
        const std::uint64_t received = counter("received");
        const std::uint64_t by_af_xdp = counter("by_af_xdp");
        if (is_fast()) {
            EXPECT_GT(by_af_xdp, 0U);
            EXPECT_LT(received, 100U) << "established packets passed the engine";
        } else {
            EXPECT_GT(by_af_xdp, kTransfer / 1448);
            EXPECT_EQ(received, by_af_xdp);
        }
    }
};

INSTANTIATE_TEST_SUITE_P(Both,
                         AfXdpPath,
                         testing::Combine(testing::Values(FastPath::On, FastPath::Off),
                                          testing::Values(Checksums::Filled, Checksums::Unfilled)),
                         [](const auto& each) {
                             const bool is_filled = std::get<1>(each.param) == Checksums::Filled;
                             return name_of_way(std::get<0>(each.param)) +
                                    (is_filled ? "_filled" : "_unfilled");
                         });

// One worker: another would have no queue of the one that each device has here, and send over the
// private link.
TEST_P(AfXdpPath, TwentyMegabytesPassWhole) {
    serve(*real_);
    start_this_way({"--workers", "1", "--af-xdp", "on"});
    add_service("192.0.2.1:80", "10.0.0.11:8080");
    expect_upload(*peer_, "http://192.0.2.1/");
    expect_this_way();
    EXPECT_GT(counter("sent_by_af_xdp"), is_fast() ? 0U : kTransfer / 1448);
}

TEST_P(AfXdpPath, TwentyMegabytesAreGivenToTheHostAsTheyCame) {
    serve(*host_);
    start_this_way();
    add_service("192.0.2.1:8080", "192.0.2.10:8080", "-g");
    expect_upload(*peer_, "http://192.0.2.1:8080/");
    expect_this_way();
}

TEST_P(AfXdpPath, FramesOfMoreThanTwoKilobytesPassWhole) {
    for (const auto* end : {&*peer_, &*real_})
        in(*end, "ip link set eth0 mtu 3400");
    for (const char* interface : {"eth0", "eth1"})
        in(*host_, std::string("ip link set mtu 3400 dev ") + interface);
    serve(*real_);
    start_this_way();
    add_service("192.0.2.1:80", "10.0.0.11:8080");
    expect_upload(*peer_, "http://192.0.2.1/");
    const std::uint64_t received = counter("received");
    EXPECT_LT(received, kTransfer / 1448);
    EXPECT_GT(received, is_fast() ? 0U : kTransfer / 3360);
}

TEST_F(XdpPath, AnInterfaceThatComesBackIsMetByAfXdpAgain) {
    serve(*real_);
    start_at_xdp();
    add_service("192.0.2.1:80", "10.0.0.11:8080");
    ask();
    server_.stop();
    in(*host_, "ip link del eth1");
    EXPECT_TRUE(logs("interface eth1 is gone"));
    EXPECT_THAT(status(), Not(HasSubstr("eth1")));
    make_back();
    set_checksums(Checksums::Filled);
    EXPECT_TRUE(comes_true([&] { return status().find("eth1: native XDP") != std::string::npos; }));
    EXPECT_THAT(status(), HasSubstr("eth1: native XDP and tc, as --attach says; AF_XDP (copy, 1"));
    serve(*real_);
    const std::uint64_t before = counter("by_af_xdp");
    ask();
    // A request's first packet, and its reply's.
    EXPECT_GE(counter("by_af_xdp"), before + 2);
}

TEST_F(XdpPath, WhatAfXdpMayNotHaveComesByTcAndThatIsSaidOnce) {
    serve(*real_);
    Command words{
        "setpriv", "--bounding-set", "-ipc_lock,-sys_resource", "prlimit", "--memlock=65536:65536"};
    const Command daemon = daemon_command({"--attach", "eth0=xdp"});
    words.insert(words.end(), daemon.begin(), daemon.end());
    auto started = host_->start(words, log_);
    ASSERT_TRUE(started) << started.error().context;
    daemon_ = std::move(*started);
    in(*host_, xvsd() + " --wait 60");
    const std::string sentence = "eth0: what the engine must see comes by tc, not by AF_XDP";
    EXPECT_TRUE(logs(sentence));
    EXPECT_THAT(status(), HasSubstr("no AF_XDP: memory for an AF_XDP socket"));
    add_service("192.0.2.1:80", "10.0.0.11:8080");
    ask();
    EXPECT_EQ(counter("by_af_xdp"), 0U);
    EXPECT_EQ(log().find(sentence), log().rfind(sentence));
}

TEST_F(XdpPath, AfXdpCanBeTurnedOff) {
    serve(*real_);
    start_at_xdp({"--af-xdp", "off"});
    EXPECT_THAT(status(), HasSubstr("no AF_XDP: --af-xdp off"));
    add_service("192.0.2.1:80", "10.0.0.11:8080");
    ask();
    EXPECT_GT(counter("received"), 0U);
    EXPECT_EQ(counter("by_af_xdp"), 0U);
}

}  // namespace
}  // namespace xvs::lab
