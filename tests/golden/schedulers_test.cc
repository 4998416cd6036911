// Replays what kernel IPVS did with some 19,000 connections (scheduler-cases.jsonl) on the engine:
// every connection goes to the same real server and is left in the same state.
#include <cstdio>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "engine/schedule/scheduler.h"
#include "model/names.h"
#include "testing/director.h"

namespace xvs::test {
namespace {

using nlohmann::json;

constexpr auto kFile = "tests/golden/scheduler-cases.jsonl";

std::vector<json> read_cases() {
    std::ifstream file(kFile);
    std::vector<json> cases;
    for (std::string line; std::getline(file, line);)
        cases.push_back(json::parse(line));
    return cases;
}

bool has_scheduler(const std::string& name) {
    return engine::make_scheduler(name) != nullptr;
}

// Why a case is not replayed; nullopt if it is.
std::optional<std::string> reason_to_skip(const json& recorded) {
    const std::string scheduler = recorded["scheduler"];
    if (!has_scheduler(scheduler)) return "there is no scheduler " + scheduler;
    if (recorded["fwmark"].get<bool>()) return "packets carry no firewall mark";
    if (!recorded["deterministic"].get<bool>()) return "the kernel did not do the same twice";
    return std::nullopt;
}

net::Endpoint endpoint(const json& connection, const char* address, const char* port) {
    return {.address = net::IpAddress::parse(connection[address].get<std::string>()).value(),
            .port = net::Port{connection[port].get<std::uint16_t>()}};
}

// One case, with the director it runs on.
class Replay {
public:
    explicit Replay(const json& recorded) : recorded_(recorded), director_("", 4096) {
        for (const json& server : recorded_["servers"])
            add_route(server["addr"]);
    }

    // Returns how the outcome differs, a sentence a line.
    std::string run() {
        for (const json& command : recorded_["commands"])
            ipvsadm(command);
        const json& connections = recorded_["connections"];
        for (std::size_t i = 0; i < connections.size(); ++i) {
            for (const json& event : recorded_["events"]) {
                if (event["before"] == i) happen(event);
            }
            open(connections[i]);
        }
        compare();
        return differences_ + director_.inconsistencies();
    }

private:
    void add_route(const std::string& address) {
        const DirectorLink& link = director_link(Side::Real);
        const auto server = net::IpAddress::parse(address).value();
        director_.router.add_route(server,
                                   {.index = interface_of(Side::Real), .mac = link.mac},
                                   find_host("real1")->mac,
                                   server.family() == net::Family::Ipv4 ? link.v4 : link.v6);
    }

    void ipvsadm(const std::string& command) {
        if (const Status status = director_.ipvsadm(command); !status)
            differences_ += command + ": " + status.error().context + "\n";
    }

    void happen(const json& event) {
        if (event.contains("cmd")) {
            ipvsadm(event["cmd"]);
        } else {
            const json& connection = recorded_["connections"][event.at("reset").get<std::size_t>()];
            director_.receives(Packet::tcp(endpoint(connection, "src", "sport"),
                                           endpoint(connection, "dst", "dport"))
                                   .flags("R"));
        }
    }

    void open(const json& connection) {
        const auto client = endpoint(connection, "src", "sport");
        const auto vip = endpoint(connection, "dst", "dport");
        const json& protocol =
            connection.contains("proto") ? connection["proto"] : recorded_["proto"];
        if (protocol == "udp") {
            director_.receives(Packet::udp(client, vip).payload("golden"));
            return;
        }
        director_.receives(Packet::tcp(client, vip).flags("S"));
        if (recorded_["established"].get<bool>())
            director_.receives(Packet::tcp(client, vip).flags("."));
    }

    void compare() {
        std::map<std::pair<net::Endpoint, net::Endpoint>, std::string> outcomes;
        for (const model::ConnectionInfo& info : director_.connection_infos()) {
            if (info.client.port == net::Port{0}) continue;  // a template
            outcomes[{info.client, info.virtual_endpoint}] =
                fmt::format("{} {}",
                            info.real.address.to_string(),
                            model::state_name(info.protocol, info.state));
        }
        for (const json& connection : recorded_["connections"]) {
            const auto client = endpoint(connection, "src", "sport");
            const auto vip = endpoint(connection, "dst", "dport");
            const bool is_assigned = !connection["assigned"].is_null();
            const std::string expected =
                is_assigned ? fmt::format("{} {}",
                                          connection["assigned"].get<std::string>(),
                                          connection["state"].get<std::string>())
                            : "none";
            const auto found = outcomes.find({client, vip});
            const std::string actual = found == outcomes.end() ? "none" : found->second;
            if (actual != expected) {
                differences_ += fmt::format("{} to {}: {}, the kernel: {}\n",
                                            client.to_string(),
                                            vip.to_string(),
                                            actual,
                                            expected);
            }
            if (found != outcomes.end()) outcomes.erase(found);
        }
        if (!outcomes.empty())
            differences_ += fmt::format("{} connections that nobody opened\n", outcomes.size());
    }

    const json& recorded_;
    Director director_;
    std::string differences_;
};

TEST(Schedulers, ServeEveryRecordedConnectionAsTheKernelDid) {
    std::map<std::string, std::size_t> skipped;
    std::size_t replayed = 0;
    for (const json& recorded : read_cases()) {
        if (const auto reason = reason_to_skip(recorded)) {
            ++skipped[*reason];
            std::printf("not replayed: %s, %s\n",
                        recorded["case"].get<std::string>().c_str(),
                        reason->c_str());
            continue;
        }
        EXPECT_EQ(Replay(recorded).run(), "") << "in case " << recorded["case"];
        ++replayed;
    }
    for (const auto& [reason, count] : skipped)
        std::printf("%zu cases not replayed: %s\n", count, reason.c_str());
    std::printf("%zu cases replayed\n", replayed);
    EXPECT_GE(replayed, 90U);
}

// Which cases may be left out, so that none is for another reason than its scheduler is not there.
TEST(Schedulers, LeaveOutOnlyWhatCannotBeReplayed) {
    const std::set<std::string> here{"rr", "wrr", "lc", "wlc"};
    std::size_t cases = 0;
    for (const json& recorded : read_cases()) {
        ++cases;
        const bool must_run = here.contains(recorded["scheduler"].get<std::string>()) &&
                              !recorded["fwmark"].get<bool>();
        if (!must_run) continue;
        EXPECT_EQ(reason_to_skip(recorded), std::nullopt) << recorded["case"];
    }
    EXPECT_EQ(cases, 323U);
}

}  // namespace
}  // namespace xvs::test
