// Routes and neighbours followed live, in network namespaces of the test's own.
#include "host/kernel_router.h"

#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <string>

#include <linux/if_ether.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>
#include <unistd.h>

#include "base/byte_order.h"
#include "base/unique_fd.h"
#include "flow/storage.h"
#include "flow/tables.h"

namespace xvs::host {
namespace {

net::IpAddress address(const char* text) {
    return *net::IpAddress::parse(text);
}

// The time that passes, and what a test lets pass besides.
class MovableClock final : public Clock {
public:
    [[nodiscard]] Nanoseconds now() const noexcept override { return clock_.now() + ahead_; }

    void advance(Nanoseconds by) noexcept { ahead_ += by; }

private:
    MonotonicClock clock_;
    Nanoseconds ahead_{};
};

// The mirror's observer and the router behind it, as in xvsd.
class Follower final : public HostObserver {
public:
    KernelRouter* router = nullptr;
    int rounds = 0;  // of route changes

    void link_changed(const Link& link) override {
        if (router != nullptr) router->link_changed(link);
    }

    void link_gone(const Link& link) override { router->link_gone(link); }

    void neighbour_changed(const Neighbour& neighbour) override {
        if (router != nullptr) router->neighbour_changed(neighbour);
    }

    void neighbour_gone(const Neighbour& neighbour) override { router->neighbour_gone(neighbour); }

    void local_prefixes_changed(const std::set<net::Prefix>&) override {}

    void routes_changed(const RouteChanges& changes) override {
        if (router != nullptr) router->routes_changed(changes);
        ++rounds;
    }

    void filter_removed(std::uint32_t) override {}
};

class Router : public ::testing::Test {
protected:
    void SetUp() override {
        if (::unshare(CLONE_NEWNET) != 0) GTEST_SKIP() << "a network namespace needs root";
        // Both ends of the cable are here: what answers ARP is the same stack.
        run("ip link set lo up");
        run("ip link add wan type veth peer name lan");
        run("ip link set wan address 02:00:00:00:00:0a up");
        run("ip link set lan up");
        run("ip address add 10.0.0.1/24 dev wan");
        run("ip address add 2001:db8:a::1/64 dev wan nodad");
        run("ip route add 198.51.100.0/24 via 10.0.0.254");
        run("ip -6 route add 2001:db8:c::/64 via 2001:db8:a::fe");
        auto mirror = Mirror::open(follower_);
        ASSERT_TRUE(mirror) << mirror.error().context;
        mirror_ = std::move(*mirror);
        ASSERT_TRUE(mirror_->synchronize());
        auto tables = flow::Tables::create(storage_, flow::sizes_for(16), {1, 2});
        ASSERT_TRUE(tables) << tables.error().context;
        tables_ = std::move(*tables);
        auto router = KernelRouter::open(*mirror_, tables_->next_hops(), clock_, {3, 4});
        ASSERT_TRUE(router) << router.error().context;
        router_ = std::move(*router);
        follower_.router = router_.get();
    }

    static void run(const std::string& words) {
        ASSERT_EQ(std::system((words + " >/dev/null").c_str()), 0) << words;
    }

    // Takes events over until `condition` holds; false when it does not within a minute.
    template <class Condition>
    bool follow(Condition condition) {
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
        while (!condition()) {
            if (std::chrono::steady_clock::now() > deadline) return false;
            pollfd waiting{.fd = mirror_->fd(), .events = POLLIN, .revents = 0};
            if (::poll(&waiting, 1, 100) > 0) mirror_->on_readable();
        }
        return true;
    }

    const xvs_next_hop& hop(const engine::Route& route) {
        return tables_->next_hops()[route.next_hop];
    }

    bool is_resolved(const engine::Route& route) {
        return (hop(route).flags & XVS_HOP_RESOLVED) != 0;
    }

    Follower follower_;
    MovableClock clock_;
    flow::PrivateStorage storage_;
    std::unique_ptr<Mirror> mirror_;
    std::unique_ptr<flow::Tables> tables_;
    std::unique_ptr<KernelRouter> router_;
};

TEST_F(Router, FindsTheWayTheGatewayAndTheSource) {
    const auto route = router_->find_route(address("198.51.100.7"), {});
    EXPECT_EQ(route.kind, engine::RouteKind::Unicast);
    EXPECT_EQ(route.mtu, 1500U);
    EXPECT_EQ(route.source.to_string(), "10.0.0.1");
    EXPECT_EQ(hop(route).interface, mirror_->find_link("wan")->ifindex);
    EXPECT_EQ(net::Ipv4Address::load(reinterpret_cast<const std::byte*>(hop(route).gateway)),
              address("10.0.0.254").v4());
    const auto neighbour = router_->find_route(address("10.0.0.254"), {});
    EXPECT_EQ(neighbour.next_hop, route.next_hop);
    const auto route6 = router_->find_route(address("2001:db8:c::7"), {});
    EXPECT_EQ(route6.kind, engine::RouteKind::Unicast);
    EXPECT_EQ(hop(route6).family, 6);
}

TEST_F(Router, KnowsLocalBroadcastAndUnreachableAddresses) {
    EXPECT_EQ(router_->find_route(address("10.0.0.1"), {}).kind, engine::RouteKind::Local);
    EXPECT_TRUE(router_->is_local(address("10.0.0.1")));
    EXPECT_TRUE(router_->is_local(address("127.9.9.9")));
    EXPECT_FALSE(router_->is_local(address("10.0.0.2")));
    EXPECT_TRUE(router_->is_broadcast(address("10.0.0.255")));
    EXPECT_FALSE(router_->is_broadcast(address("10.0.0.2")));
    EXPECT_EQ(router_->find_route(address("203.0.113.1"), {}).kind, engine::RouteKind::Unreachable);
}

TEST_F(Router, FollowsARouteThatChanges) {
    const auto before = router_->find_route(address("198.51.100.7"), {});
    const std::uint32_t generation = hop(before).generation;
    run("ip route replace 198.51.100.0/24 via 10.0.0.253 mtu 1300");
    ASSERT_TRUE(follow([&] { return hop(before).generation != generation; }));
    const auto after = router_->find_route(address("198.51.100.7"), {});
    EXPECT_NE(after.next_hop, before.next_hop);
    EXPECT_EQ(after.mtu, 1300U);
    EXPECT_EQ(hop(after).mtu, 1300U);
    run("ip route del 198.51.100.0/24");
    ASSERT_TRUE(follow([&] {
        return router_->find_route(address("198.51.100.7"), {}).kind ==
               engine::RouteKind::Unreachable;
    }));
}

TEST_F(Router, KeepsWaysOfSeveralLengthsByOneGateway) {
    run("ip route add 198.51.100.7/32 via 10.0.0.254 mtu 1300");
    run("ip route add 198.51.100.8/32 via 10.0.0.254 mtu 9000");
    std::array<engine::Route, 3> routes;
    ASSERT_TRUE(follow([&] {
        for (std::size_t i = 0; i < routes.size(); ++i) {
            const std::string text = "198.51.100." + std::to_string(7 + i);
            routes[i] = router_->find_route(address(text.c_str()), {});
        }
        return routes[0].mtu == 1300;
    }));
    EXPECT_EQ(hop(routes[0]).mtu, 1300U);
    EXPECT_EQ(hop(routes[1]).mtu, 1500U) << "no longer than the link";
    EXPECT_NE(routes[0].next_hop, routes[2].next_hop);
    EXPECT_EQ(routes[1].next_hop, routes[2].next_hop);
    // Who the gateway is, all of them hear.
    run("ip neigh add 10.0.0.254 lladdr 02:00:00:00:00:fe dev wan nud reachable");
    EXPECT_TRUE(follow([&] { return is_resolved(routes[0]) && is_resolved(routes[2]); }));
    run("ip link set wan mtu 1200");
    EXPECT_TRUE(follow([&] { return hop(routes[0]).mtu == 1200 && hop(routes[2]).mtu == 1200; }));
    run("ip link set wan mtu 1500");
    EXPECT_TRUE(follow([&] { return hop(routes[0]).mtu == 1300 && hop(routes[2]).mtu == 1500; }));
    run("ip neigh del 10.0.0.254 dev wan");
    EXPECT_TRUE(follow([&] { return !is_resolved(routes[0]) && !is_resolved(routes[2]); }));
}

TEST_F(Router, LearnsAPathThatIsNarrowerThanTheLink) {
    const auto before = router_->find_route(address("198.51.100.7"), {});
    const std::uint32_t generation = hop(before).generation;
    const auto told = router_->learn_path_mtu(address("198.51.100.7"), 1400);
    EXPECT_EQ(told.before, 1500U);
    EXPECT_EQ(told.now, 1400U);
    EXPECT_FALSE(told.was_learned);
    EXPECT_NE(hop(before).generation, generation) << "who names it looks its way up again";
    const auto after = router_->find_route(address("198.51.100.7"), {});
    EXPECT_EQ(hop(after).mtu, 1400U);
    EXPECT_EQ(router_->find_route(address("198.51.100.8"), {}).next_hop, before.next_hop);
    // It gets no wider by being told so.
    EXPECT_EQ(router_->learn_path_mtu(address("198.51.100.7"), 1450).now, 1400U);
    EXPECT_TRUE(router_->learn_path_mtu(address("198.51.100.7"), 1450).was_learned);
    EXPECT_EQ(router_->learn_path_mtu(address("2001:db8:c::7"), 1300).now, 1300U);
}

TEST_F(Router, TriesANarrowPathAgainAfterTenMinutes) {
    (void)router_->learn_path_mtu(address("198.51.100.7"), 1400);
    const auto narrow = router_->find_route(address("198.51.100.7"), {});
    const std::uint32_t generation = hop(narrow).generation;
    clock_.advance(std::chrono::minutes(9));
    router_->forget_old_paths();
    EXPECT_EQ(router_->find_route(address("198.51.100.7"), {}).mtu, 1400U);
    EXPECT_EQ(hop(narrow).generation, generation);
    clock_.advance(std::chrono::minutes(1));
    router_->forget_old_paths();
    EXPECT_NE(hop(narrow).generation, generation) << "who names it looks its way up again";
    EXPECT_EQ(router_->find_route(address("198.51.100.7"), {}).mtu, 1500U);
}

TEST_F(Router, TakesAnotherRouteForAnotherPath) {
    (void)router_->learn_path_mtu(address("198.51.100.7"), 1400);
    (void)router_->learn_path_mtu(address("10.0.0.77"), 1400);
    run("ip route replace 198.51.100.0/24 via 10.0.0.253");
    EXPECT_TRUE(
        follow([&] { return router_->find_route(address("198.51.100.7"), {}).mtu == 1500; }));
    EXPECT_EQ(router_->find_route(address("10.0.0.77"), {}).mtu, 1400U) << "another one's";
}

TEST_F(Router, WritesANeighboursAddressInPlace) {
    const auto route = router_->find_route(address("198.51.100.7"), {});
    EXPECT_FALSE(is_resolved(route));
    run("ip neigh add 10.0.0.254 lladdr 02:00:00:00:00:fe dev wan nud reachable");
    ASSERT_TRUE(follow([&] { return is_resolved(route); }));
    EXPECT_EQ(hop(route).mac_destination[5], 0xfe);
    EXPECT_EQ(hop(route).mac_source[5], 0x0a);
    const std::uint32_t generation = hop(route).generation;
    run("ip neigh change 10.0.0.254 lladdr 02:00:00:00:00:fd dev wan nud reachable");
    ASSERT_TRUE(follow([&] { return hop(route).mac_destination[5] == 0xfd; }));
    EXPECT_EQ(hop(route).generation, generation);
    run("ip neigh del 10.0.0.254 dev wan");
    ASSERT_TRUE(follow([&] { return !is_resolved(route); }));
}

TEST_F(Router, AsksLinuxForANeighbour) {
    const auto route = router_->find_route(address("198.51.100.7"), {});
    router_->resolve(route.next_hop);
    ASSERT_TRUE(follow([&] {
        return mirror_->find_neighbour(hop(route).interface, address("10.0.0.254")) != nullptr;
    }));
}

TEST_F(Router, ConfirmsANeighbourThatGrowsStale) {
    run("sysctl -qw net.ipv4.neigh.wan.delay_first_probe_time=1");
    const auto route = router_->find_route(address("198.51.100.7"), {});
    run("ip neigh add 10.0.0.254 lladdr 02:00:00:00:00:fe dev wan nud stale");
    // Linux waits that long for other news (DELAY), then asks.
    EXPECT_TRUE(follow([&] {
        const auto* neighbour =
            mirror_->find_neighbour(hop(route).interface, address("10.0.0.254"));
        return neighbour != nullptr && !neighbour->is_stale() && neighbour->is_resolved();
    }));
}

TEST_F(Router, GivesUpWhatLeavesByAnInterfaceThatGoes) {
    const auto route = router_->find_route(address("198.51.100.7"), {});
    const std::uint32_t generation = hop(route).generation;
    run("ip link del wan");
    EXPECT_TRUE(follow([&] { return mirror_->find_link("wan") == nullptr; }));
    EXPECT_FALSE(tables_->next_hops().is_current(route.next_hop, generation));
    EXPECT_EQ(router_->find_route(address("198.51.100.7"), {}).kind,
              engine::RouteKind::Unreachable);
    EXPECT_FALSE(router_->is_local(address("10.0.0.1")));
}

TEST_F(Router, TakesANewMacAddressOfAnInterface) {
    run("ip neigh add 10.0.0.254 lladdr 02:00:00:00:00:fe dev wan nud permanent");
    const auto route = router_->find_route(address("198.51.100.7"), {});
    run("ip link set wan down");
    run("ip link set wan address 02:00:00:00:00:0c");
    EXPECT_TRUE(
        follow([&] { return mirror_->find_link("wan")->mac.bytes()[5] == std::byte{0x0c}; }));
    EXPECT_TRUE(!is_resolved(route) || hop(route).mac_source[5] == 0x0c);
}

TEST_F(Router, FollowsTheSourceRulesOfPolicyRouting) {
    run("ip address add 192.0.2.1/32 dev wan");
    run("ip route add default via 10.0.0.252 table 100");
    run("ip rule add from 192.0.2.1 table 100");
    ASSERT_TRUE(follow([&] {
        return router_->find_route(address("203.0.113.1"), address("192.0.2.1")).kind ==
               engine::RouteKind::Unicast;
    }));
    EXPECT_EQ(router_->find_route(address("203.0.113.1"), {}).kind, engine::RouteKind::Unreachable);
    // A source that is not the host's own does not stand in the way.
    EXPECT_EQ(router_->find_route(address("198.51.100.7"), address("203.0.113.9")).kind,
              engine::RouteKind::Unicast);
}

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

// A veth whose other end is in the network namespace of a process of the test's own.
class PeerElsewhere : public Router {
protected:
    void SetUp() override {
        Router::SetUp();
        if (IsSkipped()) return;
        int ready[2];
        ASSERT_EQ(::pipe(ready), 0);
        other_ = ::fork();
        if (other_ == 0) {
            const bool is_apart = ::unshare(CLONE_NEWNET) == 0;
            if (!is_apart || ::write(ready[1], "x", 1) != 1) ::_exit(1);
            ::alarm(60);
            while (true)
                ::pause();
        }
        char byte = 0;
        ASSERT_EQ(::read(ready[0], &byte, 1), 1);
        ::close(ready[0]);
        ::close(ready[1]);
    }

    void TearDown() override {
        if (other_ > 0) {
            ::kill(other_, SIGKILL);
            ::waitpid(other_, nullptr, 0);
        }
    }

    void move_peer() {
        run("ip link set lan netns " + std::to_string(other_));
        ASSERT_TRUE(follow([&] { return mirror_->find_link("wan")->has_peer_elsewhere(); }));
    }

    bool uses_peer() {
        const auto route = router_->find_route(address("10.0.0.11"), {});
        return (hop(route).flags & XVS_HOP_PEER) != 0;
    }

    std::uint32_t wan() { return mirror_->find_link("wan")->ifindex; }

private:
    pid_t other_ = 0;
};

TEST_F(PeerElsewhere, IsUsedWhereItIsWantedAndInAnotherNamespace) {
    router_->set_peer_redirect(PeerRedirect::On, {});
    EXPECT_FALSE(uses_peer()) << "both ends are here";
    move_peer();
    EXPECT_TRUE(uses_peer());
    router_->set_peer_redirect(PeerRedirect::Off, {});
    EXPECT_FALSE(uses_peer());
}

TEST_F(PeerElsewhere, IsNotUsedWhileSomebodyListens) {
    move_peer();
    router_->set_peer_redirect(PeerRedirect::Auto, {});
    EXPECT_TRUE(uses_peer());
    router_->set_peer_redirect(PeerRedirect::Auto, {.is_on_all = false, .interfaces = {wan()}});
    EXPECT_FALSE(uses_peer());
    router_->set_peer_redirect(PeerRedirect::Auto, {.is_on_all = true, .interfaces = {}});
    EXPECT_FALSE(uses_peer());
    router_->set_peer_redirect(PeerRedirect::On, {.is_on_all = true, .interfaces = {}});
    EXPECT_TRUE(uses_peer());
    router_->set_peer_redirect(PeerRedirect::Auto, {.is_on_all = false, .interfaces = {wan() + 9}});
    EXPECT_TRUE(uses_peer());
}

TEST_F(PeerElsewhere, IsNotUsedOfAPromiscuousInterface) {
    move_peer();
    router_->set_peer_redirect(PeerRedirect::Auto, {});
    EXPECT_TRUE(uses_peer());
    run("ip link set wan promisc on");
    EXPECT_TRUE(follow([&] { return !uses_peer(); }));
    run("ip link set wan promisc off");
    EXPECT_TRUE(follow([&] { return uses_peer(); }));
}

TEST_F(PeerElsewhere, SeesASocketThatListens) {
    const UniqueFd socket(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, to_wire16(ETH_P_ALL)));
    ASSERT_TRUE(socket.is_open());
    const auto taps = find_taps();
    ASSERT_TRUE(taps) << taps.error().context;
    EXPECT_TRUE(taps->is_on_all);
}

}  // namespace
}  // namespace xvs::host
