#include "cli/listing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace xvs::cli {
namespace {

using ::testing::ElementsAre;

control::ServiceStatus service(std::string_view address, std::uint16_t port) {
    control::ServiceStatus status;
    status.service.key.address = *net::IpAddress::parse(address);
    status.service.key.port = net::Port{port};
    return status;
}

std::vector<std::string> names(const std::vector<control::ServiceStatus>& services) {
    std::vector<std::string> result;
    for (const auto& status : services)
        result.push_back(status.service.key.to_string());
    return result;
}

TEST(SortServices, TakesAddressesAsSignedDifferences) {
    std::vector services{service("10.0.0.9", 80),
                         service("9.0.0.1", 443),
                         service("200.0.0.1", 80),
                         service("9.0.0.1", 80)};
    sort_services(services);
    EXPECT_THAT(
        names(services),
        ElementsAre("TCP 200.0.0.1:80", "TCP 9.0.0.1:80", "TCP 9.0.0.1:443", "TCP 10.0.0.9:80"));
}

TEST(SortServices, PutsProtocolsThenFamiliesThenMarks) {
    auto mark = service("0.0.0.0", 0);
    mark.service.key.fwmark = 1;
    auto udp = service("10.0.0.1", 53);
    udp.service.key.protocol = model::Protocol::Udp;
    std::vector services{mark, service("2001:db8::1", 80), udp, service("10.0.0.2", 80)};
    sort_services(services);
    EXPECT_THAT(names(services),
                ElementsAre("TCP 10.0.0.2:80", "UDP 10.0.0.1:53", "TCP [2001:db8::1]:80", "FWM 1"));
}

TEST(ServiceText, ShortensLargeNumbersUnlessTheyAreToBeExact) {
    ListedService listed{.status = service("192.0.2.1", 80), .destinations = {}};
    listed.status.statistics.counters = {.connections = 99999999,
                                         .packets_in = 100000000,
                                         .packets_out = 1000000000,
                                         .bytes_in = 100000000000,
                                         .bytes_out = 100000000000000};
    Format format{.layout = Layout::Statistics, .numeric = true};
    EXPECT_EQ(service_text(listed, format),
              "TCP  192.0.2.1:80                 99999999  100000K    1000M     100G     100T\n");
    format.exact = true;
    EXPECT_EQ(service_text(listed, format),
              "TCP  192.0.2.1:80                 99999999 100000000 1000000000 100000000000 "
              "100000000000000\n");
}

}  // namespace
}  // namespace xvs::cli
