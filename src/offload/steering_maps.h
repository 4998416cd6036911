// SteeringMaps: tells the steering program in the kernel which packets are ours.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <unordered_map>
#include <vector>

#include "engine/steering.h"
#include "net/prefix.h"
#include "offload/steer_layout.h"

namespace xvs::offload {

class SteeringProgram;

// A map that is full is logged when that begins, not for each key that finds no room.
class SteeringMaps final : public engine::Steering {
public:
    // `program` must outlive this.
    explicit SteeringMaps(const SteeringProgram& program) noexcept : program_(program) {}

    // From here on endpoints and addresses that are added wait for put_gathered(), which takes one
    // system call for each map. REQUIRES: no packet is met before that.
    void gather() noexcept { is_gathering_ = true; }

    void put_gathered();

    void add_service(const model::ServiceKey& key) override;
    void remove_service(const model::ServiceKey& key) override;
    void add_stock(const model::ServiceKey& key, std::uint32_t stock) override;
    void add_nat_source(model::Protocol protocol, const net::Endpoint& real) override;
    void remove_nat_source(model::Protocol protocol, const net::Endpoint& real) override;
    void add_address(const net::IpAddress& address) override;
    void remove_address(const net::IpAddress& address) override;
    void remember_everyone() override;
    void await_clients(bool is_any) noexcept override;
    void set_mark_rules(std::span<const xvs_mark_rule> rules) override;
    Status set_access_prefix(const xvs_access_key& key, std::uint32_t action) override;
    void remove_access_prefix(const xvs_access_key& key) override;
    Status set_access_list(std::uint32_t number,
                           const model::ServiceKey* service,
                           const xvs_access_list& list) override;

    // Makes these the local prefixes; what changed is all that costs. Thread: as above.
    void set_local_prefixes(const std::set<net::Prefix>& prefixes);

private:
    struct KeyHash {
        std::size_t operator()(const xvs_endpoint_key& key) const noexcept;
    };

    struct KeyEqual {
        bool operator()(const xvs_endpoint_key& a, const xvs_endpoint_key& b) const noexcept;
    };

    using Counts = std::unordered_map<xvs_endpoint_key, std::uint32_t, KeyHash, KeyEqual>;

    // Additions to one map, in their order.
    struct Gathered {
        const char* what = nullptr;
        std::uint32_t limit = 0;
        std::vector<xvs_endpoint_key> keys;
        std::vector<std::uint32_t> values;
    };

    void note_access();
    void note_kind(const model::ServiceKey& key, bool is_added);
    void insert(
        int map, const char* what, std::uint32_t limit, const void* key, std::uint32_t value = 0);
    void insert_endpoint(int map,
                         const char* what,
                         std::uint32_t limit,
                         const xvs_endpoint_key& key,
                         std::uint32_t value = 0);
    void erase_endpoint(int map, const xvs_endpoint_key& key);
    void put(int map, const Gathered& gathered);
    void erase(int map, const void* key);
    void insert_prefix(const net::Prefix& prefix);
    void erase_prefix(const net::Prefix& prefix);

    const SteeringProgram& program_;
    std::set<model::ServiceKey> any_port_services_;
    std::set<model::ServiceKey> ftp_services_;
    std::set<std::uint32_t> access_lists_;  // their numbers
    Counts nat_sources_;
    Counts addresses_;
    std::set<net::Prefix> prefixes_;
    std::set<int> full_;  // maps whose being full was logged
    bool is_gathering_ = false;
    std::map<int, Gathered> gathered_;
};

}  // namespace xvs::offload
