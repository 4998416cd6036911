#include "net/prefix.h"

#include <gtest/gtest.h>

namespace xvs::net {
namespace {

IpAddress address(const char* text) {
    return *IpAddress::parse(text);
}

TEST(Prefix, ContainsWhatSharesItsLeadingBits) {
    const Prefix prefix{address("192.0.2.64"), 26};
    EXPECT_TRUE(prefix.contains(address("192.0.2.64")));
    EXPECT_TRUE(prefix.contains(address("192.0.2.127")));
    EXPECT_FALSE(prefix.contains(address("192.0.2.128")));
    EXPECT_FALSE(prefix.contains(address("192.0.2.63")));
}

TEST(Prefix, OfLengthZeroContainsItsFamilyAndNoOther) {
    const Prefix all{address("0.0.0.0"), 0};
    EXPECT_TRUE(all.contains(address("203.0.113.9")));
    EXPECT_FALSE(all.contains(address("::")));
}

TEST(Prefix, OfFullLengthContainsOneAddress) {
    const Prefix one = Prefix::of(address("2001:db8::1"));
    EXPECT_EQ(one.length, 128);
    EXPECT_TRUE(one.contains(address("2001:db8::1")));
    EXPECT_FALSE(one.contains(address("2001:db8::2")));
    EXPECT_EQ(one.to_string(), "2001:db8::1/128");
}

TEST(Prefix, OfAnAddressLosesTheBitsThatDoNotCount) {
    EXPECT_EQ(Prefix::of(address("192.0.2.127"), 26), (Prefix{address("192.0.2.64"), 26}));
    EXPECT_EQ(Prefix::of(address("192.0.2.127"), 0), (Prefix{address("0.0.0.0"), 0}));
    EXPECT_EQ(Prefix::of(address("192.0.2.127"), 32), Prefix::of(address("192.0.2.127")));
    EXPECT_EQ(Prefix::of(address("2001:db8:1::1"), 33), (Prefix{address("2001:db8::"), 33}));
}

}  // namespace
}  // namespace xvs::net
