// FakeServiceManager: a director without a packet path. It keeps services in maps, answers edits
// with the kernel's errors, and lists what a test tells it to.
#pragma once

#include <algorithm>
#include <map>
#include <vector>

#include "control/access_rule_list.h"
#include "control/mark_rule_list.h"
#include "control/service_manager.h"
#include "model/validate.h"

namespace xvs::testing {

class FakeServiceManager : public control::ServiceManager {
public:
    FakeServiceManager() { surroundings_ = default_surroundings(); }

    explicit FakeServiceManager(model::Surroundings surroundings)
        : surroundings_(std::move(surroundings)) {}

    // All schedulers of Linux 6.1, the engine "sip", no local addresses but loopback.
    [[nodiscard]] static model::Surroundings default_surroundings() {
        return {.has_scheduler =
                    [](std::string_view name) {
                        static constexpr std::string_view kNames[] = {"rr",
                                                                      "wrr",
                                                                      "lc",
                                                                      "wlc",
                                                                      "lblc",
                                                                      "lblcr",
                                                                      "dh",
                                                                      "sh",
                                                                      "sed",
                                                                      "nq",
                                                                      "fo",
                                                                      "ovf",
                                                                      "mh",
                                                                      "twos"};
                        return std::find(std::begin(kNames), std::end(kNames), name) !=
                               std::end(kNames);
                    },
                .has_persistence_engine = [](std::string_view name) { return name == "sip"; },
                .is_local = [](const net::IpAddress& address) { return address.is_loopback(); },
                .is_broadcast = {}};
    }

    Status add_service(const model::VirtualService& service) override {
        const model::ServiceKey key = model::canonical(service.key);
        if (services_.contains(key)) {
            return fail(ErrorCode::AlreadyExists, key.to_string() + " exists already");
        }
        if (auto checked = model::check_service(service, surroundings_); !checked) return checked;
        Entry entry;
        entry.status.service = service;
        entry.status.service.key = key;
        entry.status.service.flags |= model::kServiceHashed;
        services_.emplace(key, std::move(entry));
        return {};
    }

    Status edit_service(const model::VirtualService& service) override {
        Entry* entry = find(service.key);
        if (entry == nullptr) return no_service(service.key);
        if (auto checked = model::check_service(service, surroundings_); !checked) return checked;
        const model::ServiceKey key = entry->status.service.key;
        entry->status.service = service;
        entry->status.service.key = key;
        entry->status.service.flags |= model::kServiceHashed;
        return {};
    }

    Status remove_service(const model::ServiceKey& key) override {
        if (services_.erase(model::canonical(key)) == 0) return no_service(key);
        for (const auto& rule : access_rules_.of_service(key, access_rules_.size()))
            static_cast<void>(access_rules_.remove(rule));
        return {};
    }

    void flush() override {
        while (!services_.empty()) {
            const model::ServiceKey key = services_.begin()->first;
            static_cast<void>(remove_service(key));
        }
    }

    Status add_destination(const model::ServiceKey& key,
                           const model::Destination& destination) override {
        Entry* entry = find(key);
        if (entry == nullptr) return no_service(key);
        if (auto checked = model::check_destination(key.family(), destination); !checked) {
            return checked;
        }
        if (find(*entry, destination.real) != nullptr) {
            return fail(ErrorCode::AlreadyExists, destination.real.to_string() + " exists already");
        }
        if (auto checked = model::check_real_address(destination.real.address, surroundings_);
            !checked) {
            return checked;
        }
        control::DestinationStatus status;
        status.destination = destination;
        entry->destinations.insert(entry->destinations.begin(), status);
        return {};
    }

    Status edit_destination(const model::ServiceKey& key,
                            const model::Destination& destination) override {
        Entry* entry = find(key);
        if (entry == nullptr) return no_service(key);
        if (auto checked = model::check_destination(key.family(), destination); !checked) {
            return checked;
        }
        control::DestinationStatus* status = find(*entry, destination.real);
        if (status == nullptr) return no_destination(destination.real);
        status->destination = destination;
        return {};
    }

    Status remove_destination(const model::ServiceKey& key, const net::Endpoint& real) override {
        Entry* entry = find(key);
        if (entry == nullptr) return no_service(key);
        const auto erased = std::erase_if(entry->destinations, [&real](const auto& status) {
            return status.destination.real == real;
        });
        if (erased == 0) return no_destination(real);
        return {};
    }

    [[nodiscard]] Result<control::ServiceStatus> get_service(
        const model::ServiceKey& key) const override {
        const auto found = services_.find(model::canonical(key));
        if (found == services_.end()) return fail(ErrorCode::NoSuchService, key.to_string());
        return found->second.status;
    }

    [[nodiscard]] std::vector<control::ServiceStatus> services() const override {
        std::vector<control::ServiceStatus> result;
        result.reserve(services_.size());
        for (const auto& [key, entry] : services_)
            result.push_back(entry.status);
        return result;
    }

    [[nodiscard]] std::vector<control::DestinationStatus> destinations(
        const model::ServiceKey& key) const override {
        const auto found = services_.find(model::canonical(key));
        if (found == services_.end()) return {};
        return found->second.destinations;
    }

    [[nodiscard]] Result<model::VirtualService> configured_service(
        const model::ServiceKey& key) const override {
        const auto status = get_service(key);
        if (!status) return fail(status.error());
        return status->service;
    }

    [[nodiscard]] std::vector<model::VirtualService> configured_services() const override {
        std::vector<model::VirtualService> result;
        for (const auto& [key, entry] : services_)
            result.push_back(entry.status.service);
        return result;
    }

    // Its places are how many real servers were listed.
    bool for_each_destination(
        const model::ServiceKey& key,
        model::DestinationPlace& place,
        std::size_t limit,
        const std::function<void(const model::Destination&)>& visit) const override {
        const auto all = destinations(key);
        for (; place.number < all.size() && limit > 0; ++place.number, --limit)
            visit(all[place.number].destination);
        return place.number < all.size();
    }

    std::uint64_t for_each_connection(
        std::uint64_t cursor,
        std::size_t limit,
        const std::function<void(const model::ConnectionInfo&)>& visit) const override {
        const std::size_t end = std::min(connections.size(), std::size_t{cursor} + limit);
        for (; cursor < end; ++cursor)
            visit(connections[cursor]);
        return cursor < connections.size() ? cursor : 0;
    }

    [[nodiscard]] model::Statistics total() const override {
        model::Statistics sum;
        for (const auto& [key, entry] : services_)
            sum.counters += entry.status.statistics.counters;
        return sum;
    }

    Status zero(const model::ServiceKey& key) override {
        Entry* entry = find(key);
        if (entry == nullptr) return no_service(key);
        zero(*entry);
        return {};
    }

    void zero_all() override {
        for (auto& [key, entry] : services_)
            zero(entry);
    }

    [[nodiscard]] model::Timeouts timeouts() const override { return timeouts_; }

    void set_timeouts(const model::Timeouts& timeouts) override { timeouts_ = timeouts; }

    [[nodiscard]] std::uint32_t connection_capacity() const override { return capacity; }

    // For a test to set what a listing shows. REQUIRES: the service, the destination exist.
    model::Statistics& statistics(const model::ServiceKey& key) {
        return find(key)->status.statistics;
    }

    Status add_mark_rule(const model::MarkRule& rule) override { return mark_rules_.add(rule); }

    Status remove_mark_rule(const model::MarkRule& rule) override {
        return mark_rules_.remove(rule);
    }

    [[nodiscard]] std::vector<model::MarkRule> mark_rules() const override {
        return mark_rules_.all();
    }

    Status add_access_rule(const model::AccessRule& rule) override {
        if (rule.service && find(*rule.service) == nullptr) return no_service(*rule.service);
        return access_rules_.add(rule);
    }

    Status remove_access_rule(const model::AccessRule& rule) override {
        if (rule.service && find(*rule.service) == nullptr) return no_service(*rule.service);
        return access_rules_.remove(rule);
    }

    bool for_each_access_rule(
        control::AccessPlace& place,
        std::size_t limit,
        const std::function<void(const model::AccessRule&)>& visit) const override {
        return access_rules_.for_each(place, limit, visit);
    }

    [[nodiscard]] model::Sysctls sysctls() const override { return sysctls_; }

    Status set_sysctl(const model::SysctlValue& wanted) override {
        return model::set_sysctl(sysctls_, wanted.name, wanted.value);
    }

    control::DestinationStatus& status(const model::ServiceKey& key, const net::Endpoint& real) {
        return *find(*find(key), real);
    }

    std::vector<model::ConnectionInfo> connections;
    std::uint32_t capacity = 4096;

private:
    struct Entry {
        control::ServiceStatus status;
        std::vector<control::DestinationStatus> destinations;  // newest first
    };

    [[nodiscard]] static Status no_service(const model::ServiceKey& key) {
        return fail(ErrorCode::NoSuchService, "there is no service " + key.to_string());
    }

    [[nodiscard]] static Status no_destination(const net::Endpoint& real) {
        return fail(ErrorCode::NotFound, "there is no destination " + real.to_string());
    }

    [[nodiscard]] Entry* find(const model::ServiceKey& key) {
        const auto found = services_.find(model::canonical(key));
        return found == services_.end() ? nullptr : &found->second;
    }

    [[nodiscard]] static control::DestinationStatus* find(Entry& entry, const net::Endpoint& real) {
        const auto found = std::find_if(
            entry.destinations.begin(), entry.destinations.end(), [&real](const auto& status) {
                return status.destination.real == real;
            });
        return found == entry.destinations.end() ? nullptr : &*found;
    }

    static void zero(Entry& entry) {
        entry.status.statistics = {};
        for (auto& status : entry.destinations)
            status.statistics = {};
    }

    model::Surroundings surroundings_;
    std::map<model::ServiceKey, Entry> services_;
    model::Timeouts timeouts_;
    model::Sysctls sysctls_;
    control::MarkRuleList mark_rules_;
    control::AccessRuleList access_rules_;
};

}  // namespace xvs::testing
