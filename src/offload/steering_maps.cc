#include "offload/steering_maps.h"

#include <cerrno>
#include <cstring>
#include <functional>
#include <string_view>
#include <type_traits>
#include <utility>

#include <linux/bpf.h>

#include <bpf/bpf.h>
#include <spdlog/spdlog.h>

#include "base/byte_order.h"
#include "offload/steering_program.h"

namespace xvs::offload {
namespace {

xvs_endpoint_key make_key(model::Protocol protocol, const net::IpAddress& address, net::Port port) {
    xvs_endpoint_key key{};
    std::memcpy(key.address, address.bytes().data(), sizeof(key.address));
    key.port = to_wire16(net::number(port));
    key.protocol = static_cast<std::uint8_t>(protocol);
    key.family = static_cast<std::uint8_t>(address.family());
    return key;
}

// Of an address alone.
xvs_endpoint_key make_key(const net::IpAddress& address) {
    return make_key(model::Protocol::Ip, address, net::Port{0});
}

template <class Prefix>
Prefix make_prefix(const net::Prefix& from) {
    Prefix prefix{};
    prefix.length = from.length;
    std::memcpy(prefix.address, from.address.bytes().data(), sizeof(prefix.address));
    return prefix;
}

}  // namespace

std::size_t SteeringMaps::KeyHash::operator()(const xvs_endpoint_key& key) const noexcept {
    static_assert(std::has_unique_object_representations_v<xvs_endpoint_key>);
    return std::hash<std::string_view>{}({reinterpret_cast<const char*>(&key), sizeof(key)});
}

bool SteeringMaps::KeyEqual::operator()(const xvs_endpoint_key& a,
                                        const xvs_endpoint_key& b) const noexcept {
    return std::memcmp(&a, &b, sizeof(a)) == 0;
}

// The program steers by addresses and ports; a service by firewall mark has neither.
void SteeringMaps::add_service(const model::ServiceKey& key) {
    if (key.fwmark != 0) return;
    const xvs_endpoint_key service = make_key(key.protocol, key.address, key.port);
    program_.remember(key.address);
    insert_endpoint(program_.map(SteeringMap::Services), "services", XVS_MAX_SERVICES, service);
    note_kind(key, true);
}

void SteeringMaps::remove_service(const model::ServiceKey& key) {
    if (key.fwmark != 0) return;
    const xvs_endpoint_key service = make_key(key.protocol, key.address, key.port);
    erase_endpoint(program_.map(SteeringMap::Services), service);
    note_kind(key, false);
}

void SteeringMaps::add_stock(const model::ServiceKey& key, std::uint32_t stock) {
    const xvs_endpoint_key service = make_key(key.protocol, key.address, key.port);
    insert_endpoint(
        program_.map(SteeringMap::Services), "services", XVS_MAX_SERVICES, service, stock + 1);
}

// add_service() and remove_service() may come twice for one key.
void SteeringMaps::note_kind(const model::ServiceKey& key, bool is_added) {
    std::set<model::ServiceKey>* kind = nullptr;
    if (key.port == net::Port{0}) kind = &any_port_services_;
    if (key.protocol == model::Protocol::Tcp && key.port == net::Port{XVS_FTP_PORT}) {
        kind = &ftp_services_;
    }
    if (kind == nullptr) return;
    if (is_added) {
        kind->insert(key);
    } else {
        kind->erase(key);
    }
    program_.kinds().any_port = any_port_services_.empty() ? 0 : 1;
    program_.kinds().ftp = ftp_services_.empty() ? 0 : 1;
}

void SteeringMaps::add_nat_source(model::Protocol protocol, const net::Endpoint& real) {
    const xvs_endpoint_key key = make_key(protocol, real.address, real.port);
    if (nat_sources_[key]++ > 0) return;
    program_.remember(real.address);
    insert_endpoint(
        program_.map(SteeringMap::NatSources), "NAT destinations", XVS_MAX_NAT_SOURCES, key);
}

void SteeringMaps::remove_nat_source(model::Protocol protocol, const net::Endpoint& real) {
    const auto found = nat_sources_.find(make_key(protocol, real.address, real.port));
    if (found == nat_sources_.end() || --found->second > 0) return;
    erase_endpoint(program_.map(SteeringMap::NatSources), found->first);
    nat_sources_.erase(found);
}

void SteeringMaps::add_address(const net::IpAddress& address) {
    const xvs_endpoint_key key = make_key(address);
    if (addresses_[key]++ > 0) return;
    program_.remember(address);
    insert_endpoint(program_.map(SteeringMap::Addresses), "addresses", XVS_MAX_ADDRESSES, key);
}

void SteeringMaps::remove_address(const net::IpAddress& address) {
    const auto found = addresses_.find(make_key(address));
    if (found == addresses_.end() || --found->second > 0) return;
    erase_endpoint(program_.map(SteeringMap::Addresses), found->first);
    addresses_.erase(found);
}

void SteeringMaps::remember_everyone() {
    program_.remember_everyone();
}

// None while they are being exchanged: a packet meanwhile stays with the host.
void SteeringMaps::set_mark_rules(std::span<const xvs_mark_rule> rules) {
    __atomic_store_n(&program_.kinds().mark_rules, 0U, __ATOMIC_RELEASE);
    for (std::uint32_t i = 0; i < rules.size(); ++i) {
        if (::bpf_map_update_elem(program_.map(SteeringMap::MarkRules), &i, &rules[i], BPF_ANY) !=
            0)
            return spdlog::error("mark rules are not met: {}", std::strerror(errno));
    }
    __atomic_store_n(
        &program_.kinds().mark_rules, static_cast<std::uint32_t>(rules.size()), __ATOMIC_RELEASE);
}

Status SteeringMaps::set_access_prefix(const xvs_access_key& key, std::uint32_t action) {
    if (::bpf_map_update_elem(program_.map(SteeringMap::AccessPrefixes), &key, &action, BPF_ANY) ==
        0)
        return {};
    return fail(ErrorCode::OutOfMemory,
                system_error("another prefix of an access list in the kernel", errno).context);
}

void SteeringMaps::remove_access_prefix(const xvs_access_key& key) {
    (void)::bpf_map_delete_elem(program_.map(SteeringMap::AccessPrefixes), &key);
}

// A list is known by its number before a service's packets are looked up in it, and after.
Status SteeringMaps::set_access_list(std::uint32_t number,
                                     const model::ServiceKey* service,
                                     const xvs_access_list& list) {
    const int lists = program_.map(SteeringMap::AccessLists);
    const int services = program_.map(SteeringMap::AccessServices);
    const bool has_key = service != nullptr && service->fwmark == 0;
    const xvs_endpoint_key key =
        has_key ? make_key(service->protocol, service->address, service->port) : xvs_endpoint_key{};
    if (list.count4 == 0 && list.count6 == 0) {
        access_lists_.erase(number);
        note_access();
        if (has_key) (void)::bpf_map_delete_elem(services, &key);
        (void)::bpf_map_delete_elem(lists, &number);
        return {};
    }
    const bool is_set = ::bpf_map_update_elem(lists, &number, &list, BPF_ANY) == 0 &&
                        (!has_key || ::bpf_map_update_elem(services, &key, &number, BPF_ANY) == 0);
    if (!is_set) {
        const Error error = system_error("another access list in the kernel", errno);
        if (!access_lists_.contains(number)) (void)::bpf_map_delete_elem(lists, &number);
        return fail(ErrorCode::OutOfMemory, error.context);
    }
    access_lists_.insert(number);
    note_access();
    return {};
}

void SteeringMaps::note_access() {
    const std::uint32_t of_all = access_lists_.contains(XVS_ACCESS_OF_ALL) ? 1 : 0;
    const std::uint32_t kinds = of_all * XVS_HAS_ACCESS_OF_ALL |
                                (access_lists_.size() > of_all ? XVS_HAS_ACCESS_OF_SERVICES : 0);
    __atomic_store_n(&program_.kinds().access, kinds, __ATOMIC_RELEASE);
}

void SteeringMaps::await_clients(bool is_any) noexcept {
    __atomic_store_n(&program_.kinds().awaits_clients, is_any ? 1U : 0U, __ATOMIC_RELEASE);
}

void SteeringMaps::set_local_prefixes(const std::set<net::Prefix>& prefixes) {
    for (const net::Prefix& prefix : prefixes) {
        if (!prefixes_.contains(prefix)) insert_prefix(prefix);
    }
    for (const net::Prefix& prefix : prefixes_) {
        if (!prefixes.contains(prefix)) erase_prefix(prefix);
    }
    prefixes_ = prefixes;
}

void SteeringMaps::insert_prefix(const net::Prefix& prefix) {
    if (prefix.address.family() == net::Family::Ipv4) {
        const auto key = make_prefix<xvs_prefix4>(prefix);
        insert(
            program_.map(SteeringMap::Local4), "local IPv4 prefixes", XVS_MAX_LOCAL_PREFIXES, &key);
    } else {
        const auto key = make_prefix<xvs_prefix6>(prefix);
        insert(
            program_.map(SteeringMap::Local6), "local IPv6 prefixes", XVS_MAX_LOCAL_PREFIXES, &key);
    }
}

void SteeringMaps::erase_prefix(const net::Prefix& prefix) {
    if (prefix.address.family() == net::Family::Ipv4) {
        const auto key = make_prefix<xvs_prefix4>(prefix);
        erase(program_.map(SteeringMap::Local4), &key);
    } else {
        const auto key = make_prefix<xvs_prefix6>(prefix);
        erase(program_.map(SteeringMap::Local6), &key);
    }
}

void SteeringMaps::insert(
    int map, const char* what, std::uint32_t limit, const void* key, std::uint32_t value) {
    if (::bpf_map_update_elem(map, key, &value, BPF_ANY) == 0) return;
    const int error = errno;
    if (!full_.insert(map).second) return;
    spdlog::error(
        "the steering program can hold no more {} (limit {}): {}; packets for those that "
        "come now stay with the host",
        what,
        limit,
        std::strerror(error));
}

void SteeringMaps::insert_endpoint(int map,
                                   const char* what,
                                   std::uint32_t limit,
                                   const xvs_endpoint_key& key,
                                   std::uint32_t value) {
    if (!is_gathering_) return insert(map, what, limit, &key, value);
    Gathered& gathered = gathered_[map];
    gathered.what = what;
    gathered.limit = limit;
    gathered.keys.push_back(key);
    gathered.values.push_back(value);
}

void SteeringMaps::erase_endpoint(int map, const xvs_endpoint_key& key) {
    if (is_gathering_) {
        put_gathered();
        gather();
    }
    erase(map, &key);
}

void SteeringMaps::put_gathered() {
    is_gathering_ = false;
    for (const auto& [map, gathered] : std::exchange(gathered_, {}))
        put(map, gathered);
}

// Where the map is full, or Linux knows no such call, again and one by one.
void SteeringMaps::put(int map, const Gathered& gathered) {
    auto count = static_cast<__u32>(gathered.keys.size());
    if (::bpf_map_update_batch(
            map, gathered.keys.data(), gathered.values.data(), &count, nullptr) == 0)
        return;
    for (std::size_t i = 0; i < gathered.keys.size(); ++i)
        insert(map, gathered.what, gathered.limit, &gathered.keys[i], gathered.values[i]);
}

void SteeringMaps::erase(int map, const void* key) {
    if (::bpf_map_delete_elem(map, key) == 0) full_.erase(map);
}

}  // namespace xvs::offload
