#include "engine/parse/fragments.h"

#include <gmock/gmock.h>

#include "testing/director.h"
#include "testing/literals.h"

namespace xvs::test {
namespace {

using namespace std::chrono_literals;
using namespace xvs::test::literals;  // NOLINT(google-build-using-namespace): literals only
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

constexpr auto kClient = "198.51.100.7:40001"_ep;
constexpr auto kVip = "192.0.2.1:53"_ep;
constexpr auto kReal = "10.0.0.11:5353"_ep;
constexpr auto kNat =
    "-A -u 192.0.2.1:53 -s rr\n"
    "-a -u 192.0.2.1:53 -r 10.0.0.11:5353 -m";

// Fragment `number` of a datagram, of 400 bytes but for the last.
Packet piece(const net::Endpoint& from,
             const net::Endpoint& to,
             std::size_t number,
             std::uint32_t id = 7) {
    return Packet::fragment(Packet::udp(from, to).length(1000).ip_id(id), number * 400, 400);
}

// What the piece is on its way to the real server.
Packet translated(std::size_t number, std::uint32_t id = 7) {
    return piece(kClient, kReal, number, id).ttl(63);
}

TEST(Fragments, FollowTheFirst) {
    Director director(kNat);
    for (const std::size_t number : {0U, 1U, 2U})
        EXPECT_THAT(director.receives(piece(kClient, kVip, number)),
                    ElementsAre(translated(number)));
    EXPECT_THAT(director.connections(), SizeIs(1));
}

TEST(Fragments, ThatCameTooEarlyFollowInTheOrderTheyCame) {
    Director director(kNat);
    EXPECT_THAT(director.receives(piece(kClient, kVip, 2)), IsEmpty());
    EXPECT_THAT(director.receives(piece(kClient, kVip, 1)), IsEmpty());
    EXPECT_THAT(director.receives(piece(kClient, kVip, 0)),
                ElementsAre(translated(0), translated(2), translated(1)));
    EXPECT_THAT(director.drops(), IsEmpty());
}

TEST(Fragments, OfTwoDatagramsAreToldApart) {
    Director director(kNat);
    director.receives(piece(kClient, kVip, 1, 8));
    EXPECT_THAT(director.receives(piece(kClient, kVip, 0, 7)), ElementsAre(translated(0, 7)));
    EXPECT_THAT(director.receives(piece(kClient, kVip, 0, 8)),
                ElementsAre(translated(0, 8), translated(1, 8)));
}

TEST(Fragments, AreDroppedWhenTheFirstDoesNotComeWithinASecond) {
    Director director(kNat);
    director.receives(piece(kClient, kVip, 1));
    director.advance(1100ms);
    EXPECT_THAT(director.drops(), ElementsAre(Pair(engine::DropReason::FragmentTimeout, 1)));
    EXPECT_THAT(director.receives(piece(kClient, kVip, 0)), ElementsAre(translated(0)));
}

TEST(Fragments, WaitInABoundedTable) {
    Director director(kNat);
    constexpr std::size_t kMost = engine::Fragments<flow::Ipv4>::kMaxWaiting;
    for (std::uint32_t id = 1; id <= kMost + 3; ++id)
        director.receives(piece(kClient, kVip, 1, id));
    EXPECT_THAT(director.drops(), ElementsAre(Pair(engine::DropReason::FragmentTableFull, 3)));
    director.advance(1100ms);
    director.receives(piece(kClient, kVip, 1, 1));
    EXPECT_THAT(director.receives(piece(kClient, kVip, 0, 1)), SizeIs(2));
}

TEST(Fragments, ShareTheFateOfADroppedFirst) {
    Director director("-A -u 192.0.2.1:53 -s rr");
    director.receives(piece(kClient, kVip, 1));
    director.receives(piece(kClient, kVip, 0));
    director.receives(piece(kClient, kVip, 2));
    EXPECT_THAT(director.drops(),
                ElementsAre(Pair(engine::DropReason::NoDestination, 1),
                            Pair(engine::DropReason::FragmentOfDropped, 2)));
}

TEST(Fragments, FollowTheFirstToTheHost) {
    Director director(kNat);
    constexpr auto kOther = "192.0.2.1:5000"_ep;
    director.receives(piece(kClient, kOther, 1));
    director.receives(piece(kClient, kOther, 0));
    EXPECT_THAT(director.given_to_host(),
                ElementsAre(piece(kClient, kOther, 0), piece(kClient, kOther, 1)));
}

TEST(Fragments, AreRememberedForHalfAMinute) {
    Director director(kNat);
    director.receives(piece(kClient, kVip, 0));
    director.advance(29s);
    EXPECT_THAT(director.receives(piece(kClient, kVip, 1)), SizeIs(1));
    director.advance(2s);
    EXPECT_THAT(director.receives(piece(kClient, kVip, 2)), IsEmpty());
}

// RFC 1858, RFC 3128: a first fragment without the flags, and one that would overwrite them.
TEST(Fragments, NeitherHideNorOverwriteATcpHeader) {
    Director director(
        "-A -t 192.0.2.1:80 -s rr\n"
        "-a -t 192.0.2.1:80 -r 10.0.0.11:80 -m");
    const Packet whole = Packet::tcp(kClient, "192.0.2.1:80"_ep).flags("S").length(100).ip_id(7);
    EXPECT_THAT(director.receives(Packet::fragment(whole, 0, 8)), IsEmpty());
    EXPECT_THAT(director.receives(Packet::fragment(whole, 0, 48)), SizeIs(1));
    EXPECT_THAT(director.receives(Packet::fragment(whole, 8, 200)), IsEmpty());
    EXPECT_THAT(director.drops(),
                ElementsAre(Pair(engine::DropReason::TruncatedHeader, 1),
                            Pair(engine::DropReason::BadTransportHeader, 1)));
}

TEST(Fragments, OfIpv6AreToldApartByAllTheirIdentification) {
    Director director(
        "-A -u [2001:db8::1]:53 -s rr\n"
        "-a -u [2001:db8::1]:53 -r [2001:db8:2::11]:53 -m");
    constexpr auto kClient6 = "[2001:db8:1::7]:40001"_ep;
    constexpr auto kVip6 = "[2001:db8::1]:53"_ep;
    constexpr auto kReal6 = "[2001:db8:2::11]:53"_ep;
    director.receives(piece(kClient6, kVip6, 1, 0x10007));
    EXPECT_THAT(director.receives(piece(kClient6, kVip6, 0, 7)),
                ElementsAre(piece(kClient6, kReal6, 0, 7).ttl(63)));
    EXPECT_THAT(director.receives(piece(kClient6, kVip6, 0, 0x10007)), SizeIs(2));
}

}  // namespace
}  // namespace xvs::test
