// Where packets go, by which way, and who the neighbours there are.
#include <array>

#include "host/kernel_router_fixture_test.h"

namespace xvs::host {
namespace {

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
    EXPECT_FALSE(router_->is_broadcast(address("10.0.0.255")));
}

TEST_F(Router, KeepsAnAddressOfTwoInterfacesUntilBothHaveLostIt) {
    run("ip address add 192.0.2.9/24 dev wan");
    run("ip address add 192.0.2.9/24 dev lo");
    ASSERT_TRUE(follow([&] { return router_->is_local(address("192.0.2.9")); }));
    ASSERT_TRUE(follow([&] { return router_->is_broadcast(address("192.0.2.255")); }));
    const int rounds = follower_.rounds;
    run("ip address del 192.0.2.9/24 dev wan");
    ASSERT_TRUE(follow([&] { return follower_.rounds > rounds; }));
    EXPECT_TRUE(router_->is_local(address("192.0.2.9")));
    EXPECT_TRUE(router_->is_broadcast(address("192.0.2.255")));
    run("ip address del 192.0.2.9/24 dev lo");
    EXPECT_TRUE(follow([&] { return !router_->is_local(address("192.0.2.9")); }));
    EXPECT_TRUE(follow([&] { return !router_->is_broadcast(address("192.0.2.255")); }));
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

}  // namespace
}  // namespace xvs::host
