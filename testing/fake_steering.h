// FakeSteering: remembers what the engine wants to be brought to it.
#pragma once

#include <map>
#include <set>
#include <utility>

#include "engine/steering.h"

namespace xvs::testing {

class FakeSteering final : public engine::Steering {
public:
    void add_service(const model::ServiceKey& key) override { services.insert(key); }

    void remove_service(const model::ServiceKey& key) override { services.erase(key); }

    void add_nat_source(model::Protocol protocol, const net::Endpoint& real) override {
        ++nat_sources[{protocol, real}];
    }

    void remove_nat_source(model::Protocol protocol, const net::Endpoint& real) override {
        if (--nat_sources[{protocol, real}] == 0) nat_sources.erase({protocol, real});
    }

    void add_address(const net::IpAddress& address) override { ++addresses[address]; }

    void remove_address(const net::IpAddress& address) override {
        if (--addresses[address] == 0) addresses.erase(address);
    }

    std::set<model::ServiceKey> services;
    std::map<std::pair<model::Protocol, net::Endpoint>, int> nat_sources;
    std::map<net::IpAddress, int> addresses;
};

}  // namespace xvs::testing
