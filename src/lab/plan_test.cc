#include "lab/plan.h"

#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace xvs::lab {
namespace {

using model::ForwardingMethod;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;

constexpr ForwardingMethod kMethods[] = {
    ForwardingMethod::Masquerade, ForwardingMethod::DirectRoute, ForwardingMethod::Tunnel};

Plan plan_of(ForwardingMethod method, unsigned real_servers = 3) {
    PlanOptions options;
    options.method = method;
    options.real_servers = real_servers;
    auto plan = make_plan(options);
    EXPECT_TRUE(plan) << plan.error().context;
    return *plan;
}

std::vector<std::string> steps_on(const Plan& plan, const std::string& node) {
    std::vector<std::string> texts;
    for (const Step& step : plan.steps) {
        if (step.node == node) texts.push_back(step.to_string());
    }
    return texts;
}

TEST(Plan, NatMakesTheDirectorTheDefaultGatewayAndLetsItForward) {
    const Plan plan = plan_of(ForwardingMethod::Masquerade);

    EXPECT_THAT(steps_on(plan, "rs1"), Contains("ip route add default via 10.0.0.1"));
    EXPECT_THAT(steps_on(plan, "director"), Contains("ip addr add 10.0.0.1/24 dev eth1"));
    EXPECT_THAT(steps_on(plan, "director"), Contains("sysctl -w net.ipv4.ip_forward=1"));
}

TEST(Plan, DirectRoutePutsDirectorAndRealServersBehindOneRouter) {
    const Plan plan = plan_of(ForwardingMethod::DirectRoute);

    EXPECT_THAT(steps_on(plan, "rs1"), Contains("ip route add default via 192.0.2.254"));
    EXPECT_THAT(steps_on(plan, "rs1"), Contains("ip addr add 192.0.2.11/24 dev eth0"));
    EXPECT_THAT(steps_on(plan, "director"), Contains("ip addr add 192.0.2.10/24 dev eth0"));
    EXPECT_THAT(steps_on(plan, "director"), Contains("sysctl -w net.ipv4.ip_forward=0"));
}

TEST(Plan, TunnelLeavesRoomForTheOuterHeaderAndKeepsRepliesTo1500) {
    const Plan plan = plan_of(ForwardingMethod::Tunnel);

    EXPECT_THAT(steps_on(plan, "director"), Contains("ip link set eth0 up mtu 1600"));
    EXPECT_THAT(steps_on(plan, "client"), Contains("ip link set eth0 up mtu 1500"));
    EXPECT_THAT(steps_on(plan, "rs1"), Contains("ip route add default via 10.0.0.254 mtu 1500"));
}

TEST(Plan, EveryMethodHoldsTheVipOnTheDirectorInBothFamilies) {
    for (const auto method : kMethods) {
        const Plan plan = plan_of(method);
        EXPECT_THAT(steps_on(plan, "director"), Contains("ip addr add 192.0.2.1/32 dev eth0"));
        EXPECT_THAT(steps_on(plan, "director"),
                    Contains("ip addr add 2001:db8:1::1/128 dev eth0 preferred_lft 0"));
    }
}

TEST(Plan, NoTwoInterfacesShareAMacAddressOrAName) {
    for (const auto method : kMethods) {
        const Plan plan = plan_of(method, kMaxRealServers);
        std::set<net::MacAddress> macs;
        std::set<std::pair<std::string, std::string>> names;
        for (const Cable& cable : plan.cables) {
            for (const Plug& plug : {cable.first, cable.second}) {
                EXPECT_TRUE(macs.insert(plug.mac).second) << plug.mac.to_string();
                EXPECT_TRUE(names.insert({plug.node, plug.interface}).second) << plug.interface;
                EXPECT_LT(plug.interface.size(), 16U) << plug.interface;
            }
        }
    }
}

TEST(Plan, ServicesNameEachRealServerWithTheMethodsOption) {
    const auto nat = plan_of(ForwardingMethod::Masquerade, 2).services(net::Family::Ipv4);
    std::vector<std::string> texts;
    for (const Command& command : nat)
        texts.push_back(to_string(command));

    EXPECT_THAT(texts,
                testing::ElementsAre("xvsadm -A -t 192.0.2.1:80 -s rr",
                                     "xvsadm -a -t 192.0.2.1:80 -r 10.0.0.11:8080 -m",
                                     "xvsadm -a -t 192.0.2.1:80 -r 10.0.0.12:8080 -m",
                                     "xvsadm -A -u 192.0.2.1:5000 -s rr",
                                     "xvsadm -a -u 192.0.2.1:5000 -r 10.0.0.11:5000 -m",
                                     "xvsadm -a -u 192.0.2.1:5000 -r 10.0.0.12:5000 -m"));
    EXPECT_EQ(to_string(plan_of(ForwardingMethod::Tunnel).services(net::Family::Ipv6)[1]),
              "xvsadm -a -t [2001:db8:1::1]:80 -r [fd00:10::11]:80 -i");
}

TEST(Plan, KnowsWhoseAddressItIs) {
    const Plan plan = plan_of(ForwardingMethod::DirectRoute);

    EXPECT_EQ(plan.node_of(*net::IpAddress::parse("192.0.2.12")), "rs2");
    EXPECT_EQ(plan.node_of(*net::IpAddress::parse("192.0.2.1")), "director");
    EXPECT_EQ(plan.node_of(*net::IpAddress::parse("192.0.2.254")), "router");
    EXPECT_EQ(plan.node_of(*net::IpAddress::parse("203.0.113.9")), "");
    EXPECT_EQ(plan.node_of(*net::MacAddress::parse("02:00:00:00:00:12")), "rs2");
}

TEST(Plan, RefusesMoreRealServersThanItHasAddressesFor) {
    PlanOptions options;
    options.real_servers = 0;
    EXPECT_FALSE(make_plan(options));
    options.real_servers = kMaxRealServers + 1;
    ASSERT_FALSE(make_plan(options));
    EXPECT_THAT(make_plan(options).error().context, HasSubstr("51 real servers"));
}

TEST(Plan, NamesTheMethodsThatItKnows) {
    EXPECT_EQ(*parse_method("tun"), ForwardingMethod::Tunnel);
    ASSERT_FALSE(parse_method("ipip"));
    EXPECT_THAT(parse_method("ipip").error().context, HasSubstr("nat, dr or tun"));
}

}  // namespace
}  // namespace xvs::lab
