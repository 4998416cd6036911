// FTP through the director, where tests/scenario/ftp cannot show it: several workers, a later
// daemon, no room, the ends of connections.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/director.h"
#include "testing/kept_storage.h"
#include "testing/literals.h"

namespace xvs::engine {
namespace {

using namespace std::chrono_literals;
using namespace xvs::test::literals;  // NOLINT(google-build-using-namespace): literals only
using test::Director;
using test::DirectorParts;
using test::KeptStorage;
using test::Packet;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

constexpr auto kVip = "203.0.113.200:21"_ep;
constexpr auto kReal = "10.0.0.11:21"_ep;
constexpr auto kDataVip = "203.0.113.200:30001"_ep;
constexpr auto kDataReal = "10.0.0.11:30001"_ep;
constexpr auto kFtp =
    "-A -t 203.0.113.200:21 -s rr\n"
    "-a -t 203.0.113.200:21 -r 10.0.0.11:21 -m";
constexpr auto kReply = "227 Ok (10,0,0,11,117,49)\r\n";
constexpr auto kReplyOfVip = "227 Ok (203,0,113,200,117,49)\r\n";
constexpr std::uint32_t kReplySize = 27;
constexpr std::uint32_t kReplySizeOfVip = 31;

net::Endpoint client_at(std::uint16_t port) {
    return {.address = "198.51.100.7"_ip, .port = net::Port{port}};
}

void log_in(Director& director, const net::Endpoint& client) {
    (void)director.receives(Packet::tcp(client, kVip).flags("S").seq(1000));
    (void)director.hears(Packet::tcp(kReal, client).flags("S.").seq(5000).ack(1001));
    (void)director.receives(Packet::tcp(client, kVip).flags(".").seq(1001).ack(5001));
}

std::vector<test::Sent> announce(Director& director, const net::Endpoint& client) {
    (void)director.receives(
        Packet::tcp(client, kVip).flags("P.").seq(1001).ack(5001).payload("PASV\r\n"));
    return director.hears(
        Packet::tcp(kReal, client).flags("P.").seq(5001).ack(1007).payload(kReply));
}

Packet announced(const net::Endpoint& client) {
    return Packet::tcp(kVip, client).flags("P.").seq(5001).ack(1007).payload(kReplyOfVip).ttl(63);
}

TEST(Ftp, AReplyThatIsSentAgainIsExchangedAgain) {
    Director director(kFtp);
    log_in(director, client_at(40001));
    EXPECT_THAT(announce(director, client_at(40001)), ElementsAre(announced(client_at(40001))));
    const auto again = director.hears(
        Packet::tcp(kReal, client_at(40001)).flags("P.").seq(5001).ack(1007).payload(kReply));
    EXPECT_THAT(again, ElementsAre(announced(client_at(40001))));
    EXPECT_THAT(director.connections(), SizeIs(2));
    EXPECT_EQ(director.inconsistencies(), "");
}

TEST(Ftp, ASegmentAheadOfAGapIsDropped) {
    Director director(kFtp);
    log_in(director, client_at(40001));
    const Packet ahead =
        Packet::tcp(client_at(40001), kVip).flags("P.").seq(1003).ack(5001).payload("SV\r\n");
    (void)director.receives(
        Packet::tcp(client_at(40001), kVip).flags("P.").seq(1001).ack(5001).payload("P"));
    EXPECT_THAT(director.receives(ahead), IsEmpty());
    EXPECT_THAT(director.drops(), ElementsAre(Pair(DropReason::ControlGap, 1)));
    (void)director.receives(
        Packet::tcp(client_at(40001), kVip).flags("P.").seq(1002).ack(5001).payload("A"));
    EXPECT_THAT(director.receives(ahead), SizeIs(1));
}

TEST(Ftp, WhatTheOtherEndHasHadIsWaitedForNoLonger) {
    Director director(kFtp);
    log_in(director, client_at(40001));
    // The client acknowledges what never came by here.
    (void)director.receives(Packet::tcp(client_at(40001), kVip).flags(".").seq(1001).ack(5101));
    EXPECT_THAT(
        director.hears(
            Packet::tcp(kReal, client_at(40001)).flags("P.").seq(5101).ack(1001).length(20)),
        SizeIs(1));
}

TEST(Ftp, ASegmentWithAWrongChecksumIsDropped) {
    Director director(kFtp);
    log_in(director, client_at(40001));
    EXPECT_THAT(director.hears(Packet::tcp(kReal, client_at(40001))
                                   .flags("P.")
                                   .seq(5001)
                                   .ack(1001)
                                   .length(5)
                                   .bad_checksum()),
                IsEmpty());
    EXPECT_THAT(director.drops(), ElementsAre(Pair(DropReason::ControlChecksum, 1)));
}

TEST(Ftp, AFragmentIsDropped) {
    Director director(kFtp);
    log_in(director, client_at(40001));
    const Packet whole =
        Packet::tcp(kReal, client_at(40001)).flags("P.").seq(5001).ack(1001).length(1000);
    EXPECT_THAT(director.hears(Packet::fragment(whole, 0, 512)), IsEmpty());
    EXPECT_THAT(director.drops(), ElementsAre(Pair(DropReason::ControlFragment, 1)));
}

TEST(Ftp, AReplyThatOutgrowsTheMtuIsCutIntoSegments) {
    Director director(kFtp);
    log_in(director, client_at(40001));
    (void)director.receives(
        Packet::tcp(client_at(40001), kVip).flags("P.").seq(1001).ack(5001).payload("PASV\r\n"));
    std::string longest = "227 ";
    longest += std::string(1460 - 4 - 23, 'x') + "(10,0,0,11,117,49)\r\n";
    longest.resize(1460, 'y');
    const auto sent = director.hears(
        Packet::tcp(kReal, client_at(40001)).flags("P.").seq(5001).ack(1007).df().payload(longest));
    ASSERT_THAT(sent, SizeIs(1));
    EXPECT_EQ(sent[0].offload.segmentation, Segmentation::Tcp4);
    EXPECT_EQ(sent[0].offload.segment_size, 1460);
    EXPECT_EQ(sent[0].packet.size(), 1504U);
}

TEST(Ftp, AnotherWorkersClientPortBringsDataToTheWorkerOfTheCommands) {
    DirectorParts parts;
    parts.workers = 2;
    Director director(kFtp, parts);
    log_in(director, client_at(40001));
    (void)announce(director, client_at(40001));
    for (std::uint16_t port = 50000; port < 50008; ++port) {
        const auto sent =
            director.receives(Packet::tcp(client_at(port), kDataVip).flags("S").seq(1));
        if (port > 50000) continue;
        EXPECT_THAT(sent,
                    ElementsAre(Packet::tcp(client_at(port), kDataReal).flags("S").seq(1).ttl(63)));
    }
    EXPECT_EQ(director.inconsistencies(), "");
}

TEST(Ftp, ALaterDaemonGoesOnWithShiftAndExpectation) {
    KeptStorage storage;
    DirectorParts parts;
    parts.storage = &storage;
    const Director dead(kFtp, parts);
    auto& former = const_cast<Director&>(dead);
    log_in(former, client_at(40001));
    (void)announce(former, client_at(40001));
    for (const std::uint32_t workers : {1U, 3U}) {
        DirectorParts next;
        next.storage = &storage;
        next.former = &dead;
        next.workers = workers;
        Director director("", next);
        EXPECT_EQ(director.inconsistencies(), "");
        EXPECT_THAT(director.connections(),
                    ElementsAre("TCP 198.51.100.7:40001 203.0.113.200:21 10.0.0.11:21 ESTABLISHED",
                                "TCP 198.51.100.7:0 203.0.113.200:30001 10.0.0.11:30001 LISTEN"));
        const auto sent = director.receives(
            Packet::tcp(client_at(40001), kVip).flags(".").seq(1007).ack(5001 + kReplySizeOfVip));
        EXPECT_THAT(sent,
                    ElementsAre(Packet::tcp(client_at(40001), kReal)
                                    .flags(".")
                                    .seq(1007)
                                    .ack(5001 + kReplySize)
                                    .ttl(63)));
        EXPECT_TRUE(director.steering.awaits_clients);
        if (workers == 1) continue;
        EXPECT_THAT(director.receives(Packet::tcp(client_at(50000), kDataVip).flags("S")),
                    SizeIs(1));
        EXPECT_FALSE(director.steering.awaits_clients);
        EXPECT_EQ(director.inconsistencies(), "");
    }
}

TEST(Ftp, TheControlConnectionStaysAsLongAsItsDataDo) {
    Director director(kFtp);
    log_in(director, client_at(40001));
    (void)announce(director, client_at(40001));
    (void)director.receives(Packet::tcp(client_at(50000), kDataVip).flags("S").seq(1));
    (void)director.hears(Packet::tcp(kDataReal, client_at(50000)).flags("S.").seq(1).ack(2));
    (void)director.receives(Packet::tcp(client_at(50000), kDataVip).flags(".").seq(2).ack(2));
    // An upload that takes longer than anybody says a word on the control connection.
    for (int minutes = 0; minutes < 20; ++minutes) {
        (void)director.advance(1min);
        (void)director.receives(
            Packet::tcp(client_at(50000), kDataVip).flags(".").seq(2).ack(2).length(10));
    }
    EXPECT_THAT(director.connections(),
                ElementsAre(HasSubstr("203.0.113.200:21"), HasSubstr("203.0.113.200:30001")));
    (void)director.advance(17min);
    EXPECT_THAT(director.connections(), IsEmpty());
    EXPECT_EQ(director.inconsistencies(), "");
}

TEST(Ftp, AnExpectedConnectionThatNeverComesIsForgottenAfterTwoMinutes) {
    Director director(kFtp);
    log_in(director, client_at(40001));
    (void)announce(director, client_at(40001));
    EXPECT_EQ(director.counts("-t 203.0.113.200:21", "10.0.0.11:21").inactive, 1U);
    (void)director.advance(121s);
    EXPECT_THAT(director.connections(), ElementsAre(HasSubstr("203.0.113.200:21")));
    EXPECT_FALSE(director.steering.awaits_clients);
    EXPECT_EQ(director.counts("-t 203.0.113.200:21", "10.0.0.11:21").inactive, 0U);
}

TEST(Ftp, AControlConnectionThatBeginsAnewLetsItsDataGoOn) {
    Director director(kFtp);
    log_in(director, client_at(40001));
    (void)announce(director, client_at(40001));
    (void)director.receives(Packet::tcp(client_at(50000), kDataVip).flags("S").seq(1));
    (void)director.receives(Packet::tcp(client_at(40001), kVip).flags("R").seq(1007));
    log_in(director, client_at(40001));
    EXPECT_EQ(director.inconsistencies(), "");
    EXPECT_THAT(director.receives(Packet::tcp(client_at(50000), kDataVip).flags("S").seq(1)),
                SizeIs(1));
    (void)director.advance(20min);
    EXPECT_THAT(director.connections(), IsEmpty());
    ASSERT_TRUE(director.ipvsadm("-C"));
    (void)director.advance(5min);
    EXPECT_EQ(director.leftovers(), "");
}

TEST(Ftp, ControlConnectionsBeyondTheRoomForThemAreRefused) {
    Director director(kFtp, 64);  // room for two of them
    for (const std::uint16_t port : std::initializer_list<std::uint16_t>{40001, 40002, 40003})
        log_in(director, client_at(port));
    EXPECT_THAT(director.connections(), SizeIs(2));
    EXPECT_THAT(director.drops(), ElementsAre(Pair(DropReason::ConnectionTableFull, 1)));
    EXPECT_EQ(director.inconsistencies(), "");
}

TEST(Ftp, APacketFromPortZeroIsNobodysWhoIsAwaited) {
    Director director(kFtp);
    log_in(director, client_at(40001));
    (void)announce(director, client_at(40001));
    (void)director.receives(Packet::tcp(client_at(0), kDataVip).flags("S"));
    EXPECT_THAT(director.given_to_host(), SizeIs(1));
    EXPECT_THAT(director.connections(), SizeIs(2));
}

TEST(Ftp, OnOtherPortsItIsSpokenIfToldSo) {
    for (const bool is_told : {false, true}) {
        Director director(
            "-A -t 203.0.113.200:2121 -s rr\n"
            "-a -t 203.0.113.200:2121 -r 10.0.0.11:21 -m");
        const net::Port ports[] = {net::Port{21}, net::Port{2121}};
        director.engine.ftp().set_ports(std::span(ports).first(is_told ? 2 : 1));
        constexpr auto kOtherVip = "203.0.113.200:2121"_ep;
        const auto client = client_at(40001);
        (void)director.receives(Packet::tcp(client, kOtherVip).flags("S").seq(1000));
        (void)director.hears(Packet::tcp(kReal, client).flags("S.").seq(5000).ack(1001));
        (void)director.receives(
            Packet::tcp(client, kOtherVip).flags("P.").seq(1001).ack(5001).payload("EPSV\r\n"));
        (void)director.hears(Packet::tcp(kReal, client)
                                 .flags("P.")
                                 .seq(5001)
                                 .ack(1007)
                                 .payload("229 Ok (|||30001|)\r\n"));
        EXPECT_THAT(director.connections(), SizeIs(is_told ? 2 : 1));
    }
}

}  // namespace
}  // namespace xvs::engine
