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

// Moves the calling thread into a fresh network namespace, which ends with the target once the
// thread has left it.
class KernelTarget final : public ScenarioTarget {
public:
    // `number` tells this director's links from those of others.
    KernelTarget(const FarNamespace& far, unsigned number, const Scenario& scenario);
    // With rules from the start, each of which says a range of destination ports and nothing else.
    KernelTarget(const FarNamespace& far,
                 unsigned number,
                 const std::vector<model::MarkRule>& marks);

    // Moves the calling thread into this one's namespace, where it must be for all that follows.
    void enter() const;

    // From now on datagrams for those ports are taken, and for no others.
    void listen(const std::vector<std::uint16_t>& ports);

    // Returns what was got, answers of the director's own stack included, and does not wait for
    // what the kernel does later. Complete if the calling process runs only when the kernel itself
    // has nothing to do (SCHED_IDLE, one CPU).
    std::vector<Sighting> collect_now();

    CommandOutput ipvsadm(const std::vector<std::string>& arguments) override;
    void send(const TestHost& from, const Packet& packet) override;
    void send_from_host(const Packet& packet) override;
    std::vector<Sighting> collect() override;
    void advance(std::chrono::milliseconds by) override;
    Status set_mtu(Side side, std::uint32_t mtu) override;
    Status set_sysctl(const std::string& name, const std::string& value) override;
    Status add_mark(const model::MarkRule& rule) override;
    std::optional<std::map<std::string, std::uint64_t>> drops() override;

private:
    void set_up(const FarNamespace& far, unsigned number, const std::string& marks);
    void listen_where_needed(const Scenario& scenario);
    bool receive_all(std::vector<Sighting>& sightings);
    [[nodiscard]] bool is_answer_of_the_stack(const Sighting& sighting) const;

    UniqueFd namespace_;
    bool has_edited_ = false;       // since the last collect()
    bool expires_at_once_ = false;  // expire_nodest_conn
    std::vector<FarEnd> far_ends_;  // by Side
    std::vector<StackTap> taps_;
    std::vector<UniqueFd> listeners_;
    std::vector<Packet> delivered_;  // to the director's own stack
};

}  // namespace xvs::test
