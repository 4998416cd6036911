// Rig: an engine with a virtual service, real servers and live connections, between two bursts.
#pragma once

#include <cstdint>
#include <memory>

#include "base/clock.h"
#include "bench/memory/burst_port.h"
#include "bench/memory/traffic.h"
#include "engine/engine.h"
#include "flow/tables.h"
#include "model/destination.h"

namespace xvs::bench {

// Every address is reached by one next hop, whose neighbour is known.
class OneWayRouter final : public engine::Router {
public:
    explicit OneWayRouter(flow::NextHopTable& next_hops);

    engine::Route find_route(const net::IpAddress& destination,
                             const net::IpAddress& source) noexcept override;

    engine::PathMtu learn_path_mtu(const net::IpAddress& /*destination*/,
                                   std::uint32_t mtu) noexcept override {
        return {.before = mtu, .now = mtu};
    }

    void resolve(std::uint32_t /*index*/) noexcept override {}

    [[nodiscard]] bool is_local(const net::IpAddress& /*address*/) noexcept override {
        return false;
    }

    [[nodiscard]] bool is_broadcast(const net::IpAddress& /*address*/) noexcept override {
        return false;
    }

private:
    engine::Route ipv4_;
    engine::Route ipv6_;
};

class NoSteering final : public engine::Steering {
public:
    void add_service(const model::ServiceKey& /*key*/) override {}

    void remove_service(const model::ServiceKey& /*key*/) override {}

    void add_stock(const model::ServiceKey& /*key*/, std::uint32_t /*stock*/) override {}

    void add_nat_source(model::Protocol /*protocol*/, const net::Endpoint& /*real*/) override {}

    void remove_nat_source(model::Protocol /*protocol*/, const net::Endpoint& /*real*/) override {}

    void add_address(const net::IpAddress& /*address*/) override {}

    void remove_address(const net::IpAddress& /*address*/) override {}

    void remember_everyone() override {}

    void await_clients(bool /*is_any*/) noexcept override {}

    void set_mark_rules(std::span<const xvs_mark_rule> /*rules*/) override {}

    Status set_access_prefix(const xvs_access_key& /*key*/, std::uint32_t /*action*/) override {
        return {};
    }

    void remove_access_prefix(const xvs_access_key& /*key*/) override {}

    Status set_access_list(std::uint32_t /*number*/,
                           const model::ServiceKey* /*service*/,
                           const xvs_access_list& /*list*/) override {
        return {};
    }
};

// Returns the sizes of tables for `connections` of one family; the other family gets next to none.
template <class Ip>
[[nodiscard]] flow::Sizes sizes_of_one_family(std::uint32_t connections) noexcept;

template <class Ip>
class Rig {
public:
    // Tables for `capacity` connections in `storage`, which must outlive the rig.
    [[nodiscard]] static Result<std::unique_ptr<Rig>> create(flow::Storage& storage,
                                                             model::ForwardingMethod method,
                                                             std::uint32_t capacity);

    // For create() alone.
    Rig(std::unique_ptr<flow::Tables> tables, model::ForwardingMethod method);

    // Adds connections of clients 0 to `count` - 1 which have finished their handshakes.
    void establish(std::uint32_t count);

    // The next burst: packets of established connections, chosen by `order`.
    void compose_requests(RandomOrder& order) noexcept;
    void compose_replies(RandomOrder& order) noexcept;
    // Clients who were not there before.
    void compose_new() noexcept;
    // Packets that are for nobody here: to a stranger's address, or to another port of the VIP.
    void compose_for_stranger() noexcept;
    void compose_for_other_port() noexcept;

    // Takes the burst through the engine: what is measured.
    void run_burst() noexcept { (void)engine_.process_burst(); }

    // Lets as much time pass as it takes until a burst of `live` half-open connections has ended.
    void pass_time(std::uint32_t live) noexcept;

    // Runs the timers if it is their time; returns how many connections they have ended.
    std::size_t run_timers() noexcept;

    [[nodiscard]] BurstPort& port() noexcept { return port_; }

    [[nodiscard]] flow::Tables& tables() noexcept { return *tables_; }

    [[nodiscard]] engine::Engine& engine() noexcept { return engine_; }

private:
    void add_service(model::ForwardingMethod method);
    [[nodiscard]] Endpoint<Ip> server_of(std::uint32_t client_number) const noexcept;

    std::unique_ptr<flow::Tables> tables_;
    VirtualClock clock_;
    OneWayRouter router_;
    NoSteering steering_;
    BurstPort port_;
    engine::Engine engine_;
    bool is_nat_;
    std::uint32_t next_client_ = 0;
    Nanoseconds timers_ran_at_;
};

}  // namespace xvs::bench
