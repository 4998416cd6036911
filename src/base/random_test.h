// Random: a seeded generator for tests, the same numbers on every machine.
#pragma once

#include <cstdint>

namespace xvs {

class Random {
public:
    explicit Random(std::uint64_t seed) noexcept : state_(seed) {}

    [[nodiscard]] std::uint32_t next() noexcept {
        // splitmix64
        state_ += 0x9e3779b97f4a7c15u;
        std::uint64_t word = state_;
        word = (word ^ (word >> 30)) * 0xbf58476d1ce4e5b9u;
        word = (word ^ (word >> 27)) * 0x94d049bb133111ebu;
        return static_cast<std::uint32_t>(word >> 32);
    }

    // Returns a number from 0 to `bound` - 1.
    [[nodiscard]] std::uint32_t below(std::uint32_t bound) noexcept { return next() % bound; }

private:
    std::uint64_t state_;
};

}  // namespace xvs
