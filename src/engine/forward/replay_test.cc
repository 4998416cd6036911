#include "engine/forward/replay.h"

#include <gmock/gmock.h>

#include "engine/forward/fragment_output.h"
#include "net/checksum.h"
#include "net/sctp.h"
#include "testing/director.h"
#include "testing/literals.h"

namespace xvs::test {
namespace {

using namespace xvs::test::literals;  // NOLINT(google-build-using-namespace): literals only
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr auto kClient = "198.51.100.7:40001"_ep;
constexpr auto kVip = "192.0.2.1:80"_ep;
constexpr auto kReal = "10.0.0.11:8080"_ep;
constexpr auto kNat =
    "-A -t 192.0.2.1:80 -s rr\n"
    "-a -t 192.0.2.1:80 -r 10.0.0.11:8080 -m";
constexpr auto kTunnel =
    "-A -t 192.0.2.1:80 -s rr\n"
    "-a -t 192.0.2.1:80 -r 10.0.0.11 -i";

constexpr std::size_t kTransport = 20;  // of an IPv4 packet without options
constexpr std::size_t kTcpChecksum = 16;

constexpr std::size_t kLink = engine::kEthernetHeaderSize;

engine::Offload partial_tcp() {
    return {.has_partial_checksum = true,
            .checksum_start = kLink + kTransport,
            .checksum_offset = kTcpChecksum};
}

// The packet with its checksum left to the device: the pseudo-header's sum.
Bytes with_partial_checksum(const Packet& packet) {
    Bytes bytes = packet.bytes();
    const auto sum = net::pseudo_header_sum(packet.source.as<net::Ipv4Address>(),
                                            packet.destination.as<net::Ipv4Address>(),
                                            net::IpProtocol::Tcp,
                                            bytes.size() - kTransport);
    store_be16(bytes.data() + kTransport + kTcpChecksum, net::fold(sum));
    return bytes;
}

// What the device makes of it.
Bytes completed(const Sent& sent) {
    Bytes bytes(kLink);
    bytes.insert(bytes.end(), sent.packet.begin(), sent.packet.end());
    engine::Frame frame{.data = bytes.data(),
                        .length = static_cast<std::uint32_t>(bytes.size()),
                        .offload = sent.offload};
    engine::complete_checksum(frame);
    return {bytes.begin() + kLink, bytes.end()};
}

TEST(Replay, KeepsAPartialChecksumPartialAndRight) {
    Director director(kNat);
    const Packet packet = Packet::tcp(kClient, kVip).flags("S").length(100);
    const auto sent = director.receives(
        with_partial_checksum(packet), {.offload = partial_tcp()}, net::EtherType::Ipv4);
    ASSERT_THAT(sent, SizeIs(1));
    EXPECT_TRUE(sent[0].offload.has_partial_checksum);
    EXPECT_TRUE(
        Packet::tcp(kClient, kReal).flags("S").length(100).ttl(63).matches(completed(sent[0])));
}

// No device is told that it is a CRC which was left to it.
TEST(Replay, FillsInAnSctpChecksumThatWasLeftToTheDevice) {
    const engine::Offload partial{.has_partial_checksum = true,
                                  .checksum_start = kLink + kTransport,
                                  .checksum_offset = net::SctpView::kChecksumOffset};
    for (const char* method : {"-m", "-g"}) {
        Director director(std::string("-A --sctp-service 192.0.2.1:80 -s rr\n"
                                      "-a --sctp-service 192.0.2.1:80 -r 10.0.0.11:80 ") +
                          method);
        const bool is_nat = std::string_view(method) == "-m";
        const Packet sent = Packet::sctp(kClient, kVip, {net::sctp_chunk::kInit}).length(100);
        const Packet expected =
            Packet::sctp(kClient, is_nat ? "10.0.0.11:80"_ep : kVip, {net::sctp_chunk::kInit});
        const auto got = director.receives(
            sent.checksum(0x12345678).bytes(), {.offload = partial}, net::EtherType::Ipv4);
        ASSERT_THAT(got, ElementsAre(expected.length(100).ttl(63)));
        EXPECT_FALSE(got[0].offload.has_partial_checksum);
    }
}

// As of a VXLAN packet, whose own checksum is complete while that of the packet inside is not.
TEST(Replay, TreatsAPartialChecksumFurtherInsideAsNotItsOwn) {
    Director director(kNat);
    engine::Offload inside = partial_tcp();
    inside.checksum_start += 60;
    const auto sent =
        director.receives(Packet::tcp(kClient, kVip).flags("S").length(200), {.offload = inside});
    EXPECT_THAT(sent, ElementsAre(Packet::tcp(kClient, kReal).flags("S").length(200).ttl(63)));
}

TEST(Replay, KeepsASuperPacketWhole) {
    Director director(kNat);
    director.receives(Packet::tcp(kClient, kVip).flags("S"));
    engine::Offload offload = partial_tcp();
    offload.segmentation = engine::Segmentation::Tcp4;
    offload.segment_size = 1460;
    offload.header_length = 54;
    const Packet super = Packet::tcp(kClient, kVip).flags(".").length(60'000).df();
    const auto sent =
        director.receives(with_partial_checksum(super), {.offload = offload}, net::EtherType::Ipv4);
    ASSERT_THAT(sent, SizeIs(1));
    EXPECT_EQ(sent[0].offload.segment_size, 1460);
    EXPECT_TRUE(Packet::tcp(kClient, kReal)
                    .flags(".")
                    .length(60'000)
                    .df()
                    .ttl(63)
                    .matches(completed(sent[0])));
}

// Of GUE and GRE, each segment has a header and a checksum of its own.
TEST(Replay, CutsASuperPacketForATunnelWhoseHeaderTheKernelDoesNotWrite) {
    for (const std::string tunnel : {"gue --tun-port 6080 --tun-csum", "gre --tun-csum", "gre"}) {
        Director director(
            "-A -t 192.0.2.1:80 -s rr\n"
            "-a -t 192.0.2.1:80 -r 10.0.0.11 -i --tun-type " +
            tunnel);
        director.receives(Packet::tcp(kClient, kVip).flags("S"));
        engine::Offload offload = partial_tcp();
        offload.segmentation = engine::Segmentation::Tcp4;
        offload.segment_size = 1400;
        offload.header_length = 54;
        const Packet super =
            Packet::tcp(kClient, kVip).flags("FP.").seq(7).ip_id(9).length(60'000).df();
        const auto sent = director.receives(
            with_partial_checksum(super), {.offload = offload}, net::EtherType::Ipv4);
        ASSERT_THAT(sent, SizeIs(43)) << tunnel;
        for (std::size_t each = 0; each < sent.size(); ++each) {
            const std::size_t at = 1400 * each;
            const bool is_last = each + 1 == sent.size();
            const auto outer = Packet::decode(sent[each].packet);
            ASSERT_TRUE(outer && outer->inner.size() == 1) << tunnel;
            EXPECT_FALSE(outer->has_bad_checksum || outer->stated_checksum);
            EXPECT_EQ(outer->inner.front(),
                      Packet::tcp(kClient, kVip)
                          .flags(is_last ? "FP." : ".")
                          .seq(static_cast<std::uint32_t>(7 + at))
                          .ip_id(static_cast<std::uint32_t>(9 + each))
                          .length(is_last ? 60'000 - at : 1400, at)
                          .df()
                          .ttl(63));
        }
    }
}

TEST(Replay, TellsTheSenderOfASuperPacketWhoseSegmentsAreTooLong) {
    Director director(kTunnel);
    director.receives(Packet::tcp(kClient, kVip).flags("S"));
    engine::Offload offload = partial_tcp();
    offload.segmentation = engine::Segmentation::Tcp4;
    offload.segment_size = 1460;
    const Packet super = Packet::tcp(kClient, kVip).flags(".").length(30'000);
    const Arrival arrival{.offload = offload};
    EXPECT_THAT(director.receives(with_partial_checksum(super.df()), arrival, net::EtherType::Ipv4),
                SizeIs(1));
    EXPECT_EQ(director.drops().at(engine::DropReason::TooBig), 1U);
    // Without DF its segments are made shorter instead.
    const auto sent =
        director.receives(with_partial_checksum(super), arrival, net::EtherType::Ipv4);
    ASSERT_THAT(sent, SizeIs(1));
    EXPECT_EQ(sent[0].offload.segment_size, 1440);
    EXPECT_EQ(sent[0].outer_size, 20U);
}

TEST(Replay, DropsASuperPacketThatIsNone) {
    Director director(kNat);
    const auto drops_of = [&](engine::Segmentation segmentation, std::uint16_t size) {
        const engine::Offload offload{.segmentation = segmentation, .segment_size = size};
        EXPECT_THAT(director.receives(Packet::tcp(kClient, kVip).flags("S"), {.offload = offload}),
                    IsEmpty());
        return director.drops().at(engine::DropReason::BadOffload);
    };
    EXPECT_EQ(drops_of(engine::Segmentation::Tcp4, 0), 1U);
    EXPECT_EQ(drops_of(engine::Segmentation::Udp, 1000), 2U);
    EXPECT_EQ(drops_of(engine::Segmentation::Tcp6, 1000), 3U);
}

TEST(Replay, LeavesAUdpChecksumOfZeroAlone) {
    Director director(
        "-A -u 192.0.2.1:53 -s rr\n"
        "-a -u 192.0.2.1:53 -r 10.0.0.11:5353 -m");
    EXPECT_THAT(
        director.receives(Packet::udp(kClient, "192.0.2.1:53"_ep).length(5).no_checksum()),
        ElementsAre(Packet::udp(kClient, "10.0.0.11:5353"_ep).length(5).no_checksum().ttl(63)));
}

TEST(Replay, CutsWhatIsTooLongAndMayBeCutHoweverManyPiecesItGives) {
    Director director(
        "-A -u 192.0.2.1:53 -s rr\n"
        "-a -u 192.0.2.1:53 -r 10.0.0.11:53 -m");
    director.tables->next_hops()[director.router.next_hop_of("10.0.0.11"_ip)].mtu = 576;
    const Packet whole = Packet::udp(kClient, "192.0.2.1:53"_ep).length(40'000).ip_id(5);
    const Packet expected = Packet::udp(kClient, "10.0.0.11:53"_ep).length(40'000).ip_id(5).ttl(63);
    const auto sent = director.receives(whole);
    std::size_t at = 0;
    for (const Sent& each : sent) {
        const Packet piece = Packet::fragment(expected, at, 552);
        EXPECT_EQ(each, piece);
        at += 552;
    }
    EXPECT_GE(at, 40'008U);
    EXPECT_THAT(director.drops(), IsEmpty());
}

TEST(Replay, DropsWhatOutgrowsItsOuterHeader) {
    Director director(kTunnel);
    director.tables->next_hops()[director.router.next_hop_of("10.0.0.11"_ip)].mtu = 65535;
    director.receives(Packet::tcp(kClient, kVip).flags("S"));
    EXPECT_THAT(director.receives(Packet::tcp(kClient, kVip).flags(".").length(65'470)), SizeIs(1));
    const auto sent = director.receives(Packet::tcp(kClient, kVip).flags(".").length(65'490));
    ASSERT_THAT(sent, SizeIs(1));
    EXPECT_EQ(sent[0].to, "client") << "the sender is told";
    EXPECT_EQ(director.drops().at(engine::DropReason::TooBig), 1U);
}

TEST(Replay, CompletesTheChecksumOfALaterPacketInATunnel) {
    Director director(kTunnel);
    director.receives(Packet::tcp(kClient, kVip).flags("S"));
    const Packet later = Packet::tcp(kClient, kVip).flags(".").length(100);
    director.receives(later);  // the engine follows the handshake up to here
    const auto sent = director.receives(
        with_partial_checksum(later), {.offload = partial_tcp()}, net::EtherType::Ipv4);
    ASSERT_THAT(sent, SizeIs(1));
    EXPECT_FALSE(sent[0].offload.has_partial_checksum);
}

TEST(Replay, CopiesTtlDfAndEcnButForCongestionIntoTheOuterHeader) {
    Director director(kTunnel);
    const Packet inner = Packet::tcp(kClient, kVip).flags("S").df().ttl(9).tos(0x2b);
    EXPECT_THAT(director.receives(inner),
                ElementsAre(inner.ttl(8)
                                .encapsulated_in_ipip("10.0.0.1"_ip, "10.0.0.11"_ip)
                                .ttl(8)
                                .tos(0x2a)
                                .df()));
}

TEST(Replay, CopiesHopLimitAndTrafficClassIntoAnOuterIpv6Header) {
    Director director(
        "-A -t [2001:db8::1]:80 -s rr\n"
        "-a -t [2001:db8::1]:80 -r 2001:db8:2::11 -i");
    const Packet inner =
        Packet::tcp("[2001:db8:1::7]:40001"_ep, "[2001:db8::1]:80"_ep).flags("S").ttl(9).tos(0x29);
    EXPECT_THAT(director.receives(inner),
                ElementsAre(inner.ttl(8)
                                .encapsulated_in_ipip("2001:db8:2::1"_ip, "2001:db8:2::11"_ip)
                                .ttl(8)
                                .tos(0x29)));
}

TEST(Replay, GivesALocalNodeItsPacketsWhateverTheirTtl) {
    Director director(
        "-A -t 192.0.2.1:80 -s rr\n"
        "-a -t 192.0.2.1:80 -r 192.0.2.1:8080 -m");
    EXPECT_THAT(director.receives(Packet::tcp(kClient, kVip).flags("S").ttl(1)), IsEmpty());
    EXPECT_THAT(director.given_to_host(),
                ElementsAre(Packet::tcp(kClient, "192.0.2.1:8080"_ep).flags("S").ttl(1)));
    EXPECT_THAT(director.sends_itself(Packet::tcp("192.0.2.1:8080"_ep, kClient).flags("S.")),
                ElementsAre(Packet::tcp(kVip, kClient).flags("S.")));
    EXPECT_EQ(director.inconsistencies(), "");
}

TEST(Replay, LeavesToTheHostWhatComesFromNowhere) {
    Director director(kNat);
    for (const auto& from : {"0.0.0.0:7"_ep,
                             "127.0.0.1:7"_ep,
                             "224.0.0.1:7"_ep,
                             "255.255.255.255:7"_ep,
                             "198.51.100.7:20"_ep}) {
        EXPECT_THAT(director.receives(Packet::tcp(from, kVip).flags("S")), IsEmpty());
        EXPECT_THAT(director.given_to_host(), SizeIs(1)) << from.to_string();
    }
    EXPECT_THAT(director.connections(), IsEmpty());
}

TEST(Replay, ServesARealServerThatIsAClientToo) {
    Director director(kNat);
    constexpr auto kOwn = "10.0.0.11:8080"_ep;
    EXPECT_THAT(director.hears(Packet::tcp(kOwn, kVip).flags("S")), SizeIs(1));
    director.hears(Packet::tcp(kOwn, kOwn).flags("S."));
    EXPECT_EQ(director.inconsistencies(), "");
}

TEST(Replay, FollowsARouteThatChanges) {
    Director director(kNat);
    director.receives(Packet::tcp(kClient, kVip).flags("S"));
    director.hears(Packet::tcp(kReal, kClient).flags("S."));
    const TestHost& other = *find_host("real2");
    const DirectorLink& link = director_link(Side::Real);
    director.tables->next_hops().invalidate(director.router.next_hop_of(kReal.address));
    director.router.add_route(
        kReal.address, {.index = interface_of(Side::Real), .mac = link.mac}, other.mac, link.v4);
    const auto sent = director.receives(Packet::tcp(kClient, kVip).flags("."));
    ASSERT_THAT(sent, SizeIs(1));
    EXPECT_EQ(sent[0].to, "real2");
    director.router.remove_route(kReal.address);
    director.router.set_default("203.0.113.1"_ip);
    EXPECT_THAT(director.receives(Packet::tcp(kClient, kVip).flags(".")), IsEmpty());
    EXPECT_EQ(director.drops().at(engine::DropReason::NoRoute), 1U);
    // An error about it has no way either.
    EXPECT_THAT(director.receives(Packet::icmp_error(kClient.address,
                                                     kVip.address,
                                                     "port unreachable",
                                                     Packet::tcp(kVip, kClient).flags("."))),
                IsEmpty());
    EXPECT_EQ(director.drops().at(engine::DropReason::NoRoute), 2U);
    EXPECT_EQ(director.inconsistencies(), "");
}

}  // namespace
}  // namespace xvs::test
