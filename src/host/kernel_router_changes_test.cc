// Routes that come and go, and which ways a change concerns.
#include <array>

#include "host/kernel_router_fixture_test.h"

namespace xvs::host {
namespace {

// A route to somewhere else, then whether a way that was known is still taken for right.
class RouteEvent : public Router {
protected:
    void SetUp() override {
        Router::SetUp();
        if (IsSkipped()) return;
        run("ip route add default via 10.0.0.252");
        run("ip -6 route add default via 2001:db8:a::fc");
        ASSERT_TRUE(follow([&] {
            return router_->find_route(address("8.8.8.8"), {}).kind == engine::RouteKind::Unicast;
        }));
        // A gateway to clients far apart, in both families, and a neighbour.
        wide_ = router_->find_route(address("8.8.8.8"), {});
        static_cast<void>(router_->find_route(address("203.0.113.9"), {}));
        wide6_ = router_->find_route(address("2620:fe::9"), {});
        static_cast<void>(router_->find_route(address("2a00:1450::7"), {}));
        narrow_ = router_->find_route(address("10.0.0.11"), {});
        settle();
    }

    void settle() {
        take_all_events();
        // The generations that nothing but the next event changes.
        static_cast<void>(router_->find_route(address("8.8.8.8"), {}));
        static_cast<void>(router_->find_route(address("203.0.113.9"), {}));
        static_cast<void>(router_->find_route(address("2620:fe::9"), {}));
        static_cast<void>(router_->find_route(address("2a00:1450::7"), {}));
        static_cast<void>(router_->find_route(address("10.0.0.11"), {}));
        generations_ = {hop(wide_).generation, hop(wide6_).generation, hop(narrow_).generation};
    }

    // Until none comes for a while.
    void take_all_events() {
        pollfd waiting{.fd = mirror_->fd(), .events = POLLIN, .revents = 0};
        while (::poll(&waiting, 1, 50) > 0)
            mirror_->on_readable();
    }

    // Runs the command, takes its events over and returns which ways are no longer taken for right:
    // "wide wide6 narrow".
    std::string stale_after(const std::string& words) {
        const std::uint64_t questions = router_->questions();
        const int rounds = follower_.rounds;
        run(words);
        EXPECT_TRUE(follow([&] { return follower_.rounds > rounds; })) << words;
        take_all_events();
        EXPECT_EQ(router_->questions(), questions) << "an event asks Linux for nothing";
        std::string stale;
        if (hop(wide_).generation != generations_[0]) stale += "wide ";
        if (hop(wide6_).generation != generations_[1]) stale += "wide6 ";
        if (hop(narrow_).generation != generations_[2]) stale += "narrow ";
        settle();
        return stale;
    }

private:
    engine::Route wide_;
    engine::Route wide6_;
    engine::Route narrow_;
    std::array<std::uint32_t, 3> generations_{};
};

TEST_F(RouteEvent, LeavesWaysAloneThatItDoesNotConcern) {
    EXPECT_EQ(stale_after("ip address add 192.0.2.50/32 dev wan"), "");
    EXPECT_EQ(stale_after("ip -6 address add 2001:db8:9::50/128 dev wan nodad"), "");
    EXPECT_EQ(stale_after("ip route add 172.16.0.0/12 via 10.0.0.253"), "");
    EXPECT_EQ(stale_after("ip -6 route add 2001:db8:7:7::/64 via 2001:db8:a::fd"), "");
    EXPECT_EQ(stale_after("ip link add other type veth peer name end"), "");
    EXPECT_EQ(stale_after("ip link set other up"), "");
    EXPECT_EQ(stale_after("ip link set end up"), "");
    EXPECT_EQ(stale_after("ip address add 172.31.0.1/16 dev other"), "");
    EXPECT_EQ(stale_after("ip link set wan mtu 1400"), "");
}

TEST_F(RouteEvent, ConcernsTheWaysOfItsDestinations) {
    EXPECT_EQ(stale_after("ip route add 203.0.113.0/24 via 10.0.0.253"), "wide ");
    EXPECT_EQ(stale_after("ip route add 10.0.0.8/29 via 10.0.0.253"), "narrow ");
    EXPECT_EQ(stale_after("ip -6 route add 2620:fe::/48 via 2001:db8:a::fd"), "wide6 ");
    EXPECT_EQ(stale_after("ip route del 203.0.113.0/24"), "") << "it has become another's";
    EXPECT_EQ(stale_after("ip route del 10.0.0.8/29"), "");
    EXPECT_EQ(stale_after("ip route change default via 10.0.0.251"), "wide narrow ");
}

TEST_F(RouteEvent, ThatTellsNoDestinationConcernsThemAll) {
    EXPECT_EQ(stale_after("ip rule add from 192.0.2.1 table 100"), "wide wide6 narrow ");
    run("ip address add 192.0.2.50/32 dev wan");
    settle();
    EXPECT_EQ(stale_after("ip address del 192.0.2.50/32 dev wan"), "wide wide6 narrow ");
    run("ip link add other type veth peer name end");
    run("ip link set other up");
    run("ip link set end up");
    settle();
    EXPECT_EQ(stale_after("ip link set other down"), "") << "no way leads by it";
    EXPECT_EQ(stale_after("ip link set other up"), "wide wide6 narrow ") << "some may return";
}

TEST_F(Router, TakesTheNewDefaultRoute) {
    run("ip route add default via 10.0.0.252");
    ASSERT_TRUE(follow([&] {
        return router_->find_route(address("203.0.113.7"), {}).kind == engine::RouteKind::Unicast;
    }));
    const auto before = router_->find_route(address("203.0.113.7"), {});
    const std::uint32_t generation = hop(before).generation;
    run("ip route replace default via 10.0.0.251");
    ASSERT_TRUE(follow([&] { return hop(before).generation != generation; }));
    const auto after = router_->find_route(address("203.0.113.7"), {});
    EXPECT_EQ(net::Ipv4Address::load(reinterpret_cast<const std::byte*>(hop(after).gateway)),
              address("10.0.0.251").v4());
}

TEST_F(Router, FindsTheWayByAnInterfaceThatIsMadeAgain) {
    const auto before = router_->find_route(address("198.51.100.7"), {});
    const std::uint32_t old = hop(before).interface;
    const std::uint32_t generation = hop(before).generation;
    run("ip link del wan");
    run("ip link add wan type veth peer name lan");
    run("ip link set wan up");
    run("ip link set lan up");
    run("ip address add 10.0.0.1/24 dev wan");
    run("ip route add 198.51.100.0/24 via 10.0.0.254");
    ASSERT_TRUE(follow([&] {
        const auto route = router_->find_route(address("198.51.100.7"), {});
        return mirror_->find_link(old) == nullptr && route.kind == engine::RouteKind::Unicast;
    }));
    const auto after = router_->find_route(address("198.51.100.7"), {});
    EXPECT_FALSE(tables_->next_hops().is_current(before.next_hop, generation));
    EXPECT_NE(hop(after).interface, old);
    EXPECT_EQ(hop(after).interface, mirror_->find_link("wan")->ifindex);
}

}  // namespace
}  // namespace xvs::host
