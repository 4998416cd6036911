#include "host/prefix_routes.h"

#include <gtest/gtest.h>

namespace xvs::host {
namespace {

net::Prefix prefix(const char* text) {
    return *net::Prefix::parse(text);
}

net::IpAddress address(const char* text) {
    return *net::IpAddress::parse(text);
}

TEST(PrefixRoutes, HoldsWhatLiesInAnyPrefixOfItsFamily) {
    PrefixRoutes routes;
    EXPECT_FALSE(routes.contains(address("127.0.0.1")));
    routes.add(prefix("127.0.0.0/8"), 1);
    routes.add(prefix("2001:db8::1"), 2);
    EXPECT_TRUE(routes.contains(address("127.9.9.9")));
    EXPECT_FALSE(routes.contains(address("128.0.0.1")));
    EXPECT_TRUE(routes.contains(address("2001:db8::1")));
    EXPECT_FALSE(routes.contains(address("2001:db8::2")));
    EXPECT_EQ(routes.prefixes().size(), 2U);
}

TEST(PrefixRoutes, KeepsAPrefixUntilItsLastInterfaceHasLostIt) {
    PrefixRoutes routes;
    for (const std::uint32_t ifindex : {0U, 7U, 9U})
        routes.add(prefix("192.0.2.1"), ifindex);
    routes.add(prefix("192.0.2.2"), 7);
    routes.remove(prefix("192.0.2.1"), 0);
    routes.remove(prefix("192.0.2.1"), 9);
    routes.remove(prefix("192.0.2.1"), 9);
    EXPECT_TRUE(routes.contains(address("192.0.2.1")));
    routes.remove(prefix("192.0.2.1"), 7);
    EXPECT_FALSE(routes.contains(address("192.0.2.1")));
    EXPECT_TRUE(routes.contains(address("192.0.2.2"))) << "of the same length";
    EXPECT_EQ(routes.prefixes(), std::set<net::Prefix>{prefix("192.0.2.2")});
}

TEST(PrefixRoutes, TakesARouteThatIsToldTwiceForOne) {
    PrefixRoutes routes;
    routes.add(prefix("192.0.2.1"), 7);
    routes.add(prefix("192.0.2.1"), 7);
    routes.remove(prefix("192.0.2.1"), 7);
    EXPECT_FALSE(routes.contains(address("192.0.2.1")));
}

}  // namespace
}  // namespace xvs::host
