// What drop_entry, drop_packet and secure_tcp do, and when.
#include "engine/defend/defence.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/director.h"
#include "testing/literals.h"

namespace xvs::engine {
namespace {

using namespace test::literals;  // NOLINT(google-build-using-namespace)
using test::Director;
using test::Packet;
using ::testing::Contains;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;
using ::testing::SizeIs;

constexpr auto kVip = "192.0.2.1:80"_ep;
constexpr auto kQueries = "192.0.2.1:53"_ep;

net::Endpoint client(unsigned port) {
    return {net::Ipv4Address(0xc6336407), net::Port{static_cast<std::uint16_t>(port)}};
}

class DefendedDirector : public ::testing::Test {
protected:
    void set(const char* name, const char* value) {
        const Status status = director.engine.set_sysctl(name, value);
        ASSERT_TRUE(status) << status.error().context;
    }

    void open(unsigned first, unsigned count) {
        for (unsigned each = 0; each < count; ++each)
            director.receives(Packet::tcp(client(first + each), kVip).flags("S"));
    }

    [[nodiscard]] std::string mode(const char* name) const {
        return model::get_sysctl(director.engine.sysctls(), name)->value;
    }

    Director director{
        "-A -t 192.0.2.1:80 -s rr\n"
        "-a -t 192.0.2.1:80 -r 10.0.0.11 -g\n"
        "-A -u 192.0.2.1:53 -s rr\n"
        "-a -u 192.0.2.1:53 -r 10.0.0.11 -g"};
};

TEST_F(DefendedDirector, EndsHalfOpenConnectionsAndLeavesEstablishedOnesAlone) {
    open(1000, 200);
    director.receives(Packet::tcp(client(1000), kVip).flags("."));
    director.advance(std::chrono::seconds(30));
    EXPECT_THAT(director.connections(), SizeIs(200));
    set("drop_entry", "3");
    director.advance(std::chrono::seconds(1));
    const std::size_t left = director.connections().size();
    EXPECT_LT(left, 199U);  // a record of 32 was looked at
    EXPECT_GT(left, 180U);
    director.advance(std::chrono::seconds(28));
    EXPECT_LT(director.connections().size(), 120U);
    EXPECT_THAT(director.connections(), Contains(HasSubstr("ESTABLISHED")));
    EXPECT_EQ(director.inconsistencies(), "");
}

TEST_F(DefendedDirector, EndsIdleConnectionsOfFewPackets) {
    for (unsigned each = 0; each < 200; ++each) {
        const unsigned packets = each < 100 ? 1 : 20;
        for (unsigned sent = 0; sent < packets; ++sent)
            director.receives(Packet::udp(client(1000 + each), kQueries).payload("q"));
    }
    set("drop_entry", "3");
    director.advance(std::chrono::seconds(59));
    EXPECT_THAT(director.connections(), SizeIs(200));
    director.advance(std::chrono::seconds(200));
    const auto left = director.connections();
    EXPECT_LT(left.size(), 110U);
    EXPECT_GE(left.size(), 100U);
}

TEST_F(DefendedDirector, WithAConnectionGoesATemplateThatIsNotAssured) {
    ASSERT_TRUE(director.ipvsadm("-E -t 192.0.2.1:80 -s rr -p 3600"));
    open(1000, 1);
    EXPECT_THAT(director.connections(), SizeIs(2));
    set("drop_entry", "3");
    for (int second = 0; second < 55; ++second)
        director.advance(std::chrono::seconds(1));
    // One record of 1,024 among 32 a second: it may take longer than half-open ones last.
    director.advance(std::chrono::minutes(20));
    EXPECT_THAT(director.connections(), IsEmpty());
    EXPECT_EQ(director.inconsistencies(), "");
}

TEST_F(DefendedDirector, DefendsItselfWhileTheTableIsNearlyFull) {
    set("amemthresh", "24");  // pages, of the 32 or so that the table holds
    set("drop_packet", "2");
    set("secure_tcp", "1");
    EXPECT_EQ(mode("drop_packet"), "1");
    open(1000, 500);
    EXPECT_THAT(director.drops(), IsEmpty());
    director.advance(std::chrono::seconds(2));
    EXPECT_EQ(mode("drop_packet"), "2");
    EXPECT_EQ(mode("secure_tcp"), "2");
    open(3000, 50);
    const auto drops = director.drops();
    EXPECT_THAT(drops, Contains(Pair(DropReason::DefenceDropPacket, Ge(15U))));
    EXPECT_THAT(director.connections(), Contains(HasSubstr("SYNACK")));
    // Half-open ones end, and it is over.
    director.advance(std::chrono::minutes(3));
    EXPECT_EQ(mode("drop_packet"), "1");
    EXPECT_EQ(mode("secure_tcp"), "1");
    open(5000, 1);
    EXPECT_EQ(director.drops(), drops);
    EXPECT_THAT(director.connections(), Not(Contains(HasSubstr("SYNACK"))));
}

TEST(Defence, DropsTheMoreTheLessThereIsLeft) {
    Settings settings;
    settings.sysctls.drop_packet = 1;
    Defence defence(settings);
    const auto dropped = [&](std::int64_t available) {
        defence.update(available);
        int count = 0;
        for (int packet = 0; packet < 1000; ++packet)
            count += defence.drops_packet() ? 1 : 0;
        return count;
    };
    EXPECT_EQ(dropped(1024), 0);
    EXPECT_EQ(dropped(1014), 9);  // one of 102
    EXPECT_EQ(dropped(512), 500);
    EXPECT_EQ(dropped(0), 1000);
    EXPECT_EQ(dropped(-5), 1000);
}

TEST(Defence, DropsOfEntriesWithFewPacketsOneInTheirNumber) {
    Settings settings;
    Defence defence(settings);
    EXPECT_FALSE(defence.drops_entry_with(0));
    EXPECT_FALSE(defence.drops_entry_with(9));
    EXPECT_TRUE(defence.drops_entry_with(1));
    EXPECT_TRUE(defence.drops_entry_with(1));
    int dropped = 0;
    for (int each = 0; each < 100; ++each)
        dropped += defence.drops_entry_with(5) ? 1 : 0;
    EXPECT_EQ(dropped, 20);
}

}  // namespace
}  // namespace xvs::engine
