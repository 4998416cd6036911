// xvs real-server: what it sets, and that its undo puts back what was there.
#include "lab/real_server.h"

#include <chrono>
#include <thread>

#include "lab/decapsulation.h"
#include "lab/probe.h"
#include "tests/lab/lab_test.h"

namespace xvs::lab {
namespace {

using model::ForwardingMethod;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// A namespace alone, with an interface and a default route, before anybody touched it.
class FreshHost : public testing::Test {
protected:
    void SetUp() override {
        auto made = NetworkNamespace::create(unique_name("host"));
        ASSERT_TRUE(made) << made.error().context;
        host_.emplace(std::move(*made));
        for (const char* words : {"ip link add eth0 type veth peer name peer0",
                                  "ip link set eth0 up",
                                  "ip link set peer0 up",
                                  "ip addr add 10.0.0.11/24 dev eth0",
                                  "ip route add default via 10.0.0.1",
                                  "ip -6 addr add fd00:10::11/64 dev eth0 nodad",
                                  "ip -6 route add default via fd00:10::1"})
            ASSERT_OK(host_->run_checked(command(words)));
        for (const char* key : {"arp_ignore", "arp_announce", "rp_filter"})
            ASSERT_OK(host_->set_sysctl(std::string("net.ipv4.conf.all.") + key, "0"));
        ASSERT_TRUE(has_settled()) << "the links do not come up";
    }

    // Links take a moment to come up, and their IPv6 routes with them.
    bool has_settled() {
        const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
        while (std::chrono::steady_clock::now() < until) {
            const std::string links = host_->run_checked(command("ip -o link show up")).value();
            const std::string routes = host_->run_checked(command("ip -6 route")).value();
            const bool is_up = links.find("LOWERLAYERDOWN") == std::string::npos &&
                               links.find("NO-CARRIER") == std::string::npos;
            if (is_up && routes.find("fe80::/64 dev eth0") != std::string::npos &&
                routes.find("fe80::/64 dev peer0") != std::string::npos)
                return true;
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
        }
        return false;
    }

    void TearDown() override {
        const NetworkNamespace::Scope inside(*host_);
        forget_real_server();
    }

    Status set_up(ForwardingMethod method, const std::vector<std::string>& vips) {
        RealServerOptions options;
        options.method = method;
        options.prefer_bpf = true;
        for (const std::string& vip : vips)
            options.vips.push_back(address(vip));
        const NetworkNamespace::Scope inside(*host_);
        return set_up_real_server(options, [this](const std::string&, const std::string& command) {
            told_.push_back(command);
        });
    }

    Status undo() {
        const NetworkNamespace::Scope inside(*host_);
        return undo_real_server([](const std::string&, const std::string&) {});
    }

    // All that xvs real-server may change, as text.
    std::string state() {
        std::string text;
        for (const char* words : {"ip -o addr show dev lo",
                                  "ip -d link",
                                  "tc qdisc show",
                                  "tc filter show dev eth0 ingress",
                                  "ip route",
                                  "ip -6 route"})
            text += host_->run_checked(command(words)).value();
        for (const char* key : {"all.arp_ignore", "all.arp_announce", "eth0.rp_filter"})
            text += host_->get_sysctl(std::string("net.ipv4.conf.") + key).value();
        return text;
    }

    std::optional<NetworkNamespace> host_;
    std::vector<std::string> told_;
};

TEST_F(FreshHost, DirectRouteSilencesArpBeforeItAddsTheVip) {
    ASSERT_OK(set_up(ForwardingMethod::DirectRoute, {"192.0.2.1"}));

    EXPECT_THAT(told_,
                ElementsAre("sysctl -w net.ipv4.conf.all.arp_ignore=1",
                            "sysctl -w net.ipv4.conf.all.arp_announce=2",
                            "ip addr add 192.0.2.1/32 dev lo"));
    EXPECT_EQ(host_->get_sysctl("net.ipv4.conf.all.arp_ignore").value(), "1");
}

TEST_F(FreshHost, UndoLeavesNoTrace) {
    for (const auto method : {ForwardingMethod::DirectRoute, ForwardingMethod::Tunnel}) {
        const std::string before = state();
        ASSERT_OK(set_up(method, {"192.0.2.1", "2001:db8:1::1"}));
        EXPECT_NE(state(), before);

        ASSERT_OK(undo());

        EXPECT_EQ(state(), before);
        EXPECT_FALSE(undo()) << "there is nothing left to undo";
    }
}

TEST_F(FreshHost, UndoKeepsWhatTheOperatorHadSet) {
    ASSERT_OK(host_->set_sysctl("net.ipv4.conf.all.arp_ignore", "2"));
    ASSERT_OK(host_->run_checked(command("ip addr add 192.0.2.1/32 dev lo")));
    ASSERT_OK(host_->run_checked(command("tc qdisc add dev eth0 clsact")));
    const std::string before = state();

    ASSERT_OK(set_up(ForwardingMethod::Tunnel, {"192.0.2.1"}));
    ASSERT_OK(undo());

    EXPECT_EQ(state(), before);
}

TEST_F(FreshHost, ASecondCallAddsAVipAndUndoTakesBoth) {
    const std::string before = state();
    ASSERT_OK(set_up(ForwardingMethod::Tunnel, {"192.0.2.1"}));
    ASSERT_OK(set_up(ForwardingMethod::Tunnel, {"192.0.2.2"}));
    ASSERT_OK(set_up(ForwardingMethod::Tunnel, {"192.0.2.2"}));

    ASSERT_OK(undo());

    EXPECT_EQ(state(), before);
}

TEST_F(FreshHost, TunnelLoosensStrictReversePathFilteringAlone) {
    ASSERT_OK(host_->set_sysctl("net.ipv4.conf.eth0.rp_filter", "1"));
    ASSERT_OK(set_up(ForwardingMethod::Tunnel, {"192.0.2.1"}));

    EXPECT_EQ(host_->get_sysctl("net.ipv4.conf.eth0.rp_filter").value(), "2");
    EXPECT_THAT(told_, Contains("sysctl -w net.ipv4.conf.eth0.rp_filter=2"));
}

TEST_F(FreshHost, TunnelSaysWhatItLacksWithoutADefaultRoute) {
    ASSERT_OK(host_->run_checked(command("ip route del default")));

    const auto done = set_up(ForwardingMethod::Tunnel, {"192.0.2.1"});

    ASSERT_FALSE(done);
    EXPECT_THAT(done.error().context, HasSubstr("--interface"));
}

// The director's side of a tunnel, one packet of it.
class Tunnelled : public testing::Test {
protected:
    void SetUp() override {
        auto built = build_bare(ForwardingMethod::Tunnel, 1);
        ASSERT_TRUE(built) << built.error().context;
        lab_.emplace(std::move(*built));
    }

    // Whether an echo request to `vip`, tunnelled to rs1, is answered.
    bool is_answered(const net::IpAddress& vip, unsigned size = 84) {
        const net::Family family = vip.family();
        const net::IpAddress& real = lab_->plan().real_servers[0].of(family);
        const NetworkNamespace::Scope inside(lab_->node("director"));
        const auto route = find_route(real);
        EchoRequest request;
        request.interface = route.value().interface;
        request.to_mac = resolve(route->interface, route->next_hop(real)).value();
        request.source = lab_->plan().director.of(family);
        request.destination = vip;
        request.outer = OuterHeader{request.source, real};
        request.size = size;
        const auto answer = ask_echo(request);
        return answer.value().has_value();
    }

    std::optional<Laboratory> lab_;
};

TEST_F(Tunnelled, PacketsForTheVipComeOutOfTheirOuterHeader) {
    EXPECT_TRUE(is_answered(lab_->plan().vip.v4));
    EXPECT_TRUE(is_answered(lab_->plan().vip.v6));
    EXPECT_TRUE(is_answered(lab_->plan().vip.v4, 1500));
}

TEST_F(Tunnelled, PacketsForAnotherAddressDoNot) {
    ASSERT_OK(lab_->node("rs1").run_checked(command("ip addr add 192.0.2.77/32 dev lo")));

    EXPECT_FALSE(is_answered(address("192.0.2.77")));
}

TEST_F(Tunnelled, NothingComesOutAfterTheUndo) {
    {
        const NetworkNamespace::Scope inside(lab_->node("rs1"));
        ASSERT_OK(undo_real_server([](const std::string&, const std::string&) {}));
    }
    EXPECT_FALSE(is_answered(lab_->plan().vip.v4));
}

}  // namespace
}  // namespace xvs::lab
