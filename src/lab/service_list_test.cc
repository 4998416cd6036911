#include "lab/service_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace xvs::lab {
namespace {

using model::ForwardingMethod;
using testing::HasSubstr;

TEST(ServiceList, ReadsWhatXvsadmSaves) {
    const auto services = parse_saved_services(
        "-A -t 192.0.2.1:80 -s rr\n"
        "-a -t 192.0.2.1:80 -r 10.0.0.11:8080 -m -w 1\n"
        "-a -t 192.0.2.1:80 -r 10.0.0.12:80 -g -w 0\n"
        "-A -f 7 -s rr\n"
        "-a -f 7 -r 10.0.0.11:0 -m -w 1\n"
        "-A -u [2001:db8:1::1]:53 -s wlc -p 300\n"
        "-a -u [2001:db8:1::1]:53 -r [fd00:10::11]:53 -i -w 1 --tun-type ipip\n");

    ASSERT_TRUE(services) << services.error().context;
    ASSERT_EQ(services->size(), 2U);
    const SavedService& http = services->front();
    EXPECT_EQ(http.vip.to_string(), "192.0.2.1:80");
    ASSERT_EQ(http.destinations.size(), 2U);
    EXPECT_EQ(http.destinations[0].method, ForwardingMethod::Masquerade);
    EXPECT_EQ(http.destinations[1].method, ForwardingMethod::DirectRoute);
    EXPECT_EQ(services->back().protocol, model::Protocol::Udp);
    EXPECT_EQ(services->back().destinations[0].method, ForwardingMethod::Tunnel);
    EXPECT_EQ(services->back().destinations[0].real.to_string(), "[fd00:10::11]:53");
}

TEST(ServiceList, QuotesALineThatIsNone) {
    for (const char* line : {"hello", "-A -t", "-a -t 192.0.2.1:80 -r 10.0.0.11:80", "-D -t 1:2"}) {
        const auto services = parse_saved_services(line);
        ASSERT_FALSE(services) << line;
        EXPECT_THAT(services.error().context, HasSubstr(line));
    }
}

}  // namespace
}  // namespace xvs::lab
