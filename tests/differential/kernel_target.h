// KernelTarget: kernel IPVS in a network namespace of its own, as the director of a scenario.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/unique_fd.h"
#include "testing/scenario.h"
#include "tests/differential/sockets.h"

namespace xvs::test {

// The network namespace in which the far ends of all directors' links live, with a process that
// keeps it. It holds no address and answers nothing.
class FarNamespace {
public:
    FarNamespace();
    ~FarNamespace();
    FarNamespace(const FarNamespace&) = delete;
    FarNamespace& operator=(const FarNamespace&) = delete;

    // Makes it the calling thread's.
    void enter() const;

    [[nodiscard]] pid_t keeper() const noexcept { return keeper_; }

private:
    pid_t keeper_ = -1;
    UniqueFd namespace_;
};

// Moves the calling thread into a fresh network namespace; the namespace ends when the next one
// takes its place. Only one target is alive at a time.
class KernelTarget final : public ScenarioTarget {
public:
    // `number` tells this director's links from those of others.
    KernelTarget(const FarNamespace& far, unsigned number, const Scenario& scenario);

    CommandOutput ipvsadm(const std::vector<std::string>& arguments) override;
    void send(const TestHost& from, const Packet& packet) override;
    void send_from_host(const Packet& packet) override;
    std::vector<Sighting> collect() override;
    void advance(std::chrono::milliseconds by) override;
    Status set_mtu(Side side, std::uint32_t mtu) override;
    Status set_sysctl(const std::string& name, const std::string& value) override;
    std::optional<std::map<std::string, std::uint64_t>> drops() override;

private:
    void listen_where_needed(const Scenario& scenario);
    bool receive_all(std::vector<Sighting>& sightings);
    [[nodiscard]] bool is_answer_of_the_stack(const Sighting& sighting) const;

    std::vector<FarEnd> far_ends_;  // by Side
    std::vector<StackTap> taps_;
    std::vector<UniqueFd> listeners_;
    std::vector<Packet> delivered_;  // to the director's own stack
};

}  // namespace xvs::test
