// The text of a packet, in tcpdump's manner; the same grammar printed and parsed.
//
//   IP 198.51.100.7.40001 > 192.0.2.1.80: Flags [S], seq 1000, length 0
//   IP6 2001:db8:1::7.40001 > 2001:db8::1.53: UDP, ttl 63, length 4
//   IP 10.0.0.11 > 198.51.100.7: ICMP port unreachable, quoting IP 198.51.100.7.40001 > ...
//   IP 10.0.0.1 > 10.0.0.11: DF, ipid ~, IP 198.51.100.7.40001 > 192.0.2.1.80: Flags [S], ...
//   fragment 0-1480 of IP 198.51.100.7.40001 > 192.0.2.1.53: UDP, ipid 7, length 3000
//
// tests/scenario/README.md lists every word of it.
#pragma once

#include <iosfwd>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "testing/packet.h"

namespace xvs::test {

// An unfragmented packet's text parses back into it, unless its payload is long and is not the
// alphabet: that is abbreviated.
[[nodiscard]] std::string to_text(const Packet& packet);

// Of bytes that no Packet has: what is wrong with them, and the bytes in hexadecimal.
[[nodiscard]] std::string to_text(std::span<const std::byte> packet);

// Of a malformed text the error names the word that was not understood.
[[nodiscard]] Result<Packet> parse_packet(std::string_view text);

// For GoogleTest.
void PrintTo(const Packet& packet, std::ostream* out);

}  // namespace xvs::test
