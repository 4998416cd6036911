#include "net/crc32c.h"

#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "net/sctp.h"

namespace xvs::net {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text));
}

// RFC 3720, appendix B.4, and the check value that CRC catalogues give.
TEST(Crc32c, HasTheKnownValues) {
    const std::vector<std::byte> zeros(32);
    const std::vector<std::byte> ones(32, std::byte{0xff});
    std::vector<std::byte> counted(32);
    for (std::size_t at = 0; at < counted.size(); ++at)
        counted[at] = static_cast<std::byte>(at);
    for (const auto crc : {crc32c, crc32c_by_table}) {
        EXPECT_EQ(crc(bytes_of("123456789"), 0), 0xe3069283U);
        EXPECT_EQ(crc(zeros, 0), 0x8a9136aaU);
        EXPECT_EQ(crc(ones, 0), 0x62a8ab43U);
        EXPECT_EQ(crc(counted, 0), 0x46dd794eU);
        EXPECT_EQ(crc({}, 0), 0U);
    }
}

RC_GTEST_PROP(Crc32c, IsTheSameByTableAndByInstructionAndInPieces, (const std::string& text)) {
    const auto bytes = bytes_of(text);
    const std::uint32_t whole = crc32c_by_table(bytes);
    RC_ASSERT(crc32c(bytes) == whole);
    const std::size_t cut = *rc::gen::inRange<std::size_t>(0, bytes.size() + 1);
    RC_ASSERT(crc32c(bytes.subspan(cut), crc32c(bytes.first(cut))) == whole);
    RC_ASSERT(crc32c_by_table(bytes.subspan(cut), crc32c_by_table(bytes.first(cut))) == whole);
}

TEST(Crc32c, OfAnSctpPacketIsWhatComputedChecksumGives) {
    std::vector<std::byte> packet(20);
    const auto sctp = SctpWriter::parse(packet);
    sctp->set_source_port(Port{40001});
    sctp->set_destination_port(Port{80});
    const std::uint32_t checksum = sctp->computed_checksum();
    EXPECT_EQ(checksum, crc32c(packet));
    sctp->set_checksum(checksum);
    EXPECT_EQ(sctp->checksum(), checksum);
    EXPECT_EQ(sctp->computed_checksum(), checksum) << "its own place counts as zero";
}

TEST(Sctp, ChunksAreReadWhereTheyAre) {
    std::vector<std::byte> packet(20);
    packet[12] = std::byte{sctp_chunk::kCookieEcho};
    packet[15] = std::byte{4};
    packet[16] = std::byte{sctp_chunk::kAbort};
    const auto sctp = SctpView::parse(packet);
    ASSERT_TRUE(sctp);
    EXPECT_EQ(sctp->chunk_at(0)->type, sctp_chunk::kCookieEcho);
    EXPECT_EQ(sctp->chunk_at(SctpView::padded(4))->type, sctp_chunk::kAbort);
    EXPECT_FALSE(sctp->chunk_at(SctpView::padded(5)));
    EXPECT_FALSE(SctpView::parse(std::span<const std::byte>(packet).first(11)));
}

}  // namespace
}  // namespace xvs::net
