// Which packets are ours that do not show their ports: options, fragments, ICMP errors, malformed
// ones; and which frames are not for this host.
#include "offload/steer_fixture_test.h"

namespace xvs::offload {
namespace {

TEST_F(Steer, TakesAPacketWithIpOptionsOrExtensionHeaders) {
    Packet packet = kToService;
    packet.options = 8;
    EXPECT_EQ(judge(packet), XVS_REASON_SERVICE);
    packet.options = 16;
    EXPECT_EQ(judge(v6(packet)), XVS_REASON_SERVICE);
}

TEST_F(Steer, TakesFragmentsToOrFromAnAddressOfOurs) {
    for (const std::uint16_t fragment : {kMoreFragments, std::uint16_t{185}}) {
        Packet to = kToService;
        to.protocol = kUdp;
        to.fragment = fragment;
        EXPECT_EQ(judge(to), XVS_REASON_FRAGMENT);
        Packet from = kFromReal;
        from.fragment = fragment;
        EXPECT_EQ(judge(from), XVS_REASON_FRAGMENT);
        from.destination = "10.0.0.1";  // to the host itself
        EXPECT_EQ(judge(from), 0);
        to.destination = "192.0.2.2";  // local, but no VIP
        EXPECT_EQ(judge(to), 0);
    }
    for (const std::uint16_t fragment :
         {std::uint16_t{1}, std::uint16_t{1480}}) {  // more to come; the last one
        Packet to = v6(kToService);
        to.fragment = fragment;
        EXPECT_EQ(judge(to), XVS_REASON_FRAGMENT);
    }
}

TEST_F(Steer, TakesErrorsAboutWhatAServiceSent) {
    // The client's router complains about a reply that left as VIP:80 -> client.
    const Packet reply{.source = "192.0.2.1",
                       .destination = "198.51.100.7",
                       .source_port = 80,
                       .destination_port = 40001};
    EXPECT_EQ(judge(error_about(reply, "198.51.100.1", "192.0.2.1")), XVS_REASON_ICMP);
    EXPECT_EQ(judge(error_about(v6(reply), "2001:db8:c::1", "2001:db8::1")), XVS_REASON_ICMP);
    Packet other = reply;
    other.source_port = 22;
    EXPECT_EQ(judge(error_about(other, "198.51.100.1", "192.0.2.1")), 0);
}

TEST_F(Steer, TakesErrorsAboutWhatWasSentToANatDestination) {
    // The real server complains about what left as client -> RIP:8080.
    const Packet request{.source = "198.51.100.7",
                         .destination = "10.0.0.11",
                         .source_port = 40001,
                         .destination_port = 8080};
    EXPECT_EQ(judge(error_about(request, "10.0.0.11", "198.51.100.7")), XVS_REASON_ICMP);
    EXPECT_EQ(judge(error_about(v6(request), "2001:db8:a::11", "2001:db8:c::7")), XVS_REASON_ICMP);
    // About a health check of the host's own.
    const Packet check{.source = "10.0.0.1", .destination = "10.0.0.11", .destination_port = 8080};
    EXPECT_EQ(judge(error_about(check, "10.0.0.11", "10.0.0.1")), 0);
}

TEST_F(Steer, TakesErrorsAboutALiveFlow) {
    const Packet flow{.source = "10.0.0.12",
                      .destination = "198.51.100.7",
                      .source_port = 9,
                      .destination_port = 40001};
    const Packet request{.source = "198.51.100.7",
                         .destination = "10.0.0.12",
                         .source_port = 40001,
                         .destination_port = 9};
    EXPECT_EQ(judge(error_about(request, "10.0.0.12", "198.51.100.7")), 0);
    install<flow::Ipv4>(flow);
    EXPECT_EQ(judge(error_about(request, "10.0.0.12", "198.51.100.7")), XVS_REASON_ICMP);
}

TEST_F(Steer, LeavesEchoToTheHost) {
    Packet ping = error_about(kFromReal, "198.51.100.7", "192.0.2.1");
    ping.icmp_type = std::uint8_t{8};
    EXPECT_EQ(judge(ping), 0);
    Packet ping6 = error_about(v6(kFromReal), "2001:db8:c::7", "2001:db8::1");
    ping6.icmp_type = std::uint8_t{128};
    EXPECT_EQ(judge(ping6), 0);
}

TEST_F(Steer, LeavesFramesForOtherHostsAndOtherVlans) {
    Bytes strange = frame_of(kToService);
    strange[5] = std::byte{9};  // another MAC address
    EXPECT_EQ(judge(strange), 0);
    strange[0] = std::byte{0xff};
    EXPECT_EQ(judge(strange), 0);
    Bytes tagged = frame_of(kToService);
    const Bytes tag = {std::byte{0x81}, std::byte{0}, std::byte{0}, std::byte{5}};
    tagged.insert(tagged.begin() + 12, tag.begin(), tag.end());
    EXPECT_EQ(judge(tagged), 0);
}

TEST_F(Steer, TakesMalformedPacketsForAServicesAddressSoThatTheyAreCounted) {
    Bytes cut = frame_of(kToService);
    cut.resize(14 + 20 + 2);  // no whole ports
    EXPECT_EQ(judge(cut), XVS_REASON_SERVICE);
    Bytes cut6 = frame_of(v6(kToService));
    cut6.resize(14 + 40 + 3);
    EXPECT_EQ(judge(cut6), XVS_REASON_SERVICE);
    Bytes lying = frame_of(kToService);
    lying[14] = std::byte{0x44};  // a header of 16 bytes
    EXPECT_EQ(judge(lying), XVS_REASON_SERVICE);
}

TEST_F(Steer, LeavesMalformedPacketsThatNobodyCanTellToTheHost) {
    Bytes version = frame_of(kToService);
    version[14] = std::byte{0x55};
    EXPECT_EQ(judge(version), 0);
    Packet elsewhere = kToService;
    elsewhere.destination = "192.0.2.2";
    Bytes cut = frame_of(elsewhere);
    cut.resize(14 + 20 + 2);
    EXPECT_EQ(judge(cut), 0);
    Bytes error = frame_of(error_about(kToService, "198.51.100.1", "192.0.2.1"));
    error.resize(14 + 20 + 8 + 10);
    EXPECT_EQ(judge(error), 0);
}

}  // namespace
}  // namespace xvs::offload
