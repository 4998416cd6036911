// EngineServiceManager: the control plane's door to the running engine, under the workers' gate.
#pragma once

#include <functional>
#include <mutex>

#include "base/gate.h"
#include "control/access_rule_list.h"
#include "control/mark_rule_list.h"
#include "control/service_manager.h"
#include "engine/engine.h"

namespace xvs::control {

// Thread: the control thread. Each call takes the gate for itself, and one whose work grows with
// what there is takes it for one portion after the other, so that the worker never waits long.
class EngineServiceManager final : public ServiceManager {
public:
    // `gate` is what the worker holds during a burst.
    EngineServiceManager(engine::Engine& engine, Gate& gate) : engine_(engine), gate_(gate) {}

    Status add_service(const model::VirtualService& service) override;
    Status edit_service(const model::VirtualService& service) override;
    Status remove_service(const model::ServiceKey& key) override;
    void flush() override;
    Status add_destination(const model::ServiceKey& key,
                           const model::Destination& destination) override;
    Status edit_destination(const model::ServiceKey& key,
                            const model::Destination& destination) override;
    Status remove_destination(const model::ServiceKey& key, const net::Endpoint& real) override;
    [[nodiscard]] Result<ServiceStatus> get_service(const model::ServiceKey& key) const override;
    [[nodiscard]] std::vector<ServiceStatus> services() const override;
    [[nodiscard]] Result<model::VirtualService> configured_service(
        const model::ServiceKey& key) const override;
    [[nodiscard]] std::vector<model::VirtualService> configured_services() const override;
    bool for_each_destination(
        const model::ServiceKey& key,
        model::DestinationPlace& place,
        std::size_t limit,
        const std::function<void(const model::Destination&)>& visit) const override;
    [[nodiscard]] std::vector<DestinationStatus> destinations(
        const model::ServiceKey& key) const override;
    std::uint64_t for_each_connection(
        std::uint64_t cursor,
        std::size_t limit,
        const std::function<void(const model::ConnectionInfo&)>& visit) const override;
    [[nodiscard]] model::Statistics total() const override;
    Status zero(const model::ServiceKey& key) override;
    void zero_all() override;
    [[nodiscard]] model::Timeouts timeouts() const override;
    void set_timeouts(const model::Timeouts& timeouts) override;
    Status add_mark_rule(const model::MarkRule& rule) override;
    Status remove_mark_rule(const model::MarkRule& rule) override;
    [[nodiscard]] std::vector<model::MarkRule> mark_rules() const override;
    Status add_access_rule(const model::AccessRule& rule) override;
    Status remove_access_rule(const model::AccessRule& rule) override;
    bool for_each_access_rule(
        AccessPlace& place,
        std::size_t limit,
        const std::function<void(const model::AccessRule&)>& visit) const override;
    // Interfaces have come or gone: those that rules name are looked up again.
    void interfaces_changed();
    [[nodiscard]] model::Sysctls sysctls() const override;
    Status set_sysctl(const model::SysctlValue& wanted) override;
    [[nodiscard]] std::uint32_t connection_capacity() const override;

private:
    static constexpr std::size_t kRemovalsAtOnce = 64;  // some system calls each

    bool remove_some(const model::ServiceKey& key);
    bool remove_some_access(const model::ServiceKey& key);
    bool list_some(const model::ServiceKey& key,
                   model::DestinationPlace& place,
                   std::vector<DestinationStatus>& all) const;

    void publish_mark_rules();

    engine::Engine& engine_;
    Gate& gate_;
    MarkRuleList mark_rules_;
    AccessRuleList access_rules_;
};

}  // namespace xvs::control
