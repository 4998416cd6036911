// RealService: the service that a laboratory's real servers offer: HTTP and UDP that answer with
// the server's own name, take uploads and serve downloads.
//
//   GET /            the name, "rs1"
//   GET /bytes/N     N bytes of pattern()
//   PUT|POST /...    the body's size and SHA-256: "rs1 20000000 9f86d0..."
//   UDP              "rs1 " and the datagram itself
//
// Connections stay open until the client closes them (HTTP keep-alive, no idle limit).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace xvs::lab {

struct RealServiceOptions {
    std::string name;
    std::vector<std::uint16_t> tcp_ports;
    std::vector<std::uint16_t> udp_ports;
};

// Serves IPv4 and IPv6 on all addresses of the calling thread's network namespace; returns only
// when it cannot begin.
[[nodiscard]] Status serve(const RealServiceOptions& options);

// Byte `offset` of what /bytes/N sends.
[[nodiscard]] constexpr std::uint8_t pattern(std::uint64_t offset) noexcept {
    return static_cast<std::uint8_t>((offset * 167 + (offset >> 8) * 59 + (offset >> 16)) & 0xff);
}

}  // namespace xvs::lab
