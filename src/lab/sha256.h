// SHA-256 (FIPS 180-4), to tell whether 20 MB arrived as they were sent.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace xvs::lab {

class Sha256 {
public:
    void update(std::span<const std::byte> bytes) noexcept;

    // Returns the digest of all that was fed in, as 64 hexadecimal digits. The last call.
    [[nodiscard]] std::string finish();

private:
    static constexpr std::size_t kBlockSize = 64;

    void take_block(const std::byte* block) noexcept;

    std::array<std::uint32_t, 8> state_{0x6a09e667,
                                        0xbb67ae85,
                                        0x3c6ef372,
                                        0xa54ff53a,
                                        0x510e527f,
                                        0x9b05688c,
                                        0x1f83d9ab,
                                        0x5be0cd19};
    std::array<std::byte, kBlockSize> pending_{};
    std::size_t pending_size_ = 0;
    std::uint64_t total_size_ = 0;
};

}  // namespace xvs::lab
