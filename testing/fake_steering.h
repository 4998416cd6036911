// FakeSteering: remembers what the engine wants to be brought to it.
#pragma once

#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "engine/steering.h"

namespace xvs::testing {

class FakeSteering : public engine::Steering {
public:
    // `other`, which must outlive this, is told all that was told before, and from now on the same.
    void tell_also(engine::Steering& other) {
        other_ = &other;
        for (const model::ServiceKey& key : services)
            other.add_service(key);
        for (const auto& [key, stock] : stocks)
            other.add_stock(key, stock);
        for (const auto& [source, count] : nat_sources) {
            for (int i = 0; i < count; ++i)
                other.add_nat_source(source.first, source.second);
        }
        for (const auto& [address, count] : addresses) {
            for (int i = 0; i < count; ++i)
                other.add_address(address);
        }
        if (knows_everyone) other.remember_everyone();
        other.set_mark_rules(mark_rules);
        for (const auto& [key, action] : access_prefixes)
            static_cast<void>(other.set_access_prefix(key, action));
        for (const auto& [number, list] : access_lists)
            static_cast<void>(
                other.set_access_list(number, list.first ? &*list.first : nullptr, list.second));
        other.await_clients(awaits_clients);
    }

    void tell_nobody_else() noexcept { other_ = nullptr; }

    void add_service(const model::ServiceKey& key) override {
        services.insert(key);
        if (other_ != nullptr) other_->add_service(key);
    }

    void remove_service(const model::ServiceKey& key) override {
        services.erase(key);
        stocks.erase(key);
        if (other_ != nullptr) other_->remove_service(key);
    }

    void add_stock(const model::ServiceKey& key, std::uint32_t stock) override {
        stocks[key] = stock;
        if (other_ != nullptr) other_->add_stock(key, stock);
    }

    void add_nat_source(model::Protocol protocol, const net::Endpoint& real) override {
        ++nat_sources[{protocol, real}];
        if (other_ != nullptr) other_->add_nat_source(protocol, real);
    }

    void remove_nat_source(model::Protocol protocol, const net::Endpoint& real) override {
        if (--nat_sources[{protocol, real}] == 0) nat_sources.erase({protocol, real});
        if (other_ != nullptr) other_->remove_nat_source(protocol, real);
    }

    void add_address(const net::IpAddress& address) override {
        ++addresses[address];
        if (other_ != nullptr) other_->add_address(address);
    }

    void remove_address(const net::IpAddress& address) override {
        if (--addresses[address] == 0) addresses.erase(address);
        if (other_ != nullptr) other_->remove_address(address);
    }

    void remember_everyone() override {
        knows_everyone = true;
        if (other_ != nullptr) other_->remember_everyone();
    }

    void await_clients(bool is_any) noexcept override {
        awaits_clients = is_any;
        if (other_ != nullptr) other_->await_clients(is_any);
    }

    void set_mark_rules(std::span<const xvs_mark_rule> rules) override {
        mark_rules.assign(rules.begin(), rules.end());
        if (other_ != nullptr) other_->set_mark_rules(rules);
    }

    Status set_access_prefix(const xvs_access_key& key, std::uint32_t action) override {
        if (other_ != nullptr) {
            if (auto told = other_->set_access_prefix(key, action); !told) return told;
        }
        access_prefixes[key] = action;
        return {};
    }

    void remove_access_prefix(const xvs_access_key& key) override {
        access_prefixes.erase(key);
        if (other_ != nullptr) other_->remove_access_prefix(key);
    }

    Status set_access_list(std::uint32_t number,
                           const model::ServiceKey* service,
                           const xvs_access_list& list) override {
        if (other_ != nullptr) {
            if (auto told = other_->set_access_list(number, service, list); !told) return told;
        }
        if (list.count4 == 0 && list.count6 == 0) {
            access_lists.erase(number);
            return {};
        }
        access_lists[number] = {service != nullptr ? std::optional(*service) : std::nullopt, list};
        return {};
    }

    struct AccessKeyOrder {
        bool operator()(const xvs_access_key& a, const xvs_access_key& b) const noexcept {
            return std::memcmp(&a, &b, sizeof(a)) < 0;
        }
    };

    std::map<xvs_access_key, std::uint32_t, AccessKeyOrder> access_prefixes;
    std::map<std::uint32_t, std::pair<std::optional<model::ServiceKey>, xvs_access_list>>
        access_lists;
    std::set<model::ServiceKey> services;
    std::map<model::ServiceKey, std::uint32_t> stocks;
    std::vector<xvs_mark_rule> mark_rules;
    bool knows_everyone = false;
    bool awaits_clients = false;
    std::map<std::pair<model::Protocol, net::Endpoint>, int> nat_sources;
    std::map<net::IpAddress, int> addresses;

private:
    engine::Steering* other_ = nullptr;
};

}  // namespace xvs::testing
