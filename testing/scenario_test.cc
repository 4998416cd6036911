#include "testing/scenario.h"

#include <deque>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/packet_text.h"

namespace xvs::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A target that does what it was told beforehand.
class FakeTarget final : public ScenarioTarget {
public:
    CommandOutput ipvsadm(const std::vector<std::string>& arguments) override {
        commands.push_back(arguments);
        return output;
    }

    void send(const TestHost& from, const Packet& packet) override {
        sent.push_back(std::string(from.name) + " " + to_text(packet));
    }

    void send_from_host(const Packet& packet) override {
        sent.push_back("host " + to_text(packet));
    }

    std::vector<Sighting> collect() override {
        if (reactions.empty()) return {};
        auto next = reactions.front();
        reactions.pop_front();
        return next;
    }

    void advance(std::chrono::milliseconds by) override { now += by; }

    Status set_mtu(Side, std::uint32_t value) override {
        mtu = value;
        return {};
    }

    Status add_mark(const model::MarkRule& /*rule*/) override { return {}; }

    Status set_sysctl(const std::string& name, const std::string&) override {
        return fail(ErrorCode::NotSupported, "no sysctl " + name);
    }

    std::optional<std::map<std::string, std::uint64_t>> drops() override { return counts; }

    void will_show(const std::string& host, std::string_view packet) {
        reactions.push_back({Sighting{host, parse_packet(packet)->bytes()}});
    }

    CommandOutput output;
    std::deque<std::vector<Sighting>> reactions;
    std::optional<std::map<std::string, std::uint64_t>> counts;
    std::vector<std::vector<std::string>> commands;
    std::vector<std::string> sent;
    std::chrono::milliseconds now{};
    std::uint32_t mtu = 0;
};

constexpr std::string_view kQuery = "IP 198.51.100.7.40001 > 192.0.2.1.53: UDP, length 4";
constexpr std::string_view kForwarded =
    "IP 198.51.100.7.40001 > 10.0.0.11.53: UDP, ttl 63, length 4";

std::string result_of(std::string_view text, FakeTarget& target) {
    const auto scenario = parse_scenario("a.scenario", text);
    if (!scenario) return scenario.error().context;
    const auto status = run_scenario(*scenario, target);
    return status ? "passed" : status.error().context;
}

std::string query_and(const std::string& expectations) {
    return "client > " + std::string(kQuery) + "\n" + expectations;
}

TEST(Scenario, PassesWhenAllThatIsExpectedIsSent) {
    FakeTarget target;
    target.will_show("real1", kForwarded);
    EXPECT_EQ(result_of(query_and("real1 < " + std::string(kForwarded)), target), "passed");
    EXPECT_THAT(target.sent, ElementsAre("client " + std::string(kQuery)));
}

TEST(Scenario, FailsWhenNothingIsSent) {
    FakeTarget target;
    EXPECT_THAT(result_of(query_and("real1 < " + std::string(kForwarded)), target),
                HasSubstr("a.scenario:2: real1 got nothing more; expected\n    IP 198"));
}

TEST(Scenario, FailsWhenAnotherPacketIsSent) {
    FakeTarget target;
    target.will_show("real1", "IP 198.51.100.7.40001 > 10.0.0.11.53: UDP, length 4");
    const auto result = result_of(query_and("real1 < " + std::string(kForwarded)), target);
    EXPECT_THAT(result, HasSubstr("a.scenario:2: real1 got another packet; expected\n"));
    EXPECT_THAT(result, HasSubstr("10.0.0.11.53: UDP, length 4"));
}

TEST(Scenario, FailsWhenSomethingElseIsSentToo) {
    FakeTarget target;
    target.will_show("real2", kForwarded);
    EXPECT_THAT(result_of(query_and(""), target),
                HasSubstr("a.scenario:1: and nothing else was to be sent, but\n    real2 < IP"));
}

TEST(Scenario, FailsWhenSomethingIsSentBeforeTheNextStep) {
    FakeTarget target;
    target.will_show("real1", kForwarded);
    EXPECT_THAT(result_of(query_and("advance 3s\nreal1 < " + std::string(kForwarded)), target),
                HasSubstr("a.scenario:1: and nothing else"));
}

TEST(Scenario, TakesPacketsOfSeveralHostsInAnyOrder) {
    FakeTarget target;
    const auto packet = parse_packet(kForwarded)->bytes();
    target.reactions.push_back({{"real1", packet}, {"real2", packet}});
    EXPECT_EQ(result_of(query_and("real2 < " + std::string(kForwarded) + "\nreal1 < " +
                                  std::string(kForwarded)),
                        target),
              "passed");
}

TEST(Scenario, ComparesListingsWithoutHeadingsInAnyOrderOfEntries) {
    FakeTarget target;
    target.output.out =
        "IP Virtual Server version 1.2.1 (size=4096)\n"
        "Prot LocalAddress:Port Scheduler Flags\n"
        "  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n"
        "TCP  192.0.2.1:80 rr\n"
        "  -> 10.0.0.11:80                 Masq    1      7          0         \n"
        "UDP  192.0.2.1:53 rr\n";
    const std::string expected =
        "list -L -n\n"
        "| UDP  192.0.2.1:53 rr\n"
        "| TCP  192.0.2.1:80 rr\n"
        "|   -> 10.0.0.11:80                 Masq    1      ~          0\n";
    EXPECT_EQ(result_of(expected, target), "passed");
    EXPECT_THAT(target.commands, ElementsAre(ElementsAre("-L", "-n")));
    EXPECT_THAT(result_of("list -L -n\n| UDP  192.0.2.1:53 rr\n", target),
                HasSubstr("a.scenario:1: ipvsadm -L -n lists something else"));
}

TEST(Scenario, ReportsACommandThatFails) {
    FakeTarget target;
    target.output = {.exit_status = 2, .out = "", .error = "Service already exists"};
    EXPECT_EQ(result_of("service -A -t 192.0.2.1:80", target),
              "a.scenario:1: ipvsadm -A -t 192.0.2.1:80: exit status 2: Service already exists");
}

TEST(Scenario, ComparesDropsWhereTheTargetCountsThem) {
    FakeTarget target;
    EXPECT_EQ(result_of("drops no-destination=1", target), "passed");
    target.counts = {{"no-destination", 1}};
    EXPECT_EQ(result_of("drops no-destination=1", target), "passed");
    EXPECT_EQ(result_of("drops", target),
              "a.scenario:1: other drops were counted: no-destination=1");
}

TEST(Scenario, KnowsItsOtherSteps) {
    FakeTarget target;
    EXPECT_EQ(result_of("# a remark\n\nadvance 2s\nadvance 100ms\nmtu real 1400\n", target),
              "passed");
    EXPECT_EQ(target.now, std::chrono::milliseconds(2100));
    EXPECT_EQ(target.mtu, 1400U);
    EXPECT_EQ(result_of("sysctl x=1", target), "a.scenario:1: no sysctl x");
    const auto scenario = parse_scenario(
        "a",
        "# DIFFERS FROM IPVS: it is better (ADR-0007)\n# ENGINE ONLY: no names there\nadvance 1s");
    EXPECT_EQ(scenario->differs_from_ipvs, "it is better (ADR-0007)");
    EXPECT_EQ(scenario->engine_only, "no names there");
    EXPECT_EQ(scenario->duration(), std::chrono::seconds(1));
}

TEST(Scenario, NamesTheLineThatItDoesNotUnderstand) {
    FakeTarget target;
    EXPECT_THAT(result_of("\nserver > IP", target),
                HasSubstr("a.scenario:2: \"server\" is no step"));
    EXPECT_THAT(result_of("client > IP 1.2.3.4 > 1.2.3.5: UDQ", target),
                HasSubstr("a.scenario:1: \"UDQ\": expected"));
    EXPECT_THAT(result_of("advance 3", target), HasSubstr("a.scenario:1: expected advance"));
    EXPECT_THAT(result_of("| TCP", target), HasSubstr("a.scenario:1: lines behind |"));
    EXPECT_THAT(result_of("mtu middle 3", target), HasSubstr("a.scenario:1: expected mtu"));
}

TEST(SightingOf, NamesTheHostByItsMacAndTellsAWrongOne) {
    const auto packet = *parse_packet(kForwarded);
    const TestHost* real1 = find_host("real1");
    const auto& director = director_link(Side::Real).mac;
    EXPECT_EQ(sighting_of(Side::Real, packet.frame(director, real1->mac))->host, "real1");
    EXPECT_EQ(sighting_of(Side::Client, packet.frame(director, real1->mac))->host,
              "nobody (02:00:00:00:02:11 on the client side)");
    EXPECT_EQ(sighting_of(Side::Real, packet.frame(real1->mac, real1->mac))->host,
              "real1 (from 02:00:00:00:02:11, not the director)");
    const auto everybody = *net::MacAddress::parse("ff:ff:ff:ff:ff:ff");
    EXPECT_FALSE(sighting_of(Side::Real, packet.frame(director, everybody)));
}

}  // namespace
}  // namespace xvs::test
