// sip_hash_1_3: SipHash with one compression and three finalization rounds, of a single word.
#pragma once

#include <cstdint>

namespace xvs {

struct SipHashKey {
    std::uint64_t first = 0;
    std::uint64_t second = 0;
};

namespace detail {

struct SipState {
    std::uint64_t v0, v1, v2, v3;

    [[nodiscard]] static constexpr std::uint64_t rotate(std::uint64_t word, unsigned by) noexcept {
        return (word << by) | (word >> (64 - by));
    }

    constexpr void round() noexcept {
        v0 += v1;
        v1 = rotate(v1, 13) ^ v0;
        v0 = rotate(v0, 32);
        v2 += v3;
        v3 = rotate(v3, 16) ^ v2;
        v0 += v3;
        v3 = rotate(v3, 21) ^ v0;
        v2 += v1;
        v1 = rotate(v1, 17) ^ v2;
        v2 = rotate(v2, 32);
    }
};

}  // namespace detail

// Returns the lower half of SipHash-1-3 over the four bytes of `word`, least first. Kernel:
// hsiphash_1u32() of a 64-bit machine.
[[nodiscard]] constexpr std::uint32_t sip_hash_1_3(std::uint32_t word,
                                                   const SipHashKey& key) noexcept {
    constexpr std::uint64_t kLength = std::uint64_t{sizeof(word)} << 56;
    constexpr std::uint64_t kInitial[] = {
        0x736f6d6570736575U, 0x646f72616e646f6dU, 0x6c7967656e657261U, 0x7465646279746573U};
    detail::SipState state{kInitial[0] ^ key.first,
                           kInitial[1] ^ key.second,
                           kInitial[2] ^ key.first,
                           kInitial[3] ^ key.second};
    const std::uint64_t block = kLength | word;
    state.v3 ^= block;
    state.round();
    state.v0 ^= block;
    state.v2 ^= 0xff;
    for (int left = 3; left > 0; --left)
        state.round();
    return static_cast<std::uint32_t>(state.v0 ^ state.v1 ^ state.v2 ^ state.v3);
}

}  // namespace xvs
