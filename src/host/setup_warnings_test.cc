#include "host/setup_warnings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace xvs::host {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

net::IpAddress address(const char* text) {
    return *net::IpAddress::parse(text);
}

model::ServiceKey service(std::uint16_t port = 80) {
    return {.protocol = model::Protocol::Tcp,
            .address = address("192.0.2.1"),
            .port = net::Port{port},
            .fwmark = 0};
}

class SetupWarningsTest : public ::testing::Test {
protected:
    // A round over so many services, each with one real server.
    std::vector<std::string> check(std::uint16_t services = 1) {
        warnings_.begin();
        for (std::uint16_t i = 0; i < services; ++i) {
            const model::ServiceKey key = service(static_cast<std::uint16_t>(80 + i));
            warnings_.look_at(key);
            model::Destination destination;
            destination.real = {address("10.0.0.11"), net::Port{8080}};
            destination.method = method_;
            warnings_.look_at(key, destination);
        }
        return warnings_.end();
    }

    bool has_route_ = true;
    bool is_local_ = true;
    int questions_ = 0;
    model::ForwardingMethod method_ = model::ForwardingMethod::Masquerade;
    SetupWarnings warnings_{[this](const net::IpAddress&) {
                                ++questions_;
                                return has_route_;
                            },
                            [this](const net::IpAddress&) {
                                return is_local_;
                            }};
};

TEST_F(SetupWarningsTest, HaveNothingToSayWhereAllIsWell) {
    EXPECT_THAT(check(), IsEmpty());
}

TEST_F(SetupWarningsTest, SayOnceThatAVipIsNotLocalAndAgainWhenItWasMendedInBetween) {
    is_local_ = false;
    EXPECT_THAT(check(), ElementsAre(HasSubstr("ip address add 192.0.2.1/32")));
    EXPECT_THAT(check(), IsEmpty());
    is_local_ = true;
    EXPECT_THAT(check(), IsEmpty());
    is_local_ = false;
    EXPECT_THAT(check(), ElementsAre(HasSubstr("TCP 192.0.2.1:80")));
}

TEST_F(SetupWarningsTest, SayThatThereIsNoRouteToANatRealServer) {
    has_route_ = false;
    EXPECT_THAT(check(), ElementsAre(HasSubstr("10.0.0.11:8080")));
    method_ = model::ForwardingMethod::DirectRoute;
    EXPECT_THAT(check(), IsEmpty());
}

TEST_F(SetupWarningsTest, NameAFewAndCountTheRest) {
    has_route_ = false;
    is_local_ = false;
    const auto sentences = check(1000);
    EXPECT_EQ(sentences.size(), 2 * (SetupWarnings::kNamed + 1));
    EXPECT_THAT(sentences, Contains(HasSubstr("VIPs of 995 more services")));
    EXPECT_THAT(sentences, Contains(HasSubstr("no route to 995 more real servers")));
    EXPECT_THAT(check(1000), IsEmpty());
    EXPECT_EQ(check(1001).size(), 2U) << "the new one alone";
}

TEST_F(SetupWarningsTest, AskOnceForAnAddressUntilRoutesChange) {
    EXPECT_THAT(check(1000), IsEmpty());
    EXPECT_THAT(check(1000), IsEmpty());
    EXPECT_EQ(questions_, 1);
    has_route_ = false;
    warnings_.forget_routes();
    EXPECT_THAT(check(), SizeIs(1));
    EXPECT_EQ(questions_, 2);
}

}  // namespace
}  // namespace xvs::host
