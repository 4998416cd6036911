#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "net/ethernet.h"
#include "net/icmp.h"
#include "net/icmpv6.h"
#include "net/ipv4.h"
#include "net/ipv6.h"
#include "net/tcp.h"
#include "net/udp.h"

namespace xvs::net {
namespace {

// "45 00": bytes in hexadecimal, blanks ignored.
std::vector<std::byte> hex(std::string_view text) {
    std::vector<std::byte> bytes;
    unsigned value = 0;
    bool is_second = false;
    for (const char c : text) {
        if (c == ' ') continue;
        value = value * 16 + static_cast<unsigned>(c <= '9' ? c - '0' : c - 'a' + 10);
        if (is_second) bytes.push_back(static_cast<std::byte>(value));
        if (is_second) value = 0;
        is_second = !is_second;
    }
    return bytes;
}

std::span<const std::byte> read(const std::vector<std::byte>& bytes) {
    return bytes;
}

std::span<std::byte> write(std::vector<std::byte>& bytes) {
    return bytes;
}

// A SYN of 198.51.100.7:40001 to 192.0.2.1:80 with MSS 1460, as tcpdump shows a real one.
constexpr std::string_view kIpHeader = "45 03 00 2c 12 34 40 00 40 06 0000 c6336407 c0000201";
constexpr std::string_view kTcpHeader =
    "9c41 0050 000003e8 00000000 60 02 ffff 0000 0000 02 04 05b4";

std::vector<std::byte> syn() {
    return hex(std::string(kIpHeader) + std::string(kTcpHeader));
}

TEST(Ipv4View, ReadsEveryField) {
    const auto bytes = syn();
    const auto packet = Ipv4View::parse(bytes);
    ASSERT_TRUE(packet);
    EXPECT_EQ(packet->header_size(), 20U);
    EXPECT_EQ(packet->traffic_class(), 3);
    EXPECT_EQ(packet->total_length(), 44U);
    EXPECT_EQ(packet->identification(), 0x1234);
    EXPECT_TRUE(packet->dont_fragment());
    EXPECT_FALSE(packet->more_fragments());
    EXPECT_FALSE(packet->is_fragment());
    EXPECT_EQ(packet->ttl(), 64);
    EXPECT_EQ(packet->protocol(), IpProtocol::Tcp);
    EXPECT_EQ(packet->source().to_string(), "198.51.100.7");
    EXPECT_EQ(packet->destination().to_string(), "192.0.2.1");
    EXPECT_EQ(packet->payload().size(), 24U);
}

TEST(Ipv4View, LeavesOutThePaddingOfAShortFrame) {
    auto bytes = syn();
    bytes.resize(bytes.size() + 2);
    EXPECT_EQ(Ipv4View::parse(bytes)->bytes().size(), 44U);
}

TEST(Ipv4View, RefusesWhatDoesNotFit) {
    EXPECT_FALSE(Ipv4View::parse({}));
    for (std::size_t size = 0; size < 44; ++size)
        EXPECT_FALSE(Ipv4View::parse(read(syn()).first(size))) << size;
    const auto with = [](std::size_t at, unsigned value) {
        auto bytes = syn();
        bytes[at] = static_cast<std::byte>(value);
        return bytes;
    };
    EXPECT_FALSE(Ipv4View::parse(with(0, 0x65))) << "version 6";
    EXPECT_FALSE(Ipv4View::parse(with(0, 0x44))) << "a header of 16 bytes";
    EXPECT_FALSE(Ipv4View::parse(with(0, 0x4f))) << "a header longer than the packet";
    EXPECT_FALSE(Ipv4View::parse(with(3, 19))) << "a total length below the header's";
    EXPECT_FALSE(Ipv4View::parse(with(3, 45))) << "a total length beyond the bytes";
}

TEST(Ipv4View, QuotedMayBeCutAfterItsHeader) {
    const auto bytes = syn();
    EXPECT_TRUE(Ipv4View::parse_quoted(read(bytes).first(28)));
    EXPECT_EQ(Ipv4View::parse_quoted(read(bytes).first(28))->payload().size(), 8U);
    EXPECT_FALSE(Ipv4View::parse_quoted(read(bytes).first(19)));
}

TEST(Ipv4Writer, KeepsTheChecksumRightWhenTheTtlGoesDown) {
    auto bytes = syn();
    const auto packet = Ipv4Writer::parse(write(bytes));
    EXPECT_FALSE(packet->has_valid_checksum());
    packet->update_checksum();
    for (unsigned ttl = 64; ttl > 0; --ttl) {
        EXPECT_TRUE(packet->has_valid_checksum());
        EXPECT_EQ(packet->ttl(), ttl);
        packet->decrement_ttl();
    }
}

TEST(Ipv4Writer, WritesEveryFieldThatItReads) {
    std::vector<std::byte> bytes(24);
    bytes[0] = std::byte{0x45};
    bytes[3] = std::byte{20};
    const auto packet = Ipv4Writer::parse_quoted(write(bytes));
    packet->set_header_size(24);
    packet->set_traffic_class(0xb9);
    packet->set_total_length(24);
    packet->set_identification(0xbeef);
    packet->set_fragment(true, true, 1480);
    packet->set_ttl(7);
    packet->set_protocol(IpProtocol::Udp);
    packet->set_checksum(0xabcd);
    packet->set_source(Ipv4Address(0x01020304));
    packet->set_destination(Ipv4Address(0x05060708));
    EXPECT_EQ(bytes, hex("46 b9 0018 beef 60b9 07 11 abcd 01020304 05060708 00000000"));
    EXPECT_EQ(packet->fragment_offset(), 1480U);
    EXPECT_TRUE(packet->has_options());
}

constexpr std::string_view kIpv6Addresses =
    "20010db8000000000000000000000007 20010db8000000000000000000000001";

std::vector<std::byte> ipv6(std::string_view next_header, std::string_view payload) {
    const std::size_t length = hex(payload).size();
    auto bytes = hex("6 10 12345 0000" + std::string(next_header) + "40" +
                     std::string(kIpv6Addresses) + std::string(payload));
    store_be16(bytes.data() + 4, static_cast<std::uint16_t>(length));
    return bytes;
}

TEST(Ipv6View, ReadsEveryField) {
    const auto bytes = ipv6("06", kTcpHeader);
    const auto packet = Ipv6View::parse(bytes);
    ASSERT_TRUE(packet);
    EXPECT_EQ(packet->traffic_class(), 0x10);
    EXPECT_EQ(packet->flow_label(), 0x12345U);
    EXPECT_EQ(packet->payload_length(), 24U);
    EXPECT_EQ(packet->total_length(), 64U);
    EXPECT_EQ(packet->next_header(), IpProtocol::Tcp);
    EXPECT_EQ(packet->hop_limit(), 64);
    EXPECT_EQ(packet->source().to_string(), "2001:db8::7");
    EXPECT_EQ(packet->destination().to_string(), "2001:db8::1");
    for (std::size_t size = 0; size < bytes.size(); ++size)
        EXPECT_FALSE(Ipv6View::parse(read(bytes).first(size))) << size;
}

TEST(Ipv6Writer, WritesEveryFieldThatItReads) {
    auto bytes = ipv6("06", "");
    const auto packet = Ipv6Writer::parse(write(bytes));
    packet->set_first_word(0xb9, 0xfffff);
    packet->set_payload_length(0x1234);
    packet->set_next_header(IpProtocol::Udp);
    packet->set_hop_limit(9);
    packet->decrement_hop_limit();
    const auto source = packet->source();
    packet->set_source(packet->destination());
    packet->set_destination(source);
    EXPECT_EQ(bytes,
              hex("6b9fffff 1234 11 08"
                  "20010db8000000000000000000000001 20010db8000000000000000000000007"));
}

TEST(Ipv6Transport, OfAPacketWithoutExtensionHeadersFollowsTheFixedOne) {
    const auto bytes = ipv6("06", kTcpHeader);
    const auto found = find_ipv6_transport(*Ipv6View::parse(bytes));
    EXPECT_EQ(found,
              (Ipv6Transport{.protocol = IpProtocol::Tcp, .transport_offset = 40, .fragment = {}}));
}

TEST(Ipv6Transport, IsFoundBehindEveryKindOfExtensionHeader) {
    // Hop-by-hop (16 bytes), routing (8), destination options (8), first fragment, UDP.
    const auto bytes = ipv6("00",
                            "2b01000000000000 0000000000000000"
                            "3c00000000000000"
                            "2c00000000000000"
                            "1100 0001 deadbeef"
                            "0001 0002 0008 0000");
    const auto found = find_ipv6_transport(*Ipv6View::parse(bytes));
    ASSERT_TRUE(found);
    EXPECT_EQ(found->protocol, IpProtocol::Udp);
    EXPECT_EQ(found->transport_offset, 40U + 16 + 8 + 8 + 8);
    EXPECT_EQ(found->fragment,
              (Ipv6Fragment{.header_offset = 72,
                            .offset = 0,
                            .more_fragments = true,
                            .identification = 0xdeadbeef}));
}

TEST(Ipv6Transport, OfALaterFragmentIsWhatItsHeaderNames) {
    const auto bytes = ipv6("2c", "3c00 05a9 00000001 ffffffffffffffff");
    const auto found = find_ipv6_transport(*Ipv6View::parse(bytes));
    ASSERT_TRUE(found);
    EXPECT_EQ(found->protocol, IpProtocol::DestinationOptions) << "not walked: it is payload";
    EXPECT_EQ(found->transport_offset, 48U);
    EXPECT_EQ(found->fragment->offset, 1448U);
    EXPECT_FALSE(found->fragment->is_first());
}

TEST(Ipv6Transport, OfACutShortHeaderIsNotFound) {
    const auto whole = ipv6("00", "1101000000000000 0000000000000000");
    EXPECT_TRUE(find_ipv6_transport(*Ipv6View::parse(whole)));
    for (std::size_t size = 40; size < whole.size(); ++size) {
        const auto quoted = Ipv6View::parse_quoted(read(whole).first(size));
        EXPECT_FALSE(find_ipv6_transport(*quoted)) << size;
    }
}

TEST(Ipv6Transport, BehindTooManyHeadersIsNotFound) {
    std::string eight;
    for (int i = 0; i < 7; ++i)
        eight += "3c00000000000000";
    EXPECT_TRUE(find_ipv6_transport(*Ipv6View::parse(ipv6("3c", eight + "1100000000000000"))));
    EXPECT_FALSE(find_ipv6_transport(
        *Ipv6View::parse(ipv6("3c", eight + "3c00000000000000" + "1100000000000000"))));
}

TEST(TcpView, ReadsEveryField) {
    const auto bytes = hex(kTcpHeader);
    const auto segment = TcpView::parse(bytes);
    ASSERT_TRUE(segment);
    EXPECT_EQ(segment->source_port(), Port{40001});
    EXPECT_EQ(segment->destination_port(), Port{80});
    EXPECT_EQ(segment->sequence(), 1000U);
    EXPECT_EQ(segment->acknowledgement(), 0U);
    EXPECT_EQ(segment->header_size(), 24U);
    EXPECT_EQ(segment->flags(), tcp_flag::kSyn);
    EXPECT_TRUE(segment->has(tcp_flag::kSyn));
    EXPECT_EQ(segment->window(), 65535);
    EXPECT_EQ(segment->mss(), 1460);
    EXPECT_TRUE(segment->payload().empty());
    for (std::size_t size = 0; size < bytes.size(); ++size)
        EXPECT_FALSE(TcpView::parse(read(bytes).first(size))) << size;
}

TEST(TcpView, FindsAnOptionAmongOthersAndStopsAtMalformedOnes) {
    const auto with = [](std::string_view options) {
        return hex("9c410050000003e8000000008002ffff00000000" + std::string(options));
    };
    EXPECT_EQ(TcpView::parse(with("01 01 04 02 02 04 05 b4 00 00 00 00"))->mss(), 1460);
    EXPECT_FALSE(TcpView::parse(with("00 02 04 05 b4 00 00 00 00 00 00 00"))->mss());
    EXPECT_FALSE(TcpView::parse(with("04 00 02 04 05 b4 00 00 00 00 00 00"))->mss());
    EXPECT_FALSE(TcpView::parse(with("01 01 01 01 01 01 01 01 01 01 02 04"))->mss());
    EXPECT_FALSE(TcpView::parse(with("01 01 01 01 01 01 01 01 01 01 01 02"))->mss());
}

TEST(TcpWriter, WritesEveryFieldThatItReads) {
    std::vector<std::byte> bytes(20);
    bytes[12] = std::byte{0x50};
    const auto segment = TcpWriter::parse(write(bytes));
    segment->set_source_port(Port{1});
    segment->set_destination_port(Port{2});
    segment->set_sequence(3);
    segment->set_acknowledgement(4);
    segment->set_flags(tcp_flag::kSyn | tcp_flag::kAck);
    segment->set_window(5);
    segment->set_checksum(6);
    segment->set_urgent_pointer(7);
    EXPECT_EQ(bytes, hex("0001 0002 00000003 00000004 50 12 0005 0006 0007"));
}

TEST(UdpView, ReadsEveryFieldAndLeavesOutWhatFollows) {
    const auto bytes = hex("9c41 0035 000a 1234 6162 ffff");
    const auto datagram = UdpView::parse(bytes);
    ASSERT_TRUE(datagram);
    EXPECT_EQ(datagram->source_port(), Port{40001});
    EXPECT_EQ(datagram->destination_port(), Port{53});
    EXPECT_EQ(datagram->length(), 10U);
    EXPECT_EQ(datagram->checksum(), 0x1234);
    EXPECT_EQ(datagram->payload().size(), 2U);
    for (std::size_t size = 0; size < 10; ++size)
        EXPECT_FALSE(UdpView::parse(read(bytes).first(size))) << size;
    EXPECT_TRUE(UdpView::parse_header(read(bytes).first(8)))
        << "of a fragment the header is enough";
    EXPECT_FALSE(UdpView::parse(hex("9c41 0035 0007 1234"))) << "a length below the header's";
}

TEST(IcmpView, ReadsAnErrorAndTheMtuThatItTells) {
    const auto bytes = hex("03 04 1234 0000 05dc 45");
    const auto error = IcmpView::parse(bytes);
    ASSERT_TRUE(error);
    EXPECT_TRUE(icmp::is_related_error(error->type()));
    EXPECT_EQ(error->code(), icmp::kFragmentationNeeded);
    EXPECT_EQ(error->checksum(), 0x1234);
    EXPECT_EQ(icmp::next_hop_mtu(*error), 1500);
    EXPECT_EQ(error->payload().size(), 1U);
    EXPECT_FALSE(IcmpView::parse(read(bytes).first(7)));
    EXPECT_FALSE(icmp::is_related_error(icmp::kRedirect));
    EXPECT_FALSE(icmp::is_related_error(icmp::kEchoRequest));
    EXPECT_TRUE(icmpv6::is_related_error(icmpv6::kPacketTooBig));
    EXPECT_FALSE(icmpv6::is_related_error(icmpv6::kEchoRequest));
    EXPECT_EQ(icmpv6::next_hop_mtu(*IcmpView::parse(hex("02 00 0000 00000500"))), 1280U);
}

TEST(EthernetWriter, ReadsAndWritesAddressesAndType) {
    auto bytes = hex("020000000001 020000000002 0800 45");
    const auto frame = EthernetWriter::parse(write(bytes));
    ASSERT_TRUE(frame);
    EXPECT_EQ(frame->type(), EtherType::Ipv4);
    const auto source = frame->source();
    frame->set_source(frame->destination());
    frame->set_destination(source);
    frame->set_type(EtherType::Ipv6);
    EXPECT_EQ(bytes, hex("020000000002 020000000001 86dd 45"));
    EXPECT_EQ(frame->payload().size(), 1U);
    EXPECT_FALSE(EthernetView::parse(read(bytes).first(13)));
}

}  // namespace
}  // namespace xvs::net
