// SchedulerReplay: what kernel IPVS did with some 19,000 connections (scheduler-cases.jsonl), done
// again: every connection goes to the same real server and is left in the same state.
#pragma once

#include <fstream>
#include <map>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "model/names.h"
#include "testing/director.h"
#include "testing/entrance.h"
#include "testing/literals.h"

namespace xvs::test {

using nlohmann::json;

inline std::vector<json> scheduler_cases() {
    std::ifstream file("tests/golden/scheduler-cases.jsonl");
    std::vector<json> cases;
    for (std::string line; std::getline(file, line);)
        cases.push_back(json::parse(line));
    return cases;
}

inline net::Endpoint endpoint(const json& connection, const char* address, const char* port) {
    return {.address = net::IpAddress::parse(connection[address].get<std::string>()).value(),
            .port = net::Port{connection[port].get<std::uint16_t>()}};
}

// One case, with the director it runs on.
class SchedulerReplay {
public:
    // The recorder had other addresses than the tests' director, one of whose is a client here.
    // What got a mark was routed to it whatever its destination, which may be a client, too.
    SchedulerReplay(const json& recorded, const DirectorParts& parts)
        : recorded_(recorded), director_("", parts) {
        for (const net::IpAddress& vip : topology::kVips)
            director_.router.remove_local(vip);
        for (const json& connection : recorded_["connections"]) {
            const net::Endpoint vip = endpoint(connection, "dst", "dport");
            if (arrival(vip).fwmark == 0) director_.router.add_local(vip.address);
        }
        for (const json& server : recorded_["servers"])
            add_route(server["addr"]);
    }

    [[nodiscard]] Director& director() noexcept { return director_; }

    // From now on packets come by `entrance`, which must outlive this, instead of at once.
    void enter_by(Entrance& entrance) noexcept { entrance_ = &entrance; }

    // And by one CPU after the other.
    void alternate_between(unsigned cpus) noexcept { cpus_ = cpus; }

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
        director_.engine.catch_up();
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
            receive(Packet::tcp(endpoint(connection, "src", "sport"),
                                endpoint(connection, "dst", "dport"))
                        .flags("R"),
                    {});
        }
    }

    void open(const json& connection) {
        const auto client = endpoint(connection, "src", "sport");
        const auto vip = endpoint(connection, "dst", "dport");
        const json& protocol =
            connection.contains("proto") ? connection["proto"] : recorded_["proto"];
        if (protocol == "udp") {
            receive(Packet::udp(client, vip).payload("golden"), arrival(vip));
            return;
        }
        receive(Packet::tcp(client, vip).flags("S"), arrival(vip));
        if (recorded_["established"].get<bool>())
            receive(Packet::tcp(client, vip).flags("."), arrival(vip));
    }

    void receive(const Packet& packet, const Arrival& arrival) {
        if (entrance_ == nullptr) {
            director_.receives(packet, arrival);
            return;
        }
        const Bytes frame = packet.frame(net::MacAddress(), director_link(arrival.side).mac);
        entrance_->set_cpu(received_++ % cpus_);
        const Passage passage = entrance_->admit(frame, arrival.side);
        if (passage.way != Passage::Way::Engine) return;
        director_.port.inject(passage.frame,
                              {.interface = interface_of(arrival.side),
                               .reason = passage.reason,
                               .report_ring = passage.report_ring,
                               .report_position = passage.report_position,
                               .offload = {}});
        while (director_.engine.process_burst() > 0) {
        }
        static_cast<void>(director_.port.take_output());
    }

    // The recorder's firewall gave mark 1 to what went to 20.0.0.0/8.
    [[nodiscard]] Arrival arrival(const net::Endpoint& vip) const {
        constexpr std::byte kMarkedNetwork{20};
        const bool is_marked =
            recorded_["fwmark"].get<bool>() && vip.address.bytes()[0] == kMarkedNetwork;
        return {.fwmark = is_marked ? 1U : 0U};
    }

    // What is left of an outcome where the kernel does not choose the same server twice.
    static std::string state_of(const std::string& outcome) {
        const std::size_t blank = outcome.find(' ');
        return blank == std::string::npos ? outcome : outcome.substr(blank);
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
            const bool is_same = recorded_["deterministic"].get<bool>()
                                     ? actual == expected
                                     : state_of(actual) == state_of(expected);
            if (!is_same) {
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
    Entrance* entrance_ = nullptr;
    unsigned cpus_ = 1;
    unsigned received_ = 0;
    std::string differences_;
};

}  // namespace xvs::test
