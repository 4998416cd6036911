#include "engine/forward/tunnel_fit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/forward/transmitter.h"
#include "net/checksum.h"
#include "testing/director.h"
#include "testing/literals.h"

namespace xvs::test {
namespace {

using ::testing::SizeIs;

constexpr auto kClient = "198.51.100.7:40001"_ep;
constexpr auto kVip = "192.0.2.1:80"_ep;
constexpr auto kClamped =
    "-A -t 192.0.2.1:80 -s rr --mss-clamp\n"
    "-a -t 192.0.2.1:80 -r 10.0.0.11 -i";

constexpr std::size_t kHeaders = 40;      // of IPv4 and TCP without options
constexpr std::size_t kTcpChecksum = 36;  // from the IP header on

Packet segment(std::uint32_t length) {
    return Packet::tcp(kClient, kVip).flags(".").length(length).df();
}

TEST(TunnelFit, LeavesASegmentThatIsTooLongToBeCut) {
    Director director(kClamped);
    director.receives(Packet::tcp(kClient, kVip).flags("S"));
    const auto sent = director.receives(segment(1460));
    ASSERT_THAT(sent, SizeIs(1));
    EXPECT_EQ(sent[0].offload.segmentation, engine::Segmentation::Tcp4);
    EXPECT_EQ(sent[0].offload.segment_size, 1440);
    EXPECT_EQ(sent[0].outer_size, 20U);
    EXPECT_EQ(sent[0].offload.header_length, engine::kEthernetHeaderSize + 20 + kHeaders);
    EXPECT_TRUE(sent[0].offload.has_partial_checksum);
    EXPECT_TRUE(director.drops().empty());
}

TEST(TunnelFit, LeavesTheChecksumOfWhatIsCutToTheDevice) {
    Director director(kClamped);
    director.receives(Packet::tcp(kClient, kVip).flags("S"));
    const auto sent = director.receives(segment(1460));
    ASSERT_THAT(sent, SizeIs(1));
    // In front of it is the outer header.
    const std::span<const std::byte> inner = std::span(sent[0].packet).subspan(20);
    ASSERT_EQ(inner.size(), kHeaders + 1460);
    const auto pseudo = net::pseudo_header_sum(
        kClient.address.v4(), kVip.address.v4(), net::IpProtocol::Tcp, inner.size() - 20);
    EXPECT_EQ(load_be16(&inner[kTcpChecksum]), net::fold(pseudo));
}

TEST(TunnelFit, ShortensTheSegmentsOfASuperPacket) {
    Director director(kClamped);
    director.receives(Packet::tcp(kClient, kVip).flags("S"));
    const engine::Offload offload{.segmentation = engine::Segmentation::Tcp4,
                                  .has_partial_checksum = true,
                                  .segment_size = 1460,
                                  .header_length = engine::kEthernetHeaderSize + kHeaders,
                                  .checksum_start = engine::kEthernetHeaderSize + 20,
                                  .checksum_offset = 16};
    const auto sent = director.receives(segment(30'000), {.offload = offload});
    ASSERT_THAT(sent, SizeIs(1));
    EXPECT_EQ(sent[0].offload.segment_size, 1440);
}

// The real server would have thrown it away: it is not to be made right on the way.
TEST(TunnelFit, CutsNothingThatIsDamaged) {
    Director director(kClamped);
    director.receives(Packet::tcp(kClient, kVip).flags("S"));
    EXPECT_THAT(director.receives(segment(1460).bad_checksum()), SizeIs(1));
    EXPECT_EQ(director.drops().at(engine::DropReason::TooBig), 1U);
}

TEST(TunnelFit, IsForWhoAskedForIt) {
    Director director(kClamped);
    ASSERT_TRUE(director.ipvsadm("-E -t 192.0.2.1:80 -s rr"));
    director.receives(Packet::tcp(kClient, kVip).flags("S"));
    director.receives(segment(1460));
    EXPECT_EQ(director.drops().at(engine::DropReason::TooBig), 1U);
}

}  // namespace
}  // namespace xvs::test
