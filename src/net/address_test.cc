#include "net/address.h"

#include <gtest/gtest.h>

namespace xvs::net {
namespace {

TEST(Ipv4Address, PrintsWhatItParsed) {
    EXPECT_EQ(Ipv4Address::parse("192.0.2.1")->to_string(), "192.0.2.1");
    EXPECT_EQ(Ipv4Address::parse("192.0.2.1")->value(), 0xC0000201U);
}

TEST(Ipv4Address, RefusesWhatIsNotOne) {
    for (const char* text : {"", "192.0.2", "192.0.2.256", "192.0.2.1 ", "::1"}) {
        EXPECT_FALSE(Ipv4Address::parse(text)) << text;
    }
}

TEST(IpAddress, KnowsItsFamily) {
    EXPECT_EQ(IpAddress::parse("2001:db8::1")->family(), Family::Ipv6);
    EXPECT_EQ(IpAddress::parse("2001:db8::1")->to_string(), "2001:db8::1");
    EXPECT_EQ(IpAddress::parse("192.0.2.1")->family(), Family::Ipv4);
}

TEST(Endpoint, WritesIpv6InBrackets) {
    EXPECT_EQ(Endpoint::parse("[2001:db8::1]:80")->to_string(), "[2001:db8::1]:80");
    EXPECT_EQ(Endpoint::parse("192.0.2.1:80")->to_string(), "192.0.2.1:80");
}

TEST(Endpoint, RefusesABarePortOrAPortOutOfRange) {
    for (const char* text : {"80", ":80", "192.0.2.1:", "192.0.2.1:65536", "2001:db8::1:80x"}) {
        EXPECT_FALSE(Endpoint::parse(text)) << text;
    }
}

TEST(MacAddress, PrintsWhatItParsed) {
    EXPECT_EQ(MacAddress::parse("02:00:5e:10:00:ff")->to_string(), "02:00:5e:10:00:ff");
    EXPECT_FALSE(MacAddress::parse("02:00:5e:10:00"));
    EXPECT_FALSE(MacAddress::parse("02:00:5e:10:00:fg"));
}

}  // namespace
}  // namespace xvs::net
