#include "net/checksum.h"

#include <array>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "net/udp.h"

namespace xvs::net {
namespace {

using Bytes = std::vector<std::uint8_t>;
using TwoBytes = std::array<std::uint8_t, 2>;
using FourBytes = std::array<std::uint8_t, 4>;
using SixteenBytes = std::array<std::uint8_t, 16>;

std::span<const std::byte> as_span(const Bytes& bytes) {
    return std::as_bytes(std::span(bytes));
}

// The definition of RFC 1071, word by word with an end-around carry.
std::uint16_t checksum_by_definition(const Bytes& bytes) {
    std::uint32_t sum = 0;
    for (std::size_t at = 0; at < bytes.size(); at += 2) {
        const unsigned low = at + 1 < bytes.size() ? bytes[at + 1] : 0U;
        sum += (std::uint32_t{bytes[at]} << 8) | low;
        if (sum > 0xffff) sum = (sum & 0xffff) + 1;
    }
    return static_cast<std::uint16_t>(~sum);
}

TEST(Checksum, OfTheExampleInRfc1071) {
    constexpr std::array<std::byte, 8> kWords{std::byte{0x00},
                                              std::byte{0x01},
                                              std::byte{0xf2},
                                              std::byte{0x03},
                                              std::byte{0xf4},
                                              std::byte{0xf5},
                                              std::byte{0xf6},
                                              std::byte{0xf7}};
    static_assert(fold(checksum_sum(kWords)) == 0xddf2);
    EXPECT_EQ(fold(checksum_sum(kWords)), 0xddf2);
    EXPECT_EQ(internet_checksum(kWords), 0x220d);
}

RC_GTEST_PROP(Checksum, AgreesWithTheDefinitionAtAnyLength, (const Bytes& bytes)) {
    RC_ASSERT(internet_checksum(as_span(bytes)) == checksum_by_definition(bytes));
}

RC_GTEST_PROP(Checksum, OfALongPacketDoesNotOverflow, ()) {
    const auto size = *rc::gen::inRange<std::size_t>(0, 65536);
    const auto fill = *rc::gen::element<std::uint8_t>(0xff, 0xfe, 0x80);
    const Bytes bytes(size, fill);
    RC_ASSERT(internet_checksum(as_span(bytes)) == checksum_by_definition(bytes));
}

RC_GTEST_PROP(Checksum, OverDataThatHoldsItsOwnIsZero, (Bytes bytes)) {
    bytes.resize((bytes.size() + 1) / 2 * 2 + 4);
    bytes[0] = bytes[1] = 0;
    bytes.back() |= 1;  // all-zero data have the checksum 0xffff, which sums to 0 as well
    const std::uint16_t checksum = internet_checksum(as_span(bytes));
    bytes[0] = static_cast<std::uint8_t>(checksum >> 8);
    bytes[1] = static_cast<std::uint8_t>(checksum & 0xff);
    RC_ASSERT(internet_checksum(as_span(bytes)) == 0);
}

// A packet of some 16-bit words, a change to it of `width` bytes, and what is between.
template <std::size_t kWidth>
void incremental_equals_full(const std::array<std::uint8_t, kWidth>& before,
                             const std::array<std::uint8_t, kWidth>& after,
                             auto load) {
    auto bytes = *rc::gen::container<Bytes>(40, rc::gen::arbitrary<std::uint8_t>());
    const auto at = 2 * *rc::gen::inRange<std::size_t>(0, (bytes.size() - kWidth) / 2);
    bytes[at == 0 ? bytes.size() - 1 : 0] |= 1;  // no real packet is all zero
    std::copy(before.begin(), before.end(), bytes.begin() + static_cast<std::ptrdiff_t>(at));
    const std::uint16_t old_checksum = internet_checksum(as_span(bytes));

    ChecksumDelta delta;
    delta.replace(load(before), load(after));
    std::copy(after.begin(), after.end(), bytes.begin() + static_cast<std::ptrdiff_t>(at));
    const std::uint16_t new_checksum = internet_checksum(as_span(bytes));

    RC_ASSERT(delta.apply(old_checksum) == new_checksum);
    RC_ASSERT(delta.inverse().apply(new_checksum) == old_checksum);
    RC_ASSERT(ChecksumDelta(delta.value()).apply(old_checksum) == new_checksum);
}

const std::byte* wire(const auto& bytes) {
    return std::as_bytes(std::span(bytes)).data();
}

RC_GTEST_PROP(ChecksumDelta,
              EqualsFullRecomputationFor16Bits,
              (const TwoBytes& before, const TwoBytes& after)) {
    incremental_equals_full(before, after, [](const auto& b) { return load_be16(wire(b)); });
}

RC_GTEST_PROP(ChecksumDelta,
              EqualsFullRecomputationFor32Bits,
              (const FourBytes& before, const FourBytes& after)) {
    incremental_equals_full(before, after, [](const auto& b) { return load_be32(wire(b)); });
    incremental_equals_full(
        before, after, [](const auto& b) { return Ipv4Address::load(wire(b)); });
}

RC_GTEST_PROP(ChecksumDelta,
              EqualsFullRecomputationFor128Bits,
              (const SixteenBytes& before, const SixteenBytes& after)) {
    incremental_equals_full(
        before, after, [](const auto& b) { return Ipv6Address::load(wire(b)); });
}

RC_GTEST_PROP(ChecksumDelta,
              OfTwoChangesIsTheirSum,
              (std::uint32_t a, std::uint32_t b, std::uint16_t c, std::uint16_t d)) {
    const auto checksum = *rc::gen::inRange<std::uint16_t>(0, 0xffff);
    auto first = ChecksumDelta().replace(a, b);
    const auto second = ChecksumDelta().replace(c, d);
    const std::uint16_t stepwise = second.apply(first.apply(checksum));
    RC_ASSERT(first.add(second).apply(checksum) == stepwise);
}

TEST(ChecksumDelta, LeavesAUdpChecksumOfZeroAlone) {
    const auto delta = ChecksumDelta().replace(std::uint16_t{80}, std::uint16_t{8080});
    EXPECT_EQ(delta.apply_udp(0), 0);
}

TEST(ChecksumDelta, SendsAUdpChecksumThatComesOutAsZeroAsAllOnes) {
    // Data that sum to 0xfffe; another word that is one more makes the sum 0xffff, its complement
    // 0.
    const auto delta = ChecksumDelta().replace(std::uint16_t{1}, std::uint16_t{2});
    EXPECT_EQ(delta.apply(0x0001), 0x0000);
    EXPECT_EQ(delta.apply_udp(0x0001), 0xffff);
    EXPECT_EQ(finish_udp_checksum(0xffff), 0xffff);
    EXPECT_EQ(finish_udp_checksum(0xfffe), 0x0001);
}

TEST(PseudoHeader, CoversAddressesProtocolAndLength) {
    const Bytes v4{192, 0, 2, 1, 10, 0, 0, 11, 0, 6, 0, 20};
    EXPECT_EQ(fold(pseudo_header_sum(
                  Ipv4Address(0xC0000201), Ipv4Address(0x0A00000B), IpProtocol::Tcp, 20)),
              fold(checksum_sum(as_span(v4))));

    Bytes v6(40);
    v6[0] = 0x20;
    v6[15] = 7;
    v6[16] = 0xfd;
    v6[33] = 1;  // length 0x00010002
    v6[35] = 2;
    v6[39] = 17;
    const auto source = Ipv6Address::load(as_span(v6).data());
    const auto destination = Ipv6Address::load(as_span(v6).data() + 16);
    EXPECT_EQ(fold(pseudo_header_sum(source, destination, IpProtocol::Udp, 0x10002)),
              fold(checksum_sum(as_span(v6))));
}

}  // namespace
}  // namespace xvs::net
