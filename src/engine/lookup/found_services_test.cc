#include "engine/lookup/found_services.h"

#include <string>

#include <gtest/gtest.h>

#include "testing/director.h"
#include "testing/literals.h"

namespace xvs::test {
namespace {

using namespace xvs::test::literals;  // NOLINT(google-build-using-namespace): literals only

constexpr auto kClient = "198.51.100.7:40001"_ep;

// What a packet of its client's to that address and port is for.
template <class Ip>
flow::FlowKey<Ip> key_to(const net::Endpoint& destination,
                         model::Protocol protocol = model::Protocol::Tcp) {
    using Address = typename Ip::Address;
    return flow::FlowKey<Ip>::make(Address{},
                                   kClient.port,
                                   destination.address.as<Address>(),
                                   destination.port,
                                   static_cast<std::uint8_t>(protocol));
}

model::ServiceKey service_key(const net::Endpoint& vip) {
    return {
        .protocol = model::Protocol::Tcp, .address = vip.address, .port = vip.port, .fwmark = 0};
}

class FoundServicesTest : public ::testing::Test {
protected:
    engine::ServiceState* look_up(const net::Endpoint& vip,
                                  model::Protocol protocol = model::Protocol::Tcp,
                                  std::uint32_t fwmark = 0) {
        return services_.find_for_packet(fwmark, protocol, vip.address, vip.port);
    }

    Director director_{"-A -t 192.0.2.1:80 -s rr"};
    engine::Services& services_ = director_.engine.services();
    engine::FoundServices<flow::Ipv4> found_{services_};
};

TEST_F(FoundServicesTest, FindsAServiceAsLongAsItIsThere) {
    constexpr auto kVip = "192.0.2.1:80"_ep;
    const auto packet = key_to<flow::Ipv4>(kVip);
    ASSERT_NE(look_up(kVip), nullptr);
    EXPECT_EQ(found_.find(0, packet), look_up(kVip));
    EXPECT_EQ(found_.find(0, packet), look_up(kVip));
    ASSERT_TRUE(services_.remove_service(service_key(kVip)));
    EXPECT_EQ(found_.find(0, packet), nullptr);
    ASSERT_TRUE(director_.ipvsadm("-A -t 192.0.2.1:0 -s rr -p 60"));
    EXPECT_EQ(found_.find(0, packet), look_up(kVip));
    EXPECT_NE(found_.find(0, packet), nullptr) << "by the service of any port";
}

TEST_F(FoundServicesTest, TellsPacketsApartByAllThatServicesDifferIn) {
    constexpr auto kVip = "192.0.2.1:80"_ep;
    ASSERT_TRUE(
        director_.ipvsadm("-A -u 192.0.2.1:80 -s rr\n-A -f 7 -s rr\n-A -t 192.0.2.2:80 -s rr"));
    const auto tcp = key_to<flow::Ipv4>(kVip);
    const auto udp = key_to<flow::Ipv4>(kVip, model::Protocol::Udp);
    for (int turn = 0; turn < 2; ++turn) {
        EXPECT_EQ(found_.find(0, tcp), look_up(kVip));
        EXPECT_EQ(found_.find(7, tcp), look_up(kVip, model::Protocol::Tcp, 7));
        EXPECT_EQ(found_.find(0, udp), look_up(kVip, model::Protocol::Udp));
        EXPECT_EQ(found_.find(0, key_to<flow::Ipv4>("192.0.2.2:80"_ep)),
                  look_up("192.0.2.2:80"_ep));
        EXPECT_EQ(found_.find(0, key_to<flow::Ipv4>("192.0.2.1:81"_ep)), nullptr);
    }
    EXPECT_NE(found_.find(0, tcp), found_.find(7, tcp));
    EXPECT_NE(found_.find(0, tcp), found_.find(0, udp));
}

// More than it has places for; one in ten is a service's.
TEST_F(FoundServicesTest, FindsEachOfManyInTurn) {
    for (int port = 1000; port < 1300; port += 10)
        ASSERT_TRUE(director_.ipvsadm("-A -t 192.0.2.1:" + std::to_string(port) + " -s rr"));
    for (int turn = 0; turn < 2; ++turn) {
        for (std::uint16_t port = 1000; port < 1300; ++port) {
            const net::Endpoint vip{.address = ("192.0.2.1:80"_ep).address,
                                    .port = net::Port{port}};
            ASSERT_EQ(found_.find(0, key_to<flow::Ipv4>(vip)), look_up(vip)) << port;
            ASSERT_EQ(look_up(vip) != nullptr, port % 10 == 0);
        }
    }
}

TEST_F(FoundServicesTest, FindsServicesOfIpv6) {
    constexpr auto kVip = "[2001:db8::1]:80"_ep;
    ASSERT_TRUE(director_.ipvsadm("-A -t [2001:db8::1]:80 -s rr\n-A -t [2001:db8:1::1]:80 -s rr"));
    engine::FoundServices<flow::Ipv6> found(services_);
    constexpr auto kOther = "[2001:db8:1::1]:80"_ep;  // alike in its last word
    for (int turn = 0; turn < 2; ++turn) {
        EXPECT_EQ(found.find(0, key_to<flow::Ipv6>(kVip)), look_up(kVip));
        EXPECT_EQ(found.find(0, key_to<flow::Ipv6>(kOther)), look_up(kOther));
    }
    EXPECT_NE(look_up(kVip), look_up(kOther));
    EXPECT_NE(look_up(kVip), nullptr);
}

}  // namespace
}  // namespace xvs::test
