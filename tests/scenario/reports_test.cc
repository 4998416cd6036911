// What the engine makes of reports that programs in the kernel write, late or about what is gone.
#include <gtest/gtest.h>

#include "testing/literals.h"
#include "testing/replay_model.h"

namespace xvs::test {
namespace {

using namespace std::chrono_literals;
using namespace xvs::test::literals;  // NOLINT(google-build-using-namespace): literals only

constexpr auto kClient = "198.51.100.7:40001"_ep;
constexpr auto kVip = "192.0.2.1:80"_ep;
constexpr auto kReal = "10.0.0.11:80"_ep;

class Reports : public ::testing::Test {
protected:
    void open() {
        (void)director.receives(Packet::tcp(kClient, kVip).flags("S"));
        (void)director.hears(Packet::tcp(kReal, kClient).flags("S."));
        (void)director.receives(Packet::tcp(kClient, kVip).flags("."));
    }

    // Of the one connection's requests, as the program would write it now.
    xvs_report about_request(std::uint8_t events) {
        auto& flows = director.tables->flows<flow::Ipv4>();
        auto& records = director.tables->connections<flow::Ipv4>();
        // One that took another's place has the record beside it.
        const auto& record = records[records.is_live(0) ? 0 : 1];
        return {.state = flows.state_word(record.inbound),
                .slot = record.inbound,
                .tick = engine::to_tick(director.clock.now()),
                .events = events,
                .family = 4,
                .reserved = 0};
    }

    void write(const xvs_report& report, std::size_t cpu = 0) {
        xvs_report_ring& ring = storage.array<xvs_report_ring>("report_rings")[cpu];
        storage.array<xvs_report>("reports")[cpu * XVS_REPORTS + ring.head % XVS_REPORTS] = report;
        ++ring.head;
    }

    // What the listing shows of the one connection.
    std::string state() {
        const auto connections = director.connections();
        if (connections.size() != 1) return std::to_string(connections.size()) + " connections";
        return connections.front().substr(connections.front().rfind(' ') + 1);
    }

    // A packet that CPU 0 sent up when its reports had come to `position`.
    void receive_at(const Packet& packet, std::uint16_t position) {
        engine::Frame like;
        like.interface = interface_of(Side::Client);
        like.reason = XVS_REASON_FLOW;
        like.report_ring = 0;
        like.report_position = position;
        director.port.inject(packet.frame(net::MacAddress(), director_link(Side::Client).mac),
                             like);
        while (director.engine.process_burst() > 0) {
        }
    }

    NamedStorage storage;
    Director director{"-A -t 192.0.2.1:80 -s rr\n-a -t 192.0.2.1:80 -r 10.0.0.11:80 -m",
                      DirectorParts{.storage = &storage, .cpus = 2}};
};

TEST_F(Reports, AreFollowedWhenSomebodyLooks) {
    open();
    EXPECT_EQ(state(), "ESTABLISHED");
    write(about_request(XVS_EVENT_FIN | XVS_EVENT_ACK));
    director.engine.catch_up();
    EXPECT_EQ(state(), "CLOSE_WAIT");
    EXPECT_EQ(director.inconsistencies(), "");
}

TEST_F(Reports, OfAnEarlierFlowInTheSlotAreNobodys) {
    open();
    const xvs_report late = about_request(XVS_EVENT_RST);
    write(late);
    director.engine.catch_up();
    EXPECT_EQ(state(), "CLOSE");
    // The client uses its port again, and the slot is used again.
    open();
    ASSERT_EQ(state(), "ESTABLISHED");
    ASSERT_EQ(about_request(0).slot, late.slot);
    write(late, 1);
    director.engine.catch_up();
    EXPECT_EQ(state(), "ESTABLISHED");
}

TEST_F(Reports, OfASlotThatThereIsNotAreNobodys) {
    open();
    xvs_report report = about_request(XVS_EVENT_RST);
    report.slot = 0x7fffffff;
    write(report);
    report = about_request(XVS_EVENT_RST);
    report.family = 6;
    write(report);
    director.engine.catch_up();
    EXPECT_EQ(state(), "ESTABLISHED");
}

TEST_F(Reports, OfAPacketsCpuAreFollowedBeforeIt) {
    open();
    write(about_request(XVS_EVENT_RST));
    // The client begins anew; had the reset gone unheard, it would be the old connection's.
    receive_at(Packet::tcp(kClient, kVip).flags("S"), 1);
    EXPECT_EQ(state(), "SYN_RECV");
    EXPECT_EQ(director.statistics("-t 192.0.2.1:80").counters.connections, 2U);
}

TEST_F(Reports, AfterAPacketOfTheSameCpuAreFollowedAfterIt) {
    open();
    // The SYN was sent up first, and belongs to the connection that is established.
    write(about_request(XVS_EVENT_RST));
    receive_at(Packet::tcp(kClient, kVip).flags("S"), 0);
    EXPECT_EQ(director.statistics("-t 192.0.2.1:80").counters.connections, 1U);
    EXPECT_EQ(state(), "CLOSE");
}

TEST_F(Reports, OfAnotherCpuAreFollowedBeforeAClientsSyn) {
    open();
    // CPU 1 met the reset, CPU 0 the SYN that came after it.
    write(about_request(XVS_EVENT_RST), 1);
    receive_at(Packet::tcp(kClient, kVip).flags("S"), 0);
    EXPECT_EQ(state(), "SYN_RECV");
    EXPECT_EQ(director.statistics("-t 192.0.2.1:80").counters.connections, 2U);
}

TEST_F(Reports, BeforeAChangeOfTimeoutsHaveTheTimeoutsOfTheirTime) {
    (void)director.receives(Packet::tcp(kClient, kVip).flags("S"));
    write(about_request(XVS_EVENT_ACK));
    ASSERT_TRUE(director.ipvsadm("--set 30 0 0"));
    EXPECT_EQ(state(), "ESTABLISHED");
    EXPECT_EQ(director.connection_infos().front().expires_in_s, 900U);
}

TEST_F(Reports, AreFollowedBeforeConnectionsEnd) {
    (void)director.receives(Packet::tcp(kClient, kVip).flags("S"));
    // The handshake's end is replayed in the last moment of SYN_RECV's minute.
    director.clock.advance(59s);
    auto& flows = director.tables->flows<flow::Ipv4>();
    const xvs_report report = about_request(XVS_EVENT_ACK);
    flows.note_packet(report.slot, report.tick);
    write(report);
    director.clock.advance(30s);
    director.engine.run_timers();
    EXPECT_EQ(state(), "ESTABLISHED");
}

TEST_F(Reports, AFullRingSendsThePacketToTheEngine) {
    ReplayModel model(director, storage);
    open();
    xvs_report_ring& ring = storage.array<xvs_report_ring>("report_rings")[0];
    ring.head = XVS_REPORTS + ring.tail;
    const auto frame = Packet::tcp(kClient, kVip)
                           .flags("F.")
                           .frame(net::MacAddress(), director_link(Side::Client).mac);
    EXPECT_EQ(model.admit(frame, Side::Client).way, Passage::Way::Engine);
    ring.head = ring.tail;
    EXPECT_EQ(model.admit(frame, Side::Client).way, Passage::Way::Replayed);
}

}  // namespace
}  // namespace xvs::test
