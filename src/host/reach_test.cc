#include "host/reach.h"

#include <vector>

#include <gtest/gtest.h>

namespace xvs::host {
namespace {

net::IpAddress address(const char* text) {
    return *net::IpAddress::parse(text);
}

net::Prefix prefix(const char* text, std::uint8_t length) {
    return net::Prefix::of(address(text), length);
}

TEST(Reach, OfNothingIsNothing) {
    const Reach reach(4);
    EXPECT_FALSE(reach.may_reach(1, prefix("0.0.0.0", 0)));
    EXPECT_FALSE(reach.may_reach(1, prefix("::", 0)));
}

TEST(Reach, OfOneAddressIsThatAlone) {
    Reach reach(4);
    reach.add(1, address("10.0.0.11"));
    EXPECT_TRUE(reach.may_reach(1, prefix("10.0.0.11", 32)));
    EXPECT_TRUE(reach.may_reach(1, prefix("10.0.0.0", 8)));
    EXPECT_TRUE(reach.may_reach(1, prefix("0.0.0.0", 0)));
    EXPECT_FALSE(reach.may_reach(1, prefix("10.0.0.12", 32)));
    EXPECT_FALSE(reach.may_reach(1, prefix("10.1.0.0", 16)));
    EXPECT_FALSE(reach.may_reach(1, prefix("::", 0)));
    EXPECT_FALSE(reach.may_reach(2, prefix("0.0.0.0", 0)));
}

TEST(Reach, OfNeighboursIsWhatTheyHaveInCommon) {
    Reach reach(4);
    reach.add(1, address("10.0.0.9"));
    reach.add(1, address("10.0.0.14"));
    EXPECT_TRUE(reach.may_reach(1, prefix("10.0.0.10", 32)));
    EXPECT_FALSE(reach.may_reach(1, prefix("10.0.0.16", 28)));
}

TEST(Reach, OfDistantAddressesIsTheirNetworks) {
    Reach reach(4);
    reach.add(1, address("198.51.100.7"));
    reach.add(1, address("203.0.113.7"));
    reach.add(1, address("8.8.8.8"));
    for (const char* network : {"198.51.0.0", "203.0.0.0", "8.8.0.0"})
        EXPECT_TRUE(reach.may_reach(1, prefix(network, 16))) << network;
    EXPECT_FALSE(reach.may_reach(1, prefix("192.0.2.1", 32)));
    EXPECT_TRUE(reach.may_reach(1, prefix("8.0.0.0", 8)));
    EXPECT_FALSE(reach.may_reach(1, prefix("10.0.0.0", 8)));
    EXPECT_TRUE(reach.may_reach(1, prefix("0.0.0.0", 0)));
}

TEST(Reach, KnowsNetworksOfIpv6Too) {
    Reach reach(4);
    reach.add(1, address("2001:db8:1::7"));
    reach.add(1, address("2620:fe::9"));
    EXPECT_TRUE(reach.may_reach(1, prefix("2001:db8:1:5::", 64)));
    EXPECT_TRUE(reach.may_reach(1, prefix("2620:fe::1", 128)));
    EXPECT_FALSE(reach.may_reach(1, prefix("2001:db8:2::1", 128)));
    EXPECT_TRUE(reach.may_reach(1, prefix("2001:db8::", 32)));
    EXPECT_FALSE(reach.may_reach(1, prefix("0.0.0.0", 0)));
}

TEST(Reach, IsForgotten) {
    Reach reach(4);
    reach.add(1, address("198.51.100.7"));
    reach.add(1, address("8.8.8.8"));
    reach.clear(1);
    EXPECT_FALSE(reach.may_reach(1, prefix("0.0.0.0", 0)));
    reach.add(1, address("9.9.9.9"));
    reach.add(1, address("10.0.0.1"));
    EXPECT_FALSE(reach.may_reach(1, prefix("8.8.8.8", 32)));
}

// Where no room is left to remember networks, the answer is yes rather than wrong.
TEST(Reach, OfMoreGatewaysThanThereIsRoomFor) {
    constexpr std::uint32_t kNextHops = Reach::kWide + 8;
    Reach reach(kNextHops);
    for (std::uint32_t index = 0; index < kNextHops; ++index) {
        reach.add(index, address("198.51.100.7"));
        reach.add(index, address("8.8.8.8"));
    }
    for (std::uint32_t index = 0; index < kNextHops; ++index) {
        EXPECT_TRUE(reach.may_reach(index, prefix("8.8.0.0", 16)));
        EXPECT_EQ(reach.may_reach(index, prefix("192.0.2.1", 32)), index >= Reach::kWide);
    }
}

// Never a false no, whatever is added.
TEST(Reach, HoldsEveryAddressThatWasAdded) {
    Reach reach(1);
    std::vector<net::IpAddress> added;
    std::uint32_t number = 12345;
    for (int i = 0; i < 300; ++i) {
        number = number * 1664525U + 1013904223U;
        added.emplace_back(net::Ipv4Address(number));
        reach.add(0, added.back());
        for (const net::IpAddress& each : added) {
            for (std::uint8_t length = 0; length <= 32; ++length)
                ASSERT_TRUE(reach.may_reach(0, net::Prefix::of(each, length)))
                    << each.to_string() << '/' << unsigned{length};
        }
    }
}

}  // namespace
}  // namespace xvs::host
