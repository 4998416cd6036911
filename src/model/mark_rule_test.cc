#include "model/mark_rule.h"

#include <gtest/gtest.h>

namespace xvs::model {
namespace {

std::string again(const std::string& line) {
    const auto rule = parse_mark_rule(line);
    return rule ? rule->to_string() : rule.error().context;
}

TEST(MarkRule, SaysWhatItWasMadeOf) {
    for (const std::string line :
         {"7 --dport 80",
          "4294967295 --proto tcp --src 198.51.100.0/24 --dst 192.0.2.1/32 --sport 1-1023 "
          "--dport 8000-8099 --in eth0",
          "1 --proto sctp --dst 2001:db8::/32"}) {
        EXPECT_EQ(again(line), line);
        EXPECT_EQ(*parse_mark_rule(parse_mark_rule(line)->to_string()), *parse_mark_rule(line));
    }
    EXPECT_EQ(again("7 --dst 192.0.2.77/24 --proto udp"), "7 --proto udp --dst 192.0.2.0/24");
    EXPECT_EQ(again("7 --dst 192.0.2.1"), "7 --dst 192.0.2.1/32");
}

TEST(MarkRule, NamesTheWordThatIsWrong) {
    EXPECT_EQ(again("0 --dport 80"), "\"0\" is no mark: a number from 1 to 4294967295");
    EXPECT_EQ(again("7 --dport 80-79"), "\"80-79\" is no range of ports: write 80 or 8000-8099");
    EXPECT_EQ(again("7 --dst 192.0.2.0/33"),
              "\"192.0.2.0/33\" is no prefix: write 192.0.2.0/24 or 2001:db8::/32");
    EXPECT_EQ(again("7 --proto icmp"),
              "\"icmp\" is no protocol that is balanced: tcp, udp or sctp");
    EXPECT_FALSE(parse_mark_rule({"7", "--in", "eth0\r"}));
    EXPECT_FALSE(parse_mark_rule({"7", "--in", "eth0 --proto"}));
    EXPECT_EQ(again("7 --dport"), "--dport wants a value");
    EXPECT_EQ(again("7 --dport 1 --dport 2"), "--dport is said twice");
    EXPECT_EQ(again("7 --src 10.0.0.0/8 --dst 2001:db8::/32"),
              "--src and --dst are of two address families");
    EXPECT_EQ(again("7"), "a rule for all packets would take the host's own, too: say which");
}

}  // namespace
}  // namespace xvs::model
