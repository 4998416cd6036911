#include "host/messages.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include <gtest/gtest.h>

namespace xvs::host {
namespace {

// A message as rtnetlink sent it, from its bytes in hexadecimal, at an address a header may stand
// at.
class Recorded {
public:
    explicit Recorded(std::string_view hex) {
        const auto digit = [](char c) {
            return static_cast<unsigned>(c <= '9' ? c - '0' : c - 'a' + 10);
        };
        for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
            bytes()[size_++] = static_cast<unsigned char>(digit(hex[i]) << 4 | digit(hex[i + 1]));
    }

    [[nodiscard]] nlmsghdr& message() { return *reinterpret_cast<nlmsghdr*>(bytes()); }

    // The first `size` bytes alone, as if the message were that long.
    [[nodiscard]] const nlmsghdr& cut(std::size_t size) {
        message().nlmsg_len = static_cast<std::uint32_t>(size);
        return message();
    }

    [[nodiscard]] std::size_t size() const { return size_; }

private:
    [[nodiscard]] unsigned char* bytes() { return reinterpret_cast<unsigned char*>(words_.data()); }

    std::vector<std::uint64_t> words_ = std::vector<std::uint64_t>(1024);
    std::size_t size_ = 0;
};

constexpr std::string_view kVethInBridge =
    "6000000010000200010000007c1b0000000001000400000043100100000000000700030070310000"
    "080004007805000008000a00020000000a00010002000000000100001c0012000900010076657468"
    "000000000b0004006272696467650000";
constexpr std::string_view kBridge =
    "4c00000010000200010000007c1b0000000001000200000043100100000000000800030062723000"
    "08000400780500000a0001000200000000010000100012000b0001006272696467650000";
constexpr std::string_view kTun =
    "4000000010000200010000007c1b00000000feff0500000091100000000000000900030074756e30"
    "0000000008000400dc0500000c0012000800010074756e00";
constexpr std::string_view kNeighbour4 =
    "4c0000001c000200010000007c1b0000020000000200000080000001080001000a00000b0a000200"
    "02000000000b000008000400000000001400030019000000190000001900000000000000";
constexpr std::string_view kNeighbourFailed6 =
    "4c0000001c000200010000007c1b00000a00000002000000200000011400010020010db800000000"
    "000000000000000b08000400000000001400030088170000180000001800000000000000";
constexpr std::string_view kRouteByGateway =
    "5000000018000200010000007c1b000002180000fe0300010000000008000f00fe00000008000100"
    "c63364000c0008000800020014050000080007000a000001080005000a00000b0800040002000000";
constexpr std::string_view kRouteVia6 =
    "4c00000018000200010000007c1b000002180000fe0300010000000008000f00fe00000008000100"
    "cb007100160012000a0020010db800000000000000000000000b00000800040002000000";

TEST(Messages, ReadALink) {
    const auto link = parse_link(Recorded(kVethInBridge).message());
    ASSERT_TRUE(link);
    EXPECT_EQ(link->name, "p1");
    EXPECT_EQ(link->kind, "veth");
    EXPECT_EQ(link->master_kind, "bridge");
    EXPECT_EQ(link->mac.to_string(), "02:00:00:00:00:01");
    EXPECT_EQ(link->mtu, 1400U);
    EXPECT_TRUE(link->is_up());
    EXPECT_TRUE(link->has_link_header());
    EXPECT_FALSE(link->is_layer3());
}

TEST(Messages, SayThatABridgeReceivesForItsPorts) {
    const auto link = parse_link(Recorded(kBridge).message());
    ASSERT_TRUE(link);
    EXPECT_EQ(link->kind, "bridge");
    EXPECT_TRUE(link->is_layer3());
    EXPECT_TRUE(link->has_neighbours());
}

TEST(Messages, ReadATunnelWithoutLinkHeaders) {
    const auto link = parse_link(Recorded(kTun).message());
    ASSERT_TRUE(link);
    EXPECT_EQ(link->kind, "tun");
    EXPECT_FALSE(link->has_link_header());
    EXPECT_TRUE(link->is_layer3());
    EXPECT_FALSE(link->has_neighbours());
}

TEST(Messages, ReadANeighbour) {
    const auto neighbour = parse_neighbour(Recorded(kNeighbour4).message());
    ASSERT_TRUE(neighbour);
    EXPECT_EQ(neighbour->address.to_string(), "10.0.0.11");
    EXPECT_EQ(neighbour->mac.to_string(), "02:00:00:00:00:0b");
    EXPECT_TRUE(neighbour->is_resolved());
    EXPECT_FALSE(neighbour->is_stale());
    const auto failed = parse_neighbour(Recorded(kNeighbourFailed6).message());
    ASSERT_TRUE(failed);
    EXPECT_EQ(failed->address.to_string(), "2001:db8::b");
    EXPECT_FALSE(failed->is_resolved());
}

TEST(Messages, ReadARoute) {
    const auto route = parse_route(Recorded(kRouteByGateway).message());
    ASSERT_TRUE(route);
    EXPECT_EQ(route->type, RTN_UNICAST);
    EXPECT_EQ(route->destination.to_string(), "198.51.100.0/24");
    ASSERT_TRUE(route->gateway);
    EXPECT_EQ(route->gateway->to_string(), "10.0.0.11");
    EXPECT_EQ(route->source.to_string(), "10.0.0.1");
    EXPECT_EQ(route->mtu, 1300U);
    EXPECT_EQ(route->table, RT_TABLE_MAIN);
}

TEST(Messages, ReadAGatewayOfTheOtherFamily) {
    const auto route = parse_route(Recorded(kRouteVia6).message());
    ASSERT_TRUE(route);
    ASSERT_TRUE(route->gateway);
    EXPECT_EQ(route->gateway->to_string(), "2001:db8::b");
    EXPECT_EQ(route->destination.to_string(), "203.0.113.0/24");
}

TEST(Messages, AreOfNoUseCutShortButDoNoHarm) {
    for (const std::string_view hex : {kVethInBridge, kNeighbour4, kRouteByGateway}) {
        Recorded recorded(hex);
        for (std::size_t size = 0; size < recorded.size(); ++size) {
            const nlmsghdr& message = recorded.cut(size);
            (void)parse_link(message);
            (void)parse_neighbour(message);
            (void)parse_route(message);
        }
        EXPECT_FALSE(parse_link(recorded.cut(sizeof(nlmsghdr) + 4)));
        EXPECT_FALSE(parse_neighbour(recorded.cut(sizeof(nlmsghdr) + 4)));
        EXPECT_FALSE(parse_route(recorded.cut(sizeof(nlmsghdr) + 4)));
    }
}

TEST(Messages, OfAnotherKindAreNone) {
    EXPECT_FALSE(parse_link(Recorded(kNeighbour4).message()));
    EXPECT_FALSE(parse_neighbour(Recorded(kRouteByGateway).message()));
    EXPECT_FALSE(parse_route(Recorded(kBridge).message()));
}

}  // namespace
}  // namespace xvs::host
