// EngineTarget: the engine in memory, under a virtual clock, as the director of a scenario.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/gate.h"
#include "control/engine_service_manager.h"
#include "testing/director.h"
#include "testing/entrance.h"
#include "testing/host_stack.h"
#include "testing/scenario.h"

namespace xvs::test {

class EngineTarget final : public ScenarioTarget {
public:
    explicit EngineTarget(const DirectorParts& parts = {})
        : director_("", parts),
          model_(director_),
          host_(director_),
          manager_(director_.engine, gate_) {}

    // From now on packets come by `entrance`, which must outlive this, instead of the model.
    void enter_by(Entrance& entrance) noexcept { entrance_ = &entrance; }

    CommandOutput ipvsadm(const std::vector<std::string>& arguments) override;
    void send(const TestHost& from, const Packet& packet) override;
    void send_from_host(const Packet& packet) override;
    std::vector<Sighting> collect() override;
    void advance(std::chrono::milliseconds by) override;
    Status set_mtu(Side side, std::uint32_t mtu) override;
    Status set_sysctl(const std::string& name, const std::string& value) override;
    Status add_mark(const model::MarkRule& rule) override;
    std::optional<std::map<std::string, std::uint64_t>> drops() override;

    [[nodiscard]] control::ServiceManager& manager() noexcept { return manager_; }

    [[nodiscard]] Director& director() noexcept { return director_; }

private:
    // Takes what the entrance has let go.
    void follow(Passage passage, Side side, bool is_leaving);
    void process();
    void take_output();

    Director director_;
    ModelEntrance model_;
    Entrance* entrance_ = &model_;
    HostStack host_;
    Gate gate_;
    control::EngineServiceManager manager_;
    std::vector<Sighting> sightings_;
    std::map<engine::DropReason, std::uint64_t> refusals_;  // before the engine
};

}  // namespace xvs::test
