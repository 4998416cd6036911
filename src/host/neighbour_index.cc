#include "host/neighbour_index.h"

#include <bit>
#include <cstring>

#include "flow/hash.h"

namespace xvs::host {
namespace {

std::array<std::uint32_t, 4> words_of(const net::IpAddress& address) noexcept {
    std::array<std::uint32_t, 4> words{};
    std::memcpy(words.data(), address.bytes().data(), sizeof(words));
    return words;
}

}  // namespace

std::uint32_t hash_addresses(const xvs_hash_keys& keys,
                             const net::IpAddress& first,
                             const net::IpAddress& second,
                             std::uint32_t number) noexcept {
    const auto family = static_cast<std::uint32_t>(first.family());
    return xvs_hash6(&keys, words_of(first).data(), words_of(second).data(), number, family);
}

NeighbourIndex::NeighbourIndex(std::uint32_t capacity, const xvs_hash_keys& keys)
    : keys_(keys), chains_(std::bit_ceil(capacity), XVS_NONE), entries_(capacity) {}

std::uint32_t NeighbourIndex::chain_of(std::uint32_t interface,
                                       const net::IpAddress& gateway) const noexcept {
    const std::uint32_t hash = hash_addresses(keys_, gateway, {}, interface);
    return hash & static_cast<std::uint32_t>(chains_.size() - 1);
}

std::uint32_t NeighbourIndex::find(std::uint32_t interface,
                                   const net::IpAddress& gateway,
                                   std::uint32_t limit) const noexcept {
    std::uint32_t index = chains_[chain_of(interface, gateway)];
    while (index != XVS_NONE &&
           (!is_of(index, interface, gateway) || entries_[index].limit != limit))
        index = entries_[index].next;
    return index;
}

void NeighbourIndex::insert(std::uint32_t index,
                            std::uint32_t interface,
                            const net::IpAddress& gateway,
                            std::uint32_t limit) noexcept {
    std::uint32_t& head = chains_[chain_of(interface, gateway)];
    entries_[index] =
        Entry{.interface = interface, .next = head, .limit = limit, .gateway = gateway};
    head = index;
}

void NeighbourIndex::erase(std::uint32_t index) noexcept {
    const Entry& entry = entries_[index];
    std::uint32_t* link = &chains_[chain_of(entry.interface, entry.gateway)];
    while (*link != index)
        link = &entries_[*link].next;
    *link = entry.next;
    entries_[index] = Entry{};
}

}  // namespace xvs::host
