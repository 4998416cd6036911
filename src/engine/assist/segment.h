// A segment of a connection that an assistant reads: what it says, and what is written into it.
#pragma once

#include <cstdint>

#include "engine/assist/assistant.h"
#include "engine/parse/packet.h"

namespace xvs::engine {

// Returns whether a whole TCP checksum is right; one that is left to the device is.
template <class Ip>
[[nodiscard]] bool has_valid_tcp_checksum(const Packet<Ip>& packet) noexcept;

// What became of a segment's bytes.
enum class Heard : std::uint8_t {
    All,
    TooEarly,  // bytes before them are missing
    NoRoom,    // for what they announce
};

// Has the assistant read what the segment adds to its stream, in order and once; `record` is as
// before unless all was heard. REQUIRES: TCP, not a fragment.
template <class Ip>
[[nodiscard]] Heard hear(const Packet<Ip>& packet,
                         bool is_outbound,
                         xvs_assistance& record,
                         const ControlEnds& ends,
                         Assistant& assistant,
                         Expectations& expectations) noexcept;

// Writes into the segment what the edits of its stream, or of the one it acknowledges, make of it:
// bytes, sequence numbers, lengths, checksums. Returns false when there is no room. REQUIRES: as
// above; its checksum is right.
template <class Ip>
[[nodiscard]] bool adjust(Packet<Ip>& packet, bool is_outbound, xvs_assistance& record) noexcept;

}  // namespace xvs::engine
