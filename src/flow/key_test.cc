#include "flow/key.h"

#include <array>

#include <gtest/gtest.h>

namespace xvs::flow {
namespace {

using net::Ipv4Address;
using net::Ipv6Address;
using net::Port;

// What follows stands as in a packet: 198.51.100.7:40001 > 192.0.2.1:80.
constexpr std::array<std::byte, 12> kPacket4 = {std::byte{198},
                                                std::byte{51},
                                                std::byte{100},
                                                std::byte{7},
                                                std::byte{192},
                                                std::byte{0},
                                                std::byte{2},
                                                std::byte{1},
                                                std::byte{0x9c},
                                                std::byte{0x41},
                                                std::byte{0},
                                                std::byte{80}};

TEST(FlowKey, ReadsFromAPacketWhatIsMadeOfItsFields4) {
    const auto loaded =
        FlowKey<Ipv4>::load(kPacket4.data(), kPacket4.data() + 4, kPacket4.data() + 8, 6);
    const auto made = FlowKey<Ipv4>::make(*Ipv4Address::parse("198.51.100.7"),
                                          Port{40001},
                                          *Ipv4Address::parse("192.0.2.1"),
                                          Port{80},
                                          6);
    EXPECT_EQ(loaded, made);
    EXPECT_EQ(loaded.source_address().to_string(), "198.51.100.7");
    EXPECT_EQ(loaded.destination_address().to_string(), "192.0.2.1");
    EXPECT_EQ(loaded.source_port_number(), Port{40001});
    EXPECT_EQ(loaded.destination_port_number(), Port{80});
    EXPECT_EQ(loaded.ports(), 0x5000419cu) << "the transport header's first word as it lies there";
}

TEST(FlowKey, ReadsFromAPacketWhatIsMadeOfItsFields6) {
    const auto client = *Ipv6Address::parse("2001:db8::7");
    const auto vip = *Ipv6Address::parse("2001:db8:1::1");
    const auto loaded =
        FlowKey<Ipv6>::load(client.bytes().data(), vip.bytes().data(), kPacket4.data() + 8, 17);
    EXPECT_EQ(loaded, FlowKey<Ipv6>::make(client, Port{40001}, vip, Port{80}, 17));
    EXPECT_EQ(loaded.source_address(), client);
    EXPECT_EQ(loaded.destination_address(), vip);
    EXPECT_EQ(loaded.reversed(), FlowKey<Ipv6>::make(vip, Port{80}, client, Port{40001}, 17));
}

TEST(FlowKey, ComesBackFromAnEntryInWireOrder) {
    const auto key =
        FlowKey<Ipv4>::load(kPacket4.data(), kPacket4.data() + 4, kPacket4.data() + 8, 6);
    xvs_flow4 entry{};
    key.store(entry);
    EXPECT_EQ(FlowKey<Ipv4>::load(entry), key);
    EXPECT_TRUE(key.is_key_of(entry));
    EXPECT_EQ(entry.destination_port, 0x5000) << "wire order";
    EXPECT_EQ(entry.source, 0x076433c6u);

    const auto key6 = FlowKey<Ipv6>::make(*Ipv6Address::parse("2001:db8::7"),
                                          Port{40001},
                                          *Ipv6Address::parse("2001:db8:1::1"),
                                          Port{80},
                                          17);
    xvs_flow6 entry6{};
    key6.store(entry6);
    EXPECT_EQ(FlowKey<Ipv6>::load(entry6), key6);
    EXPECT_TRUE(key6.is_key_of(entry6));
    EXPECT_EQ(entry6.destination[5], 1);
}

TEST(FlowKey, IsNotTheKeyOfAnEntryThatDiffersInAnyByteOfItsFields) {
    const auto key = FlowKey<Ipv6>::make(*Ipv6Address::parse("2001:db8::7"),
                                         Port{40001},
                                         *Ipv6Address::parse("2001:db8:1::1"),
                                         Port{80},
                                         17);
    xvs_flow6 entry{};
    key.store(entry);
    for (std::size_t i = 0; i < 16; ++i) {
        entry.source[i] ^= 1;
        EXPECT_FALSE(key.is_key_of(entry)) << i;
        entry.source[i] ^= 1;
        entry.destination[i] ^= 1;
        EXPECT_FALSE(key.is_key_of(entry)) << i;
        entry.destination[i] ^= 1;
    }
    entry.protocol = 6;
    EXPECT_FALSE(key.is_key_of(entry));
}

}  // namespace
}  // namespace xvs::flow
