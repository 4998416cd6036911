// What a change of routes, neighbours and interfaces costs a director with 100,000 connections, and
// that the next packet of each goes the right way. Work is counted, not timed.
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/director.h"

namespace xvs::test {
namespace {

using namespace literals;  // NOLINT(google-build-using-namespace): literals only

constexpr auto kVip = "192.0.2.1:53"_ep;
constexpr auto kReal = "10.0.0.11:5353"_ep;
constexpr const TestHost& kRouter = *find_host("client");  // strangers' packets go to it
constexpr const TestHost& kOtherRouter = *find_host("client2");
constexpr const TestHost& kServer = *find_host("real1");
constexpr const TestHost& kOtherServer = *find_host("real2");
constexpr std::uint32_t kConnections = 100'000;
constexpr std::uint32_t kClients = 100;

// Strangers behind the client's side, many connections each.
net::Endpoint client(std::uint32_t number) {
    return {.address = net::Ipv4Address(0xcb007100U + number % kClients),  // 203.0.113.0/24
            .port = net::Port{static_cast<std::uint16_t>(1024 + number / kClients)}};
}

class RouteChange : public ::testing::Test {
protected:
    explicit RouteChange(const std::string& server)
        : director("-A -u 192.0.2.1:53 -s rr\n-a -u 192.0.2.1:53 -r " + server, 2 * kConnections) {
        for (std::uint32_t i = 0; i < kConnections; ++i)
            begin(i);
    }

    // While the table grows, one in 200,000 finds no room at first and asks again, as clients do.
    void begin(std::uint32_t number) {
        for (int attempt = 0; attempt < 1000; ++attempt) {
            if (request(number) != "0 packets") return;
            director.advance(std::chrono::milliseconds(10));
        }
    }

    // To whom the packet went, "" where it went nowhere.
    std::string request(std::uint32_t number) {
        return receiver(director.receives(Packet::udp(client(number), kVip)));
    }

    std::string reply(std::uint32_t number) {
        return receiver(director.hears(Packet::udp(kReal, client(number))));
    }

    static std::string receiver(const std::vector<Sent>& sent) {
        return sent.size() == 1 ? sent.front().to : std::to_string(sent.size()) + " packets";
    }

    // Of a side's interface, whatever its number is.
    static testing::FakeRouter::Interface interface_named(std::uint32_t index, Side side) {
        return {.index = index, .mac = director_link(side).mac, .mtu = kDefaultMtu};
    }

    void move_route(const net::IpAddress& destination,
                    const testing::FakeRouter::Interface& interface,
                    const TestHost& neighbour) {
        director.router.remove_route(destination);
        director.router.add_route(
            destination, interface, neighbour.mac, director_link(neighbour.side).v4);
    }

    void expect_every_request_at(std::string_view host) {
        for (std::uint32_t i = 0; i < kConnections; ++i)
            ASSERT_EQ(request(i), host) << "connection " << i;
    }

    void expect_every_reply_at(std::string_view host) {
        for (std::uint32_t i = 0; i < kConnections; ++i)
            ASSERT_EQ(reply(i), host) << "connection " << i;
    }

    // What the ways of packets have cost since it was asked last.
    std::uint64_t lookups() {
        const std::uint64_t before = std::exchange(looked_up_, director.router.lookups());
        return director.router.lookups() - before;
    }

    Director director;

private:
    std::uint64_t looked_up_ = 0;
};

class NatRouteChange : public RouteChange {
protected:
    NatRouteChange() : RouteChange("10.0.0.11:5353 -m") {
        for (std::uint32_t i = 0; i < kConnections; ++i)
            (void)reply(i);
    }
};

TEST_F(NatRouteChange, ToARealServerIsFoundOutByOneRequestForAllConnections) {
    const std::uint32_t translations = director.tables->translations().size();
    (void)lookups();
    move_route("10.0.0.11"_ip, interface_named(2, Side::Real), kOtherServer);
    expect_every_request_at("real2");
    EXPECT_EQ(lookups(), 1U);
    EXPECT_EQ(director.tables->translations().size(), translations);
    EXPECT_EQ(director.inconsistencies(), "");
}

TEST_F(NatRouteChange, OfTheDefaultRouteTakesEveryReplyTheNewWay) {
    (void)lookups();
    move_route(kRouter.v4, interface_named(1, Side::Client), kOtherRouter);
    expect_every_reply_at("client2");
    EXPECT_EQ(lookups(), kConnections) << "each client has a way of its own, looked up once";
    expect_every_reply_at("client2");
    EXPECT_EQ(lookups(), 0U);
    expect_every_request_at("real1");
    EXPECT_EQ(lookups(), 0U);
    EXPECT_EQ(director.inconsistencies(), "");
}

TEST_F(NatRouteChange, TakesRepliesTheirOwnWaysThatTookTheSameBefore) {
    const net::IpAddress apart = client(5).address;
    director.router.add_route(apart,
                              interface_named(1, Side::Client),
                              find_host("client3")->mac,
                              director_link(Side::Client).v4);
    move_route(kRouter.v4, interface_named(1, Side::Client), kOtherRouter);
    for (std::uint32_t i = 0; i < kConnections; ++i) {
        ASSERT_EQ(reply(i), client(i).address == apart ? "client3" : "client2") << i;
    }
}

TEST_F(NatRouteChange, OfARoutersMacAddressNeedsNoLookUp) {
    (void)lookups();
    const std::uint32_t hop = director.router.next_hop_of(kRouter.v4);
    director.tables->next_hops().resolve(hop, kOtherRouter.mac, director_link(Side::Client).mac);
    expect_every_reply_at("client2");
    EXPECT_EQ(lookups(), 0U);
}

TEST_F(NatRouteChange, OfAnInterfaceThatIsMadeAgain) {
    director.router.remove_defaults();
    director.router.remove_route("10.0.0.11"_ip);
    EXPECT_EQ(request(0), "0 packets");
    EXPECT_THAT(director.drops(),
                ::testing::Contains(::testing::Pair(engine::DropReason::NoRoute, 1U)));
    director.router.add_route(
        "10.0.0.11"_ip, interface_named(7, Side::Real), kServer.mac, director_link(Side::Real).v4);
    (void)lookups();
    expect_every_request_at("real1");
    EXPECT_EQ(lookups(), 1U);
    EXPECT_EQ(director.inconsistencies(), "");
}

TEST_F(NatRouteChange, IsFoundOutByANewConnectionForTheOldOnesToo) {
    move_route("10.0.0.11"_ip, interface_named(2, Side::Real), kOtherServer);
    const std::uint32_t translations = director.tables->translations().size();
    EXPECT_EQ(receiver(director.receives(Packet::udp("198.51.100.7:4000"_ep, kVip))), "real2");
    (void)lookups();
    expect_every_request_at("real2");
    EXPECT_EQ(lookups(), 0U);
    EXPECT_EQ(director.tables->translations().size(), translations);
}

class TunnelRouteChange : public RouteChange {
protected:
    TunnelRouteChange() : RouteChange("10.0.0.11 -i") {}
};

TEST_F(TunnelRouteChange, IsFoundOutByOneRequestWhereTheOuterSourceStays) {
    (void)lookups();
    move_route("10.0.0.11"_ip, interface_named(2, Side::Real), kOtherServer);
    expect_every_request_at("real2");
    EXPECT_EQ(lookups(), 1U);
}

TEST_F(TunnelRouteChange, GivesEveryConnectionTheNewOuterSource) {
    director.router.remove_route("10.0.0.11"_ip);
    director.router.add_route(
        "10.0.0.11"_ip, interface_named(2, Side::Real), kServer.mac, "10.0.0.2"_ip);
    for (std::uint32_t i = 0; i < kConnections; ++i) {
        const auto sent = director.receives(Packet::udp(client(i), kVip));
        ASSERT_EQ(sent.size(), 1U);
        ASSERT_EQ(net::Ipv4Address::load(sent[0].packet.data() + 12), "10.0.0.2"_ip.v4()) << i;
    }
    EXPECT_EQ(director.inconsistencies(), "");
}

}  // namespace
}  // namespace xvs::test
