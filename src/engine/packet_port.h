// PacketPort: the seam between the engine and whatever brings frames in and takes them out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "flow/layout.h"

namespace xvs::engine {

// How the kernel wants a frame finished, as in a virtio-net header. A super-packet holds up to 64
// KiB of payload which the device cuts into segments of `segment_size`.
enum class Segmentation : std::uint8_t { None, Tcp4, Tcp6, Udp };

struct Offload {
    Segmentation segmentation = Segmentation::None;
    // The checksum field holds the pseudo-header's sum only; whoever sends completes it over the
    // bytes from `checksum_start` (offset in the frame) on and stores it at `checksum_start +
    // checksum_offset`.
    bool has_partial_checksum = false;
    bool has_ecn = false;             // of a TCP super-packet whose first segment carries CWR
    std::uint16_t segment_size = 0;   // payload bytes of a segment
    std::uint16_t header_length = 0;  // bytes of headers before the payload, link header included
    std::uint16_t checksum_start = 0;
    std::uint16_t checksum_offset = 0;
};

// A frame that no program in the kernel sent up.
inline constexpr std::uint16_t kNoReportRing = 0xffff;

// A frame in a buffer of the port's, which may be changed in place and grown at the front. It
// starts with a 14-byte Ethernet header, also where the interface has none. Valid until the port's
// next receive().
struct Frame {
    std::byte* data = nullptr;
    std::uint32_t length = 0;
    std::uint32_t headroom = 0;   // writable bytes before `data`
    std::uint32_t interface = 0;  // ifindex it came in on
    xvs_reason reason = XVS_REASON_SERVICE;
    // The CPU that sent it up, and how far its reports had come by then (flow::ReportRings).
    std::uint16_t report_ring = kNoReportRing;
    std::uint16_t report_position = 0;
    std::uint32_t fwmark = 0;  // the firewall mark that it came with, 0: none
    Offload offload;

    [[nodiscard]] std::span<std::byte> bytes() const noexcept { return {data, length}; }
};

// The interface by which the host talks to itself, in every network namespace.
inline constexpr std::uint32_t kLoopbackInterface = 1;

inline constexpr std::size_t kEthernetHeaderSize = 14;
inline constexpr std::size_t kMaxBurst = 32;
inline constexpr std::size_t kFrameHeadroom = 128;   // for the outer headers of every tunnel
inline constexpr std::size_t kMadeFrameRoom = 1536;  // what make_frame() offers after `data`

// Thread: one worker.
class PacketPort {
public:
    PacketPort() = default;
    PacketPort(const PacketPort&) = delete;
    PacketPort& operator=(const PacketPort&) = delete;
    virtual ~PacketPort() = default;

    // Fills at most `frames.size()` frames and returns how many; 0 when there is none just now.
    virtual std::size_t receive(std::span<Frame> frames) noexcept = 0;

    // Returns an empty frame (length 0) with kFrameHeadroom before and kMadeFrameRoom bytes after
    // its `data`, for a packet of the engine's own; `data` is nullptr when no buffer is left in
    // this burst.
    virtual Frame make_frame() noexcept = 0;

    // Sends `frame` out of `interface`. Its Ethernet header is complete (and left off where the
    // interface has none); `offload` says what is left to do. The bytes are the port's to read
    // until flush() returns.
    virtual void transmit(const Frame& frame, std::uint32_t interface) noexcept = 0;

    // Sends a super-packet whose Ethernet header is followed by an outer IP header of `outer_size`
    // bytes (TUN over ipip), complete but for its length and checksum, which each segment gets its
    // own. `offload` describes the packet inside, its offsets counted from the frame's new
    // beginning.
    virtual void transmit_encapsulated(const Frame& frame,
                                       std::size_t outer_size,
                                       std::uint32_t interface) noexcept = 0;

    // Gives a packet to the host's stack, as if it had just come in on `frame.interface`; one with
    // reason XVS_REASON_EGRESS leaves on that interface instead, as it was about to. On loopback it
    // is taken for a packet that the host has sent itself, from whatever address.
    virtual void give_to_host(const Frame& frame) noexcept = 0;

    // Called at the end of a burst: whatever is still queued goes out now.
    virtual void flush() noexcept = 0;
};

}  // namespace xvs::engine
