// Which packets are ours by their addresses and ports: of services, of NAT real servers, of live
// flows.
#include "offload/steer_fixture_test.h"

namespace xvs::offload {
namespace {

TEST_F(Steer, TakesPacketsForAServiceAndSaysWhereTheyCameIn) {
    const Bytes frame = frame_of(kToService);
    const Outcome outcome = run(frame);
    EXPECT_EQ(outcome.action, TC_ACT_REDIRECT);
    EXPECT_EQ(outcome.reason, XVS_REASON_SERVICE);
    xvs_metadata metadata{};
    std::memcpy(&metadata, outcome.frame.data(), sizeof(metadata));
    EXPECT_EQ(xvs_metadata_slot(&metadata), kSlot);
    // All but the destination MAC's place is as it was.
    EXPECT_EQ(Bytes(outcome.frame.begin() + 6, outcome.frame.end()),
              Bytes(frame.begin() + 6, frame.end()));
    EXPECT_EQ(judge(v6(kToService)), XVS_REASON_SERVICE);
}

TEST_F(Steer, LeavesWhatIsNoServiceToTheHost) {
    Packet packet = kToService;
    packet.destination_port = 81;
    EXPECT_EQ(judge(packet), 0);
    EXPECT_EQ(judge(v6(packet)), 0);
    packet = kToService;
    packet.protocol = kUdp;
    EXPECT_EQ(judge(packet), 0);
    EXPECT_EQ(judge(v6(packet)), 0);
    packet.protocol = 47;
    EXPECT_EQ(judge(packet), 0);
}

TEST_F(Steer, LeavesAServiceToTheHostWhoseAddressIsNotLocal) {
    Packet packet = kToService;
    packet.destination = "203.0.113.9";
    EXPECT_EQ(judge(packet), 0);
}

TEST_F(Steer, FollowsTheLocalPrefixes) {
    maps_->set_local_prefixes({{*net::IpAddress::parse("192.0.2.2"), 32}});
    EXPECT_EQ(judge(kToService), 0);
    maps_->set_local_prefixes({{*net::IpAddress::parse("192.0.2.0"), 24}});
    EXPECT_EQ(judge(kToService), XVS_REASON_SERVICE);
}

TEST_F(Steer, ForgetsAServiceThatIsRemoved) {
    maps_->remove_service(key(model::Protocol::Tcp, "192.0.2.1", 80));
    EXPECT_EQ(judge(kToService), 0);
    EXPECT_EQ(judge(v6(kToService)), XVS_REASON_SERVICE);
}

TEST_F(Steer, KnowsWhatWasGatheredOnceItIsPut) {
    Packet other = kToService;
    other.destination_port = 81;
    maps_->gather();
    maps_->add_service(key(model::Protocol::Tcp, "192.0.2.1", 81));
    EXPECT_EQ(judge(other), 0);
    maps_->put_gathered();
    EXPECT_EQ(judge(other), XVS_REASON_SERVICE);
    EXPECT_EQ(judge(kToService), XVS_REASON_SERVICE);
    maps_->remove_service(key(model::Protocol::Tcp, "192.0.2.1", 81));
    EXPECT_EQ(judge(other), 0) << "no longer gathered";
}

TEST_F(Steer, RemovesWhatWasGatheredBefore) {
    Packet other = kToService;
    other.destination_port = 81;
    maps_->gather();
    maps_->add_service(key(model::Protocol::Tcp, "192.0.2.1", 81));
    maps_->remove_service(key(model::Protocol::Tcp, "192.0.2.1", 81));
    maps_->remove_service(key(model::Protocol::Tcp, "192.0.2.1", 80));
    maps_->add_service(key(model::Protocol::Tcp, "192.0.2.1", 80));
    maps_->put_gathered();
    EXPECT_EQ(judge(other), 0);
    EXPECT_EQ(judge(kToService), XVS_REASON_SERVICE);
}

// One by one, so that none is left out that has room.
TEST_F(Steer, KnowsAsManyGatheredOnesAsThereIsRoomFor) {
    maps_->gather();
    for (std::uint32_t i = 0; i < XVS_MAX_SERVICES; ++i)
        maps_->add_service({.protocol = model::Protocol::Tcp,
                            .address = net::Ipv4Address(0x0a000000 + i),
                            .port = net::Port{80},
                            .fwmark = 0});
    maps_->add_service(key(model::Protocol::Tcp, "192.0.2.1", 80));
    maps_->put_gathered();
    maps_->set_local_prefixes({{*net::IpAddress::parse("10.0.0.0"), 8}});
    Packet packet = kToService;
    packet.destination = "10.0.0.5";
    EXPECT_EQ(judge(packet), XVS_REASON_SERVICE);
    packet.destination = "10.0.255.255";
    EXPECT_EQ(judge(packet), 0) << "there is no room";
    maps_->remove_service(key(model::Protocol::Tcp, "10.0.0.5", 80));
    maps_->add_service(key(model::Protocol::Tcp, "10.0.255.255", 80));
    EXPECT_EQ(judge(packet), XVS_REASON_SERVICE);
}

TEST_F(Steer, TakesEveryPortOfAnAnyPortServiceWhileThereIsOne) {
    Packet packet = kToService;
    packet.destination_port = 12345;
    EXPECT_EQ(judge(packet), 0);
    maps_->add_service(key(model::Protocol::Tcp, "192.0.2.1", 0));
    EXPECT_EQ(judge(packet), XVS_REASON_SERVICE);
    EXPECT_EQ(judge(v6(packet)), 0);
    maps_->remove_service(key(model::Protocol::Tcp, "192.0.2.1", 0));
    EXPECT_EQ(judge(packet), 0);
}

TEST_F(Steer, TakesFreePortsAndPort20ForAnFtpService) {
    maps_->add_service(key(model::Protocol::Tcp, "192.0.2.1", 21));
    Packet packet = kToService;
    for (const auto& [port, reason] : {std::pair{1024, int{XVS_REASON_SERVICE}},
                                       std::pair{20, int{XVS_REASON_SERVICE}},
                                       std::pair{1023, 0}}) {
        packet.destination_port = static_cast<std::uint16_t>(port);
        EXPECT_EQ(judge(packet), reason) << port;
    }
}

TEST_F(Steer, TakesRepliesOfANatDestinationButNotToTheHostItself) {
    EXPECT_EQ(judge(kFromReal), XVS_REASON_REPLY);
    EXPECT_EQ(judge(v6(kFromReal)), XVS_REASON_REPLY);
    Packet check = kFromReal;  // answers a health check
    check.destination = "10.0.0.1";
    EXPECT_EQ(judge(check), 0);
    EXPECT_EQ(judge(v6(check)), 0);
    Packet other = kFromReal;
    other.source_port = 22;
    EXPECT_EQ(judge(other), 0);
}

TEST_F(Steer, CountsThoseWhoWantANatSource) {
    const net::Endpoint real{*net::IpAddress::parse("10.0.0.11"), net::Port{8080}};
    maps_->add_nat_source(model::Protocol::Tcp, real);
    maps_->remove_nat_source(model::Protocol::Tcp, real);
    EXPECT_EQ(judge(kFromReal), XVS_REASON_REPLY);
    maps_->remove_nat_source(model::Protocol::Tcp, real);
    EXPECT_EQ(judge(kFromReal), 0);
    maps_->remove_nat_source(model::Protocol::Tcp, real);
    EXPECT_EQ(judge(kFromReal), 0);
}

TEST_F(Steer, TakesALiveFlowWhateverItsAddressesAre) {
    Packet packet{.source = "198.51.100.8",
                  .destination = "203.0.113.77",
                  .source_port = 1234,
                  .destination_port = 99};
    EXPECT_EQ(judge(packet), 0);
    install<flow::Ipv4>(packet);
    EXPECT_EQ(judge(packet), XVS_REASON_FLOW);
    EXPECT_EQ(judge(v6(packet)), 0);
    install<flow::Ipv6>(v6(packet));
    EXPECT_EQ(judge(v6(packet)), XVS_REASON_FLOW);
    packet.source_port = 1235;
    EXPECT_EQ(judge(packet), 0);
}

TEST_F(Steer, FindsEveryFlowThatTheTableTook) {
    Packet packet{.source = "198.51.100.8", .destination = "203.0.113.77", .destination_port = 99};
    for (std::uint16_t port = 1; port <= 1000; ++port) {
        packet.source_port = port;
        install<flow::Ipv4>(packet);
    }
    for (std::uint16_t port = 1; port <= 1000; ++port) {
        packet.source_port = port;
        ASSERT_EQ(judge(packet), XVS_REASON_FLOW) << port;
    }
}

TEST_F(Steer, NoLongerTakesAFlowThatIsRetired) {
    const Packet packet{.source = "198.51.100.8", .destination = "203.0.113.77"};
    install<flow::Ipv4>(packet);
    auto& flows = tables_->flows<flow::Ipv4>();
    for (flow::SlotIndex slot = 0; slot < flows.capacity(); ++slot)
        flows.retire(slot);
    EXPECT_EQ(judge(packet), 0);
}

}  // namespace
}  // namespace xvs::offload
