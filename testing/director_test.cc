#include "testing/director.h"

#include <gmock/gmock.h>

#include "testing/literals.h"

namespace xvs::test {
namespace {

using namespace xvs::test::literals;  // NOLINT(google-build-using-namespace): literals only
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

constexpr auto kClient = "198.51.100.7:40001"_ep;
constexpr auto kVip = "192.0.2.1:80"_ep;
constexpr auto kReal = "10.0.0.11:8080"_ep;

constexpr auto kServices =
    "-A -t 192.0.2.1:80 -s rr\n"
    "-a -t 192.0.2.1:80 -r 10.0.0.11:8080 -m";

TEST(Director, BalancesAConnection) {
    Director director(kServices);
    const auto sent = director.receives(Packet::tcp(kClient, kVip).flags("S").seq(1000));
    EXPECT_THAT(sent, ElementsAre(Packet::tcp(kClient, kReal).flags("S").seq(1000).ttl(63)));
    EXPECT_EQ(sent[0].to, "real1");
    EXPECT_THAT(director.connections(),
                ElementsAre("TCP 198.51.100.7:40001 192.0.2.1:80 10.0.0.11:8080 SYN_RECV"));
    EXPECT_EQ(director.counts("-t 192.0.2.1:80", "10.0.0.11:8080"), (ServerCounts{.active = 1}));
    EXPECT_EQ(director.inconsistencies(), "");
}

TEST(Director, NamesWhatWasDroppedAndWhatIsTheHosts) {
    Director director(kServices);
    EXPECT_THAT(director.receives(Packet::tcp(kClient, kVip).flags("S").bad_ip_checksum()),
                IsEmpty());
    EXPECT_THAT(director.drops(), ElementsAre(Pair(engine::DropReason::BadIpChecksum, 1)));
    const Packet stray = Packet::tcp(kClient, kVip).flags(".");
    EXPECT_THAT(director.receives(stray), IsEmpty());
    EXPECT_THAT(director.given_to_host(), ElementsAre(stray));
}

TEST(Director, HasNothingLeftWhenAllIsOver) {
    Director director(kServices);
    director.receives(Packet::tcp(kClient, kVip).flags("S"));
    EXPECT_NE(director.leftovers(), "");
    ASSERT_TRUE(director.ipvsadm("-C"));
    director.advance(std::chrono::minutes(6));
    EXPECT_EQ(director.leftovers(), "");
}

TEST(Director, RefusesACommandItDoesNotKnow) {
    Director director;
    EXPECT_FALSE(director.ipvsadm("-A -t 192.0.2.1:80 --no-such-option"));
    EXPECT_FALSE(director.ipvsadm("-L"));
}

}  // namespace
}  // namespace xvs::test
