#include "engine/lookup/address_filter.h"

#include <gtest/gtest.h>

#include "flow/key.h"
#include "testing/literals.h"

namespace xvs::engine {
namespace {

using namespace xvs::test::literals;  // NOLINT(google-build-using-namespace): literals only

// The source of a packet from `address`, as the engine holds it.
template <class Ip>
auto words_of(const net::IpAddress& address) {
    const auto from = address.as<typename Ip::Address>();
    return flow::FlowKey<Ip>::make(from, net::Port{1}, from, net::Port{2}, 6).source;
}

TEST(AddressFilter, HoldsNothingAtFirst) {
    const AddressFilter filter;
    EXPECT_FALSE(filter.may_hold(words_of<flow::Ipv4>("192.0.2.1"_ip)));
    EXPECT_FALSE(filter.may_hold(words_of<flow::Ipv6>("2001:db8::1"_ip)));
}

TEST(AddressFilter, HoldsEveryAddressThatWasAdded) {
    AddressFilter filter;
    for (std::uint32_t number = 0; number < 100'000; ++number)
        filter.add(net::Ipv4Address(0x0a000000 + number * 257));
    for (std::uint32_t number = 0; number < 100'000; ++number) {
        const net::IpAddress address = net::Ipv4Address(0x0a000000 + number * 257);
        ASSERT_TRUE(filter.may_hold(words_of<flow::Ipv4>(address))) << address.to_string();
    }
}

TEST(AddressFilter, HoldsAnAddressUntilItWasRemovedAsOftenAsItWasAdded) {
    AddressFilter filter;
    const net::IpAddress address = "2001:db8::80"_ip;
    filter.add(address);
    filter.add(address);
    filter.remove(address);
    EXPECT_TRUE(filter.may_hold(words_of<flow::Ipv6>(address)));
    filter.remove(address);
    EXPECT_FALSE(filter.may_hold(words_of<flow::Ipv6>(address)));
}

TEST(AddressFilter, TellsNearlyAllOthersFromAThousandAddresses) {
    AddressFilter filter;
    for (std::uint32_t number = 0; number < 1000; ++number)
        filter.add(net::Ipv4Address(0xc0000200 + number));
    int held = 0;
    for (std::uint32_t number = 0; number < 100'000; ++number)
        held += filter.may_hold(words_of<flow::Ipv4>(net::Ipv4Address(0x0a000000 + number)));
    EXPECT_LT(held, 2000);
}

}  // namespace
}  // namespace xvs::engine
