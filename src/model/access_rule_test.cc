#include "model/access_rule.h"

#include <gtest/gtest.h>

namespace xvs::model {
namespace {

std::string again(std::string_view text) {
    const auto prefix = parse_client_prefix(text);
    return prefix ? prefix->to_string() : prefix.error().context;
}

TEST(AccessRule, TakesAnAddressOrAPrefixOfAnyLength) {
    EXPECT_EQ(again("203.0.113.9"), "203.0.113.9/32");
    EXPECT_EQ(again("203.0.113.9/24"), "203.0.113.0/24");
    EXPECT_EQ(again("0.0.0.0/0"), "0.0.0.0/0");
    EXPECT_EQ(again("2001:db8::7"), "2001:db8::7/128");
    EXPECT_EQ(again("2001:db8:ffff::/33"), "2001:db8:8000::/33");
}

TEST(AccessRule, SaysHowAPrefixIsWritten) {
    for (const std::string text : {"203.0.113.0/33",
                                   "2001:db8::/129",
                                   "example.org",
                                   "203.0.113.0/",
                                   "203.0.113.0/2x",
                                   "203.0.113.0/-1",
                                   "203.0.113.0/256",
                                   "/24",
                                   ""}) {
        EXPECT_EQ(again(text),
                  "\"" + text +
                      "\" is no prefix of clients: write 203.0.113.0/24, 2001:db8::/32 or an "
                      "address");
    }
}

TEST(AccessRule, SaysForWhichService) {
    AccessRule rule{.service = std::nullopt,
                    .prefix = *net::Prefix::parse("203.0.113.0/24"),
                    .action = AccessAction::Deny};
    EXPECT_EQ(rule.to_string(), "deny 203.0.113.0/24");
    rule.action = AccessAction::Allow;
    rule.service =
        ServiceKey{.address = *net::IpAddress::parse("192.0.2.1"), .port = net::Port{80}};
    EXPECT_EQ(rule.to_string(), "allow 203.0.113.0/24 for TCP 192.0.2.1:80");
}

}  // namespace
}  // namespace xvs::model
