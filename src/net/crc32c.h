// CRC32c (RFC 3720, appendix B.4), the checksum of SCTP.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace xvs::net {

// Returns the CRC over `bytes`, going on from that over what comes before them. Cost: the
// processor's own instruction where it has one, else a table look-up a byte.
[[nodiscard]] std::uint32_t crc32c(std::span<const std::byte> bytes,
                                   std::uint32_t before = 0) noexcept;

// The same without the instruction, which is what the other is checked by.
[[nodiscard]] std::uint32_t crc32c_by_table(std::span<const std::byte> bytes,
                                            std::uint32_t before = 0) noexcept;

}  // namespace xvs::net
