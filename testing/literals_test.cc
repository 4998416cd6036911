#include "testing/literals.h"

#include <gtest/gtest.h>

namespace xvs::test {
namespace {

TEST(Literals, AreWhatTheirTextParsesTo) {
    EXPECT_EQ("192.0.2.1:80"_ep, *net::Endpoint::parse("192.0.2.1:80"));
    EXPECT_EQ("[2001:db8::1]:80"_ep, *net::Endpoint::parse("[2001:db8::1]:80"));
    EXPECT_EQ("[::1]:65535"_ep, *net::Endpoint::parse("[::1]:65535"));
    EXPECT_EQ("255.255.255.255"_ip, *net::IpAddress::parse("255.255.255.255"));
    EXPECT_EQ("::"_ip, *net::IpAddress::parse("::"));
    EXPECT_EQ("1:2:3:4:5:6:7:8"_ip, *net::IpAddress::parse("1:2:3:4:5:6:7:8"));
    EXPECT_EQ("2001:db8::a:0:1"_ip, *net::IpAddress::parse("2001:db8::a:0:1"));
    EXPECT_EQ("fe80::"_ip, *net::IpAddress::parse("fe80::"));
}

}  // namespace
}  // namespace xvs::test
