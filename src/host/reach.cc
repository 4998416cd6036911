#include "host/reach.h"

#include <algorithm>
#include <bit>

#include "base/byte_order.h"

namespace xvs::host {
namespace {

// How many leading bits two addresses of one family share.
std::uint8_t common_length(const net::IpAddress& one, const net::IpAddress& other) noexcept {
    unsigned length = 0;
    for (std::size_t i = 0; i < one.size(); ++i) {
        const auto difference = static_cast<std::uint8_t>(one.bytes()[i] ^ other.bytes()[i]);
        length += static_cast<unsigned>(std::countl_zero(difference));
        if (difference != 0) break;
    }
    return static_cast<std::uint8_t>(length);
}

}  // namespace

Reach::Reach(std::uint32_t next_hops)
    : covers_(next_hops), wide_(std::make_unique<Wide[]>(kWide)) {}

std::size_t Reach::network_of(const net::IpAddress& address) noexcept {
    const std::byte* const bytes = address.bytes().data();
    if (address.family() == net::Family::Ipv4) return load_be16(bytes);
    const std::uint64_t network = std::uint64_t{load_be32(bytes)} << 16 | load_be16(bytes + 4);
    return (network * 0x9e3779b97f4a7c15U) >> 48;
}

void Reach::add(std::uint32_t index, const net::IpAddress& destination) noexcept {
    Cover& cover = covers_[index][place(destination.family())];
    if (!cover.is_used) {
        cover = {.prefix = net::Prefix::of(destination), .is_used = true, .wide = kNone};
        return;
    }
    if (!cover.prefix.contains(destination)) {
        const std::uint8_t network = network_length(destination.family());
        const bool was_one_network = cover.prefix.length >= network;
        const net::IpAddress former = cover.prefix.address;
        const std::uint8_t length =
            std::min(cover.prefix.length, common_length(former, destination));
        cover.prefix = net::Prefix::of(former, length);
        if (was_one_network && length < network) {
            widen(cover);
            if (cover.wide != kNone) wide_[cover.wide].networks.set(network_of(former));
        }
    }
    if (cover.wide != kNone) wide_[cover.wide].networks.set(network_of(destination));
}

void Reach::widen(Cover& cover) noexcept {
    for (std::uint16_t i = 0; i < kWide; ++i) {
        if (wide_[i].is_used) continue;
        wide_[i].is_used = true;
        cover.wide = i;
        return;
    }
}

void Reach::clear(std::uint32_t index) noexcept {
    for (Cover& cover : covers_[index]) {
        if (cover.wide != kNone) {
            wide_[cover.wide].networks.reset();
            wide_[cover.wide].is_used = false;
        }
        cover = Cover{};
    }
}

bool Reach::may_reach(std::uint32_t index, const net::Prefix& prefix) const noexcept {
    const net::Family family = prefix.address.family();
    const Cover& cover = covers_[index][place(family)];
    if (!cover.is_used) return false;
    const bool overlaps = cover.prefix.length <= prefix.length
                              ? cover.prefix.contains(prefix.address)
                              : prefix.contains(cover.prefix.address);
    if (!overlaps || cover.wide == kNone) return overlaps;
    const std::bitset<kNetworks>& networks = wide_[cover.wide].networks;
    if (prefix.length >= network_length(family)) return networks.test(network_of(prefix.address));
    if (family == net::Family::Ipv6) return true;
    const std::size_t first = network_of(prefix.address);
    const std::size_t count = std::size_t{1} << (kIpv4Network - prefix.length);
    for (std::size_t network = first; network < first + count; ++network) {
        if (networks.test(network)) return true;
    }
    return false;
}

}  // namespace xvs::host
