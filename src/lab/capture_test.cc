#include "lab/capture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lab/packet_way.h"
#include "net/tcp.h"

namespace xvs::lab {
namespace {

using model::ForwardingMethod;
using testing::HasSubstr;

// A SYN from 198.51.100.7:40001 to 192.0.2.1:80 in a frame, as tcpdump -xx shows it.
constexpr std::uint8_t kSyn[] = {
    0x02, 0x00, 0x00, 0x00, 0x00, 0x10, 0x02, 0x00, 0x00, 0x00, 0x00, 0x07, 0x08, 0x00,  // frame
    0x45, 0x00, 0x00, 0x28, 0x00, 0x01, 0x40, 0x00, 0x3f, 0x06, 0x00, 0x00,              // IPv4
    0xc6, 0x33, 0x64, 0x07, 0xc0, 0x00, 0x02, 0x01,                                      //
    0x9c, 0x41, 0x00, 0x50, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00,              // TCP
    0x50, 0x02, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00};
// Put before the IPv4 header: IPIP from 192.0.2.10 to 10.0.0.12.
constexpr std::uint8_t kOuter[] = {0x45, 0x00, 0x00, 0x3c, 0x00, 0x02, 0x40, 0x00, 0x40, 0x04,
                                   0x00, 0x00, 0xc0, 0x00, 0x02, 0x0a, 0x0a, 0x00, 0x00, 0x0c};
constexpr std::size_t kFrameHeader = 14;

std::vector<std::byte> bytes_of(std::span<const std::uint8_t> values) {
    std::vector<std::byte> bytes;
    for (const std::uint8_t value : values)
        bytes.push_back(std::byte{value});
    return bytes;
}

std::vector<std::byte> tunnelled_syn() {
    std::vector<std::byte> frame = bytes_of(kSyn);
    const auto outer = bytes_of(kOuter);
    frame.insert(frame.begin() + kFrameHeader, outer.begin(), outer.end());
    return frame;
}

net::Endpoint endpoint(std::string_view text) {
    return net::Endpoint::parse(text).value();
}

TEST(Capture, ReadsAFramesAddressesAndTtl) {
    const auto seen = describe_frame(bytes_of(kSyn));

    ASSERT_TRUE(seen);
    EXPECT_EQ(seen->source, endpoint("198.51.100.7:40001"));
    EXPECT_EQ(seen->destination, endpoint("192.0.2.1:80"));
    EXPECT_EQ(seen->to_mac.to_string(), "02:00:00:00:00:10");
    EXPECT_EQ(seen->ttl, 63U);
    EXPECT_EQ(seen->tcp_flags, net::tcp_flag::kSyn);
    EXPECT_FALSE(seen->outer);
}

TEST(Capture, LooksIntoTheOuterHeader) {
    const auto seen = describe_frame(tunnelled_syn());

    ASSERT_TRUE(seen && seen->outer);
    EXPECT_EQ(seen->outer->source.to_string(), "192.0.2.10");
    EXPECT_EQ(seen->outer->destination.to_string(), "10.0.0.12");
    EXPECT_EQ(seen->destination, endpoint("192.0.2.1:80"));
}

TEST(Capture, LeavesOutWhatIsCutShort) {
    const auto whole = bytes_of(kSyn);
    for (std::size_t size = 0; size < whole.size(); ++size)
        EXPECT_FALSE(describe_frame(std::span(whole).first(size))) << size;
}

Sighting sighting(const std::string& node, bool sent, std::string_view to, unsigned ttl) {
    Sighting seen = describe_frame(bytes_of(kSyn)).value();
    seen.node = node;
    seen.interface = "eth0";
    seen.sent = sent;
    seen.destination = endpoint(to);
    seen.ttl = ttl;
    return seen;
}

// Seen in no order, once sent again, and with what the director sends itself.
std::vector<Sighting> seen_with_nat() {
    return {sighting("rs2", false, "10.0.0.12:8080", 63),
            sighting("client", true, "192.0.2.1:80", 64),
            sighting("director", false, "192.0.2.1:80", 64),
            sighting("director", true, "10.0.0.12:8080", 63),
            sighting("client", true, "192.0.2.1:80", 64)};
}

TEST(PacketWay, TakesEachPlaceOnceInTheOrderOfTheWay) {
    const PacketWay way = packet_way(seen_with_nat(), endpoint("198.51.100.7:40001"));

    ASSERT_EQ(way.request.size(), 3U);
    EXPECT_EQ(way.request[0].node, "client");
    EXPECT_EQ(way.request[1].node, "director");
    EXPECT_EQ(way.request[2].node, "rs2");
    EXPECT_TRUE(way.reply.empty());
}

TEST(PacketWay, LeavesOutOtherClients) {
    EXPECT_TRUE(packet_way(seen_with_nat(), endpoint("198.51.100.7:40002")).request.empty());
}

TEST(PacketWay, MarksWhatChangedInItsTable) {
    const PacketWay way = packet_way(seen_with_nat(), endpoint("198.51.100.7:40001"));
    const std::string table = to_table(way, make_plan({}).value(), Paint(false));

    EXPECT_EQ(table,
              "                     from                  to                    TTL\n"
              "  client   sends     198.51.100.7:40001    192.0.2.1:80          64\n"
              "  director receives  198.51.100.7:40001    192.0.2.1:80          64\n"
              "  rs2      receives  198.51.100.7:40001    10.0.0.12:8080*       63*\n"
              "\n");
}

TEST(PacketWay, ShowsTheOuterHeaderOfATunnel) {
    PacketWay way;
    way.request = {describe_frame(tunnelled_syn()).value()};
    PlanOptions options;
    options.method = ForwardingMethod::Tunnel;

    EXPECT_THAT(to_table(way, make_plan(options).value(), Paint(false)),
                HasSubstr("192.0.2.10 > 10.0.0.12"));
}

}  // namespace
}  // namespace xvs::lab
