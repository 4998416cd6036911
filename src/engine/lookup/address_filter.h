// AddressFilter: says at once that an address is nobody's here: no VIP, no real server.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>

#include "net/address.h"

namespace xvs::engine {

// A Bloom filter of one hash: few addresses leave its 32 KiB nearly empty, a hundred thousand make
// it let two thirds of the others through, which then cost a look-up each. Addresses are counted:
// as many removals as additions take one out. Thread: changed under the gates of all workers.
class AddressFilter {
public:
    AddressFilter()
        : words_(std::make_unique<std::uint64_t[]>(kPlaces / 64)),
          counts_(std::make_unique<std::uint32_t[]>(kPlaces)) {}

    void add(const net::IpAddress& address) noexcept {
        const std::uint32_t place = place_of(address);
        if (counts_[place]++ == 0) words_[place / 64] |= bit(place);
    }

    void remove(const net::IpAddress& address) noexcept {
        const std::uint32_t place = place_of(address);
        if (--counts_[place] == 0) words_[place / 64] &= ~bit(place);
    }

    // May hold any address, from here on.
    void hold_all() noexcept {
        if (std::exchange(holds_all_, true)) return;
        for (std::size_t place = 0; place < kPlaces; ++place)
            ++counts_[place];
        for (std::size_t word = 0; word < kPlaces / 64; ++word)
            words_[word] = ~std::uint64_t{0};
    }

    // False for certain, true perhaps. Takes an address as a FlowKey has it, in wire order.
    template <class Words>
    [[nodiscard]] bool may_hold(const Words& address) const noexcept {
        const std::uint32_t place = place_of(address);
        return (words_[place / 64] & bit(place)) != 0;
    }

private:
    static constexpr unsigned kBits = 18;
    static constexpr std::size_t kPlaces = std::size_t{1} << kBits;

    using Ipv6Words = std::array<std::uint32_t, 4>;

    [[nodiscard]] static std::uint32_t place_of(std::uint32_t word) noexcept {
        return (word * 0x9e3779b1U) >> (32 - kBits);
    }

    [[nodiscard]] static std::uint32_t place_of(const Ipv6Words& words) noexcept {
        std::uint64_t halves[2];
        std::memcpy(halves, words.data(), sizeof(halves));
        const std::uint64_t mixed = (halves[0] * 0x9e3779b97f4a7c15U) ^ halves[1];
        return static_cast<std::uint32_t>((mixed * 0xff51afd7ed558ccdU) >> (64 - kBits));
    }

    [[nodiscard]] static std::uint32_t place_of(const net::IpAddress& address) noexcept {
        Ipv6Words words;
        std::memcpy(words.data(), address.bytes().data(), sizeof(words));
        return address.family() == net::Family::Ipv4 ? place_of(words[0]) : place_of(words);
    }

    [[nodiscard]] static std::uint64_t bit(std::uint32_t place) noexcept {
        return std::uint64_t{1} << (place % 64);
    }

    std::unique_ptr<std::uint64_t[]> words_;
    std::unique_ptr<std::uint32_t[]> counts_;
    bool holds_all_ = false;
};

}  // namespace xvs::engine
