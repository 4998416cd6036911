// What comes back from the engine, and what the host itself sends.
#include "offload/steer_fixture_test.h"

namespace xvs::offload {
namespace {

TEST_F(Steer, KnowsWhatWasGivenBackToTheHost) {
    const Bytes frame = frame_of(kToService);
    const Outcome outcome = run(frame, SteeringPart::Ingress, XVS_MARK_TO_HOST);
    EXPECT_EQ(outcome.action, TC_ACT_UNSPEC);
    EXPECT_EQ(outcome.mark, 0u);
    EXPECT_EQ(outcome.frame, frame);
    EXPECT_EQ(run(frame, SteeringPart::Ingress, 0x1234).reason, XVS_REASON_SERVICE);
}

TEST_F(Steer, TakesWhatTheHostItselfSendsAsARealServer) {
    const auto real = *net::IpAddress::parse("10.0.0.1");
    maps_->add_nat_source(model::Protocol::Tcp, {real, net::Port{8080}});
    Packet reply{.source = "10.0.0.1",
                 .destination = "198.51.100.7",
                 .source_port = 8080,
                 .destination_port = 40001};
    const Bytes frame = frame_of(reply);
    const Outcome outcome = run(frame, SteeringPart::Egress);
    EXPECT_EQ(outcome.reason, XVS_REASON_EGRESS);
    // The MAC address it was to leave by stands in the source's place.
    EXPECT_EQ(Bytes(outcome.frame.begin() + 6, outcome.frame.begin() + 12),
              Bytes(frame.begin(), frame.begin() + 6));
    EXPECT_EQ(run(frame, SteeringPart::Egress, XVS_MARK_TO_WIRE).action, TC_ACT_UNSPEC);
    reply.source_port = 8081;
    EXPECT_EQ(judge_egress(reply), 0);
    // One that is forwarded came by another host's hand.
    EXPECT_EQ(judge_egress(kFromReal), 0);
}

// What comes back from the engine.
class SteerReturn : public Steer {
protected:
    static Bytes command(std::uint8_t kind, std::uint16_t slot) {
        Bytes frame = frame_of(kToService);
        const xvs_metadata metadata{
            .magic = XVS_METADATA_MAGIC, .kind = kind, .slot = slot, .position = 0};
        std::memcpy(frame.data(), &metadata, sizeof(metadata));
        return frame;
    }

    static Bytes mac() {
        return {
            std::byte{2}, std::byte{4}, std::byte{6}, std::byte{8}, std::byte{10}, std::byte{12}};
    }
};

TEST_F(SteerReturn, GivesAPacketToTheHostWhereItCameIn) {
    const Outcome outcome = run(command(XVS_COMMAND_TO_HOST, kSlot), SteeringPart::Return);
    EXPECT_EQ(outcome.action, TC_ACT_REDIRECT);
    EXPECT_EQ(outcome.mark, XVS_MARK_TO_HOST);
    EXPECT_EQ(Bytes(outcome.frame.begin(), outcome.frame.begin() + 6), mac());
}

TEST_F(SteerReturn, LetsAPacketOutThatWasAboutToLeave) {
    Bytes frame = command(XVS_COMMAND_TO_WIRE, kSlot);
    frame[6] = std::byte{0xee};
    const Outcome outcome = run(frame, SteeringPart::Return);
    EXPECT_EQ(outcome.action, TC_ACT_REDIRECT);
    EXPECT_EQ(outcome.mark, XVS_MARK_TO_WIRE);
    EXPECT_EQ(outcome.frame[0], std::byte{0xee});
    EXPECT_EQ(Bytes(outcome.frame.begin() + 6, outcome.frame.begin() + 12), mac());
}

TEST_F(SteerReturn, DropsWhatItDoesNotKnow) {
    EXPECT_EQ(run(frame_of(kToService), SteeringPart::Return).action, TC_ACT_SHOT);
    EXPECT_EQ(run(command(0x99, kSlot), SteeringPart::Return).action, TC_ACT_SHOT);
    EXPECT_EQ(run(command(XVS_COMMAND_TO_HOST, 6), SteeringPart::Return).action, TC_ACT_SHOT);
    EXPECT_EQ(run(command(XVS_COMMAND_TO_HOST, 0xffff), SteeringPart::Return).action, TC_ACT_SHOT);
}

TEST_F(SteerReturn, PutsAnOuterHeaderInFront) {
    xvs_outer_header& outer = program_->outer_headers()[0];
    outer.family = 4;
    outer.ethernet[0] = 0x0a;
    outer.ethernet[12] = 0x08;
    const Packet tunnel{.source = "10.0.0.1", .destination = "10.0.0.12", .protocol = 4};
    const Bytes header = ipv4(tunnel);
    std::memcpy(outer.header, header.data(), 20);
    const Bytes frame = command(XVS_COMMAND_ENCAPSULATE, kSlot);

    const Outcome outcome = run(frame, SteeringPart::Return);
    EXPECT_EQ(outcome.action, TC_ACT_REDIRECT);
    ASSERT_EQ(outcome.frame.size(), frame.size() + 20);
    EXPECT_EQ(outcome.frame[0], std::byte{0x0a});
    EXPECT_EQ(load_be16(outcome.frame.data() + 16), outcome.frame.size() - 14);
    std::uint32_t sum = 0;
    for (std::size_t i = 14; i < 34; i += 2)
        sum += load_be16(outcome.frame.data() + i);
    EXPECT_EQ((sum & 0xffff) + (sum >> 16), 0xffffu);
    EXPECT_EQ(Bytes(outcome.frame.begin() + 34, outcome.frame.end()),
              Bytes(frame.begin() + 14, frame.end()));
}

}  // namespace
}  // namespace xvs::offload
