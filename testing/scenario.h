// Scenario: a behaviour of the director as a text that runs on the engine and on kernel IPVS.
// tests/scenario/README.md describes the language.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "model/mark_rule.h"
#include "testing/packet.h"
#include "testing/topology.h"

namespace xvs::test {

// `service -A -t 192.0.2.1:80 -s rr`: what ipvsadm is called with.
struct ServiceStep {
    std::vector<std::string> arguments;
};

// `client > PACKET`; from nobody: `host > PACKET`, sent by the director's own stack.
struct SendStep {
    const TestHost* from = nullptr;
    Packet packet;
};

// `real1 < PACKET`
struct ExpectStep {
    std::string host;
    Packet packet;
};

// `advance 121s`, `advance 100ms`
struct AdvanceStep {
    std::chrono::milliseconds by{};
};

// `list -L -n` and the lines behind bars that follow it
struct ListStep {
    std::vector<std::string> arguments;
    std::vector<std::string> lines;
};

// `mtu real 1400`
struct MtuStep {
    Side side = Side::Real;
    std::uint32_t mtu = kDefaultMtu;
};

// `sysctl expire_nodest_conn=1`
struct SysctlStep {
    std::string name;
    std::string value;
};

// `drops no-destination=1`
struct DropsStep {
    std::map<std::string, std::uint64_t> counts;
};

// `mark 7 --proto tcp --dport 80-89`: what xvsadm --add-mark is called with
struct MarkStep {
    model::MarkRule rule;
};

struct Step {
    std::variant<ServiceStep,
                 MarkStep,
                 SendStep,
                 ExpectStep,
                 AdvanceStep,
                 ListStep,
                 MtuStep,
                 SysctlStep,
                 DropsStep>
        what;
    std::size_t line = 0;
};

struct Scenario {
    std::string path;
    std::vector<Step> steps;
    // `# DIFFERS FROM IPVS: reason (ADR-nnnn)`: kernel IPVS is expected to fail it.
    std::optional<std::string> differs_from_ipvs;
    // `# ENGINE ONLY: reason`: there is nothing to compare with in the kernel.
    std::optional<std::string> engine_only;

    // Returns the sum of all `advance` steps.
    [[nodiscard]] std::chrono::milliseconds duration() const;
};

// Of a malformed scenario the error names file, line, word and what was expected.
[[nodiscard]] Result<Scenario> parse_scenario(std::string path, std::string_view text);

[[nodiscard]] Result<Scenario> read_scenario(const std::string& path);

// Returns the .scenario files under `folder`, in order.
[[nodiscard]] std::vector<std::string> find_scenarios(const std::string& folder);

// A packet that somebody got: a host by name, or the director's own stack ("host").
struct Sighting {
    std::string host;
    Bytes packet;
};

struct CommandOutput {
    int exit_status = 0;
    std::string out;
    std::string error;
};

// A director in the network of topology.h, on which one scenario runs.
class ScenarioTarget {
public:
    ScenarioTarget() = default;
    ScenarioTarget(const ScenarioTarget&) = delete;
    ScenarioTarget& operator=(const ScenarioTarget&) = delete;
    virtual ~ScenarioTarget() = default;

    // Runs `ipvsadm ARGUMENTS`.
    virtual CommandOutput ipvsadm(const std::vector<std::string>& arguments) = 0;
    virtual void send(const TestHost& from, const Packet& packet) = 0;
    virtual void send_from_host(const Packet& packet) = 0;
    // Waits until all is quiet; returns what was got since the last call. In order for each host.
    virtual std::vector<Sighting> collect() = 0;
    virtual void advance(std::chrono::milliseconds by) = 0;
    virtual Status set_mtu(Side side, std::uint32_t mtu) = 0;
    virtual Status set_sysctl(const std::string& name, const std::string& value) = 0;
    // From now on packets that fit the rule have its mark.
    virtual Status add_mark(const model::MarkRule& rule) = 0;
    // Returns the packets dropped so far by reason; nullopt if this director gives none.
    virtual std::optional<std::map<std::string, std::uint64_t>> drops() = 0;
};

// Returns nothing if all came as the scenario says, and else an error that starts with file and
// line and shows what was expected and what came.
[[nodiscard]] Status run_scenario(const Scenario& scenario, ScenarioTarget& target);

// Returns the frame's packet and who gets it on that side; nullopt for what the link has of its
// own (ARP, neighbour discovery, anything to a group). A frame that names a wrong source or an
// unknown destination at layer 2 is somebody's whose name says so.
[[nodiscard]] std::optional<Sighting> sighting_of(Side side, std::span<const std::byte> frame);

}  // namespace xvs::test
