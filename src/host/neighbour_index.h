// NeighbourIndex: finds the next-hop records of an interface and a gateway.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "flow/hash.h"
#include "flow/layout.h"
#include "net/address.h"

namespace xvs::host {

// One for each limit on the length of packets that ways by that gateway have; 0 is none but the
// interface's. Chains of record indices by hash; as many records as it was made for. Nothing
// allocates but the constructor.
class NeighbourIndex {
public:
    NeighbourIndex(std::uint32_t capacity, const xvs_hash_keys& keys);

    // Returns the record's index, or XVS_NONE.
    [[nodiscard]] std::uint32_t find(std::uint32_t interface,
                                     const net::IpAddress& gateway,
                                     std::uint32_t limit) const noexcept;

    // REQUIRES: neither the key nor the index is in.
    void insert(std::uint32_t index,
                std::uint32_t interface,
                const net::IpAddress& gateway,
                std::uint32_t limit) noexcept;

    // REQUIRES: the index is in.
    void erase(std::uint32_t index) noexcept;

    // Calls `visit(index)` for each record in it, which may erase that one.
    template <class Visit>
    void for_each(Visit&& visit) {
        for (std::uint32_t index = 0; index < entries_.size(); ++index) {
            if (entries_[index].interface != 0) visit(index);
        }
    }

    // The same for each record of that interface and gateway; it may not erase any.
    template <class Visit>
    void for_each_of(std::uint32_t interface,
                     const net::IpAddress& gateway,
                     Visit&& visit) const noexcept {
        std::uint32_t index = chains_[chain_of(interface, gateway)];
        for (; index != XVS_NONE; index = entries_[index].next) {
            if (is_of(index, interface, gateway)) visit(index);
        }
    }

    [[nodiscard]] std::uint32_t interface_of(std::uint32_t index) const noexcept {
        return entries_[index].interface;
    }

    [[nodiscard]] const net::IpAddress& gateway_of(std::uint32_t index) const noexcept {
        return entries_[index].gateway;
    }

    [[nodiscard]] std::uint32_t limit_of(std::uint32_t index) const noexcept {
        return entries_[index].limit;
    }

private:
    struct Entry {
        std::uint32_t interface = 0;  // 0: not in
        std::uint32_t next = XVS_NONE;
        std::uint32_t limit = 0;
        net::IpAddress gateway;
    };

    [[nodiscard]] bool is_of(std::uint32_t index,
                             std::uint32_t interface,
                             const net::IpAddress& gateway) const noexcept {
        return entries_[index].interface == interface && entries_[index].gateway == gateway;
    }

    [[nodiscard]] std::uint32_t chain_of(std::uint32_t interface,
                                         const net::IpAddress& gateway) const noexcept;

    xvs_hash_keys keys_;
    std::vector<std::uint32_t> chains_;  // a power of two
    std::vector<Entry> entries_;
};

// A keyed hash of two addresses and a number.
[[nodiscard]] std::uint32_t hash_addresses(const xvs_hash_keys& keys,
                                           const net::IpAddress& first,
                                           const net::IpAddress& second,
                                           std::uint32_t number) noexcept;

}  // namespace xvs::host
