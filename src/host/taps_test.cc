#include "host/taps.h"

#include <gtest/gtest.h>

namespace xvs::host {
namespace {

constexpr std::string_view kHeading =
    "sk               RefCnt Type Proto  Iface R Rmem   User   Inode\n";

Taps parse(std::string_view lines) {
    return parse_packet_sockets(std::string(kHeading) + std::string(lines));
}

TEST(Taps, AreNoneWhereNoSocketIs) {
    EXPECT_EQ(parse(""), Taps{});
    EXPECT_EQ(parse_packet_sockets(""), Taps{});
}

TEST(Taps, AreSocketsForEveryProtocolOnTheirInterfaces) {
    const Taps taps = parse(
        "00000000e1b0c0f5 3      3    0003   7     1 0      0      12345\n"
        "00000000e1b0c0f6 3      3    88cc   8     1 0      0      12346\n"
        "00000000e1b0c0f7 3      2    0000   9     0 0      0      12347\n");
    EXPECT_TRUE(taps.is_on(7));
    EXPECT_FALSE(taps.is_on(8)) << "LLDP sees nothing that leaves";
    EXPECT_FALSE(taps.is_on(9)) << "a sender's sees nothing at all";
    EXPECT_FALSE(taps.is_on_all);
}

TEST(Taps, OnNoInterfaceAreOnAll) {
    const Taps taps = parse("0000000000000000 3      3    0003   0     1 0      0      12345\n");
    EXPECT_TRUE(taps.is_on(1));
    EXPECT_TRUE(taps.is_on(4711));
}

TEST(Taps, PassOverWhatIsNoSocket) {
    EXPECT_EQ(parse("what\n\n0003\n"), Taps{});
}

TEST(Taps, AreFound) {
    EXPECT_TRUE(find_taps()) << find_taps().error().context;
}

}  // namespace
}  // namespace xvs::host
