#include "model/validate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace xvs::model {
namespace {

net::IpAddress ip(std::string_view text) {
    return *net::IpAddress::parse(text);
}

Surroundings surroundings() {
    return {.has_scheduler = [](std::string_view name) { return name == "wlc"; },
            .has_persistence_engine = [](std::string_view name) { return name == "sip"; },
            .is_local = [](const net::IpAddress& address) { return address == ip("fe80::7"); },
            .is_broadcast =
                [](const net::IpAddress& address) {
                    return address == ip("192.0.2.255");
                }};
}

VirtualService service(std::string_view address) {
    VirtualService result;
    result.key.address = ip(address);
    result.key.port = net::Port{80};
    if (result.key.family() == net::Family::Ipv6) result.persistence_mask = 128;
    return result;
}

Destination destination(std::string_view address) {
    Destination result;
    result.real = {.address = ip(address), .port = net::Port{80}};
    return result;
}

// 0 stands for success.
int code(const Status& status) {
    return status ? 0 : static_cast<int>(status.error().code);
}

int service_code(const VirtualService& subject) {
    return code(check_service(subject, surroundings()));
}

int destination_code(const Destination& subject) {
    return code(check_destination(net::Family::Ipv4, subject));
}

int address_code(std::string_view address) {
    return code(check_real_address(ip(address), surroundings()));
}

TEST(CheckService, KnowsSchedulersByNameAndNoneAlways) {
    auto subject = service("192.0.2.1");
    EXPECT_EQ(service_code(subject), 0);
    subject.scheduler = "none";
    EXPECT_EQ(service_code(subject), 0);
    subject.scheduler = "nosuch";
    EXPECT_EQ(service_code(subject), ENOENT);
    EXPECT_EQ(code(check_service(service("192.0.2.1"), Surroundings{})), ENOENT);
}

TEST(CheckService, RefusesAnUnknownPersistenceEngine) {
    auto subject = service("192.0.2.1");
    subject.persistence_engine = "sip";
    EXPECT_EQ(service_code(subject), 0);
    subject.persistence_engine = "sipp";
    EXPECT_EQ(service_code(subject), ENOENT);
}

TEST(CheckService, BoundsTheIpv6PersistencePrefix) {
    auto subject = service("2001:db8::1");
    subject.persistence_mask = 1;
    EXPECT_EQ(service_code(subject), 0);
    subject.persistence_mask = 0;
    EXPECT_EQ(service_code(subject), EINVAL);
    subject.persistence_mask = 129;
    EXPECT_EQ(service_code(subject), EINVAL);
}

TEST(CheckDestination, BoundsWeightAndThresholds) {
    auto subject = destination("10.0.0.11");
    subject.weight = 0;
    EXPECT_EQ(destination_code(subject), 0);
    subject.weight = -1;
    EXPECT_EQ(destination_code(subject), ERANGE);
    subject.weight = 1;
    subject.lower_threshold = 1;
    EXPECT_EQ(destination_code(subject), ERANGE);
    subject.upper_threshold = 1;
    EXPECT_EQ(destination_code(subject), 0);
    subject.upper_threshold = 0x80000000;
    EXPECT_EQ(destination_code(subject), EINVAL);
}

TEST(CheckDestination, WantsAPortForGueWhateverTheMethod) {
    auto subject = destination("10.0.0.11");
    subject.tunnel.type = TunnelType::Gue;
    EXPECT_EQ(destination_code(subject), EINVAL);
    subject.tunnel.port = net::Port{6080};
    EXPECT_EQ(destination_code(subject), 0);
}

TEST(CheckDestination, LetsOnlyATunnelCrossFamilies) {
    auto subject = destination("2001:db8::11");
    EXPECT_EQ(destination_code(subject), EINVAL);
    subject.method = ForwardingMethod::Tunnel;
    EXPECT_EQ(destination_code(subject), 0);
}

TEST(CheckRealAddress, TakesUnicastAndLocalAddressesOnly) {
    for (const auto* good : {"10.0.0.11", "0.1.2.3", "240.0.0.1", "127.0.0.1", "192.0.2.0"}) {
        EXPECT_EQ(address_code(good), 0) << good;
    }
    for (const auto* bad : {"0.0.0.0", "255.255.255.255", "224.0.0.1", "192.0.2.255"}) {
        EXPECT_EQ(address_code(bad), EINVAL) << bad;
    }
    for (const auto* good : {"fd01::1", "::1", "fec0::1", "::192.0.2.4", "e000::1", "fe80::7"}) {
        EXPECT_EQ(address_code(good), 0) << good;
    }
    for (const auto* bad : {"::", "ff02::1", "fe80::1", "::ffff:192.0.2.4"}) {
        EXPECT_EQ(address_code(bad), EINVAL) << bad;
    }
}

TEST(Canonical, KeepsOfAFirewallMarkTheMarkAndTheFamily) {
    const ServiceKey noisy{.protocol = Protocol::Udp,
                           .address = ip("2001:db8::1"),
                           .port = net::Port{80},
                           .fwmark = 7};
    const ServiceKey plain{.address = ip("::"), .fwmark = 7};
    EXPECT_EQ(canonical(noisy), plain);
    EXPECT_EQ(canonical(service("192.0.2.1").key), service("192.0.2.1").key);
}

}  // namespace
}  // namespace xvs::model
