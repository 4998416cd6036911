// BurstHashes: the hashes of the connections that have begun in a burst.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "engine/packet_port.h"

namespace xvs::engine {

// Room for those of one burst. Thread: the worker.
class BurstHashes {
public:
    // REQUIRES: fewer than kMaxBurst were added since clear().
    void add(std::uint32_t hash) noexcept {
        hashes_[count_++] = hash;
        marks_[word_of(hash)] |= bit_of(hash);
    }

    // Cost: one look at 32 bytes for most that were not added.
    [[nodiscard]] bool contains(std::uint32_t hash) const noexcept {
        if ((marks_[word_of(hash)] & bit_of(hash)) == 0) [[likely]]
            return false;
        const auto* const end = hashes_.data() + count_;
        return std::find(hashes_.data(), end, hash) != end;
    }

    void clear() noexcept {
        count_ = 0;
        marks_ = {};
    }

private:
    static constexpr std::size_t kWords = 4;

    [[nodiscard]] static std::size_t word_of(std::uint32_t hash) noexcept {
        return (hash >> 6) % kWords;
    }

    [[nodiscard]] static std::uint64_t bit_of(std::uint32_t hash) noexcept {
        return std::uint64_t{1} << (hash % 64);
    }

    std::array<std::uint64_t, kWords> marks_{};
    std::array<std::uint32_t, kMaxBurst> hashes_;
    std::size_t count_ = 0;
};

}  // namespace xvs::engine
