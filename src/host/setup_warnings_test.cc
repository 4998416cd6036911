#include "host/setup_warnings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace xvs::host {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

net::IpAddress address(const char* text) {
    return *net::IpAddress::parse(text);
}

WantedService service(model::ForwardingMethod method) {
    model::Destination destination;
    destination.real = {address("10.0.0.11"), net::Port{8080}};
    destination.method = method;
    return {.key = {.protocol = model::Protocol::Tcp,
                    .address = address("192.0.2.1"),
                    .port = net::Port{80},
                    .fwmark = 0},
            .destinations = {destination}};
}

class SetupWarningsTest : public ::testing::Test {
protected:
    bool has_route_ = true;
    SetupWarnings warnings_{[this](const net::IpAddress&) {
        return has_route_;
    }};
    std::set<net::Prefix> local_{{address("192.0.2.0"), 24}};
    std::vector<WantedService> nat_{service(model::ForwardingMethod::Masquerade)};
};

TEST_F(SetupWarningsTest, HaveNothingToSayWhereAllIsWell) {
    EXPECT_THAT(warnings_.check(nat_, local_), IsEmpty());
}

TEST_F(SetupWarningsTest, SayOnceThatAVipIsNotLocalAndAgainWhenItWasMendedInBetween) {
    EXPECT_THAT(warnings_.check(nat_, {}), ElementsAre(HasSubstr("ip address add 192.0.2.1/32")));
    EXPECT_THAT(warnings_.check(nat_, {}), IsEmpty());
    EXPECT_THAT(warnings_.check(nat_, local_), IsEmpty());
    EXPECT_THAT(warnings_.check(nat_, {}), ElementsAre(HasSubstr("TCP 192.0.2.1:80")));
}

TEST_F(SetupWarningsTest, SayThatThereIsNoRouteToANatRealServer) {
    has_route_ = false;
    EXPECT_THAT(warnings_.check(nat_, local_), ElementsAre(HasSubstr("10.0.0.11:8080")));
    const std::vector direct = {service(model::ForwardingMethod::DirectRoute)};
    EXPECT_THAT(warnings_.check(direct, local_), IsEmpty());
}

}  // namespace
}  // namespace xvs::host
