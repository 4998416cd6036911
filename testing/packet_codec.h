// What the builder and the text of packets share.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "net/address.h"
#include "testing/packet.h"

namespace xvs::test {

struct IcmpKind {
    net::Family family;
    std::uint8_t type;
    std::uint8_t code;
    std::string_view name;
    enum class Rest : std::uint8_t { Unused, Echo, Mtu } rest = Rest::Unused;
    bool quotes = true;
};

// Every ICMP message that has a name.
[[nodiscard]] std::span<const IcmpKind> icmp_kinds() noexcept;

[[nodiscard]] const IcmpKind* find_icmp_kind(net::Family family, std::string_view name) noexcept;
[[nodiscard]] const IcmpKind* find_icmp_kind(net::Family family,
                                             std::uint8_t type,
                                             std::uint8_t code) noexcept;

// "S." to the bits of net::tcp_flag and back; "none" is no flag at all.
[[nodiscard]] std::optional<std::uint8_t> parse_tcp_flags(std::string_view text) noexcept;
[[nodiscard]] std::string tcp_flags_text(std::uint8_t flags);

struct SctpChunkName {
    std::uint8_t type;
    std::string_view name;
};

// Every SCTP chunk that has a name; others are "chunk N".
[[nodiscard]] std::span<const SctpChunkName> sctp_chunk_names() noexcept;

// The most that an error quotes: RFC 1812 keeps it to 576 bytes, RFC 4443 to 1280.
[[nodiscard]] std::size_t max_quoted_bytes(net::Family family) noexcept;

}  // namespace xvs::test
