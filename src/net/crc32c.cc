#include "net/crc32c.h"

#include <array>
#include <cstring>

#if defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>
#endif

namespace xvs::net {
namespace {

constexpr std::uint32_t kPolynomial = 0x82f63b78;  // bit-reversed

using Table = std::array<std::uint32_t, 256>;

// Eight bytes are looked up together: tables[n] is for the byte that n others follow.
constexpr std::array<Table, 8> make_tables() noexcept {
    std::array<Table, 8> tables{};
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
        std::uint32_t crc = byte;
        for (int bit = 0; bit < 8; ++bit)
            crc = (crc >> 1) ^ ((crc & 1) != 0 ? kPolynomial : 0);
        tables[0][byte] = crc;
    }
    for (std::size_t depth = 1; depth < tables.size(); ++depth) {
        for (std::size_t byte = 0; byte < 256; ++byte) {
            const std::uint32_t crc = tables[depth - 1][byte];
            tables[depth][byte] = (crc >> 8) ^ tables[0][crc & 0xff];
        }
    }
    return tables;
}

constexpr std::array<Table, 8> kTables = make_tables();

constexpr std::uint32_t add_byte(std::uint32_t crc, std::byte byte) noexcept {
    return (crc >> 8) ^ kTables[0][(crc ^ std::to_integer<std::uint32_t>(byte)) & 0xff];
}

// In the order of memory on a little-endian machine, which it is put into on others.
std::uint64_t load_word(const std::byte* from) noexcept {
    std::uint64_t word = 0;
    std::memcpy(&word, from, sizeof word);
    return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? word : __builtin_bswap64(word);
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) std::uint32_t crc_by_instruction(std::span<const std::byte> bytes,
                                                                   std::uint32_t crc) noexcept {
    std::size_t at = 0;
    std::uint64_t wide = crc;
    for (; at + 8 <= bytes.size(); at += 8)
        wide = __builtin_ia32_crc32di(wide, load_word(bytes.data() + at));
    crc = static_cast<std::uint32_t>(wide);
    for (; at < bytes.size(); ++at)
        crc = __builtin_ia32_crc32qi(crc, std::to_integer<std::uint8_t>(bytes[at]));
    return crc;
}

bool has_instruction() noexcept {
    return __builtin_cpu_supports("sse4.2") != 0;
}
#elif defined(__ARM_FEATURE_CRC32)
std::uint32_t crc_by_instruction(std::span<const std::byte> bytes, std::uint32_t crc) noexcept {
    std::size_t at = 0;
    for (; at + 8 <= bytes.size(); at += 8)
        crc = __crc32cd(crc, load_word(bytes.data() + at));
    for (; at < bytes.size(); ++at)
        crc = __crc32cb(crc, std::to_integer<std::uint8_t>(bytes[at]));
    return crc;
}

bool has_instruction() noexcept {
    return true;
}
#else
std::uint32_t crc_by_instruction(std::span<const std::byte> /*bytes*/, std::uint32_t crc) noexcept {
    return crc;
}

bool has_instruction() noexcept {
    return false;
}
#endif

}  // namespace

std::uint32_t crc32c_by_table(std::span<const std::byte> bytes, std::uint32_t before) noexcept {
    std::uint32_t crc = ~before;
    std::size_t at = 0;
    for (; at + 8 <= bytes.size(); at += 8) {
        const std::uint64_t word = load_word(bytes.data() + at) ^ crc;
        crc = 0;
        for (std::size_t place = 0; place < 8; ++place)
            crc ^= kTables[7 - place][(word >> (8 * place)) & 0xff];
    }
    for (; at < bytes.size(); ++at)
        crc = add_byte(crc, bytes[at]);
    return ~crc;
}

std::uint32_t crc32c(std::span<const std::byte> bytes, std::uint32_t before) noexcept {
    if (!has_instruction()) return crc32c_by_table(bytes, before);
    return ~crc_by_instruction(bytes, ~before);
}

}  // namespace xvs::net
