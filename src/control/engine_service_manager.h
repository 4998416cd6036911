// EngineServiceManager: the control plane's door to the running engine, under the worker's gate.
#pragma once

#include <functional>
#include <mutex>

#include "base/gate.h"
#include "control/service_manager.h"
#include "engine/engine.h"

namespace xvs::control {

// Thread: the control thread. Each call takes the gate for itself, so a listing of connections
// keeps the worker waiting for one portion at most.
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
    [[nodiscard]] std::uint32_t connection_capacity() const override;

private:
    engine::Engine& engine_;
    Gate& gate_;
};

}  // namespace xvs::control
