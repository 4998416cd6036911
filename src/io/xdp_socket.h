// XdpSocket: one AF_XDP socket, on one receive queue of a device: frames that a program at XDP
// sends up, without an sk_buff, and frames that leave the same way.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <linux/if_xdp.h>

#include "base/result.h"
#include "base/unique_fd.h"
#include "io/xdp_ring.h"
#include "offload/steer_layout.h"

namespace xvs::io {

// Memory that is mapped until this goes.
class Mapping {
public:
    Mapping() noexcept = default;

    explicit Mapping(std::span<std::byte> bytes) noexcept : bytes_(bytes) {}

    Mapping(const Mapping&) = delete;
    Mapping& operator=(const Mapping&) = delete;
    ~Mapping();

    void reset(std::span<std::byte> bytes) noexcept;

    [[nodiscard]] std::byte* data() const noexcept { return bytes_.data(); }

private:
    std::span<std::byte> bytes_;
};

// Thread: one worker, but open() and statistics.
class XdpSocket {
public:
    // Chunks of memory for frames that come, and for those that leave.
    static constexpr std::uint32_t kReceiveChunks = 2048;
    static constexpr std::uint32_t kSendChunks = 512;
    static constexpr std::size_t kLockedBytes =
        std::size_t{kReceiveChunks + kSendChunks} * XVS_XDP_CHUNK;

    // What receive() finds: `headroom` writable bytes lie before `data`, the program's metadata
    // last.
    struct Received {
        std::byte* data = nullptr;
        std::uint32_t length = 0;
        std::uint32_t headroom = 0;
    };

    // Whether frames leave by it, too. A virtual device (a veth) has no queueing discipline in
    // front of it then, and drops what its own short queue does not hold.
    enum class Use { ReceiveOnly, ReceiveAndSend };

    // Without copies where the driver can, with one copy a frame else. Error OutOfRange: the device
    // has no such queue.
    [[nodiscard]] static Result<std::unique_ptr<XdpSocket>> open(std::uint32_t ifindex,
                                                                 std::uint32_t queue,
                                                                 Use use);

    XdpSocket(const XdpSocket&) = delete;
    XdpSocket& operator=(const XdpSocket&) = delete;
    ~XdpSocket() = default;

    // Readable when receive() has something to return.
    [[nodiscard]] int fd() const noexcept { return socket_.get(); }

    [[nodiscard]] bool sends() const noexcept { return use_ == Use::ReceiveAndSend; }

    [[nodiscard]] bool is_zero_copy() const noexcept { return is_zero_copy_; }

    [[nodiscard]] bool has_received() const noexcept { return receive_.count() != 0; }

    // Fills what it can of `frames`; they are valid until give_back().
    [[nodiscard]] std::size_t receive(std::span<Received> frames) noexcept;
    void give_back() noexcept;

    // A checksum that is still to be filled in: over what lies from `start` on, at `start +
    // offset`.
    struct Unfilled {
        std::size_t start = 0;
        std::size_t offset = 0;
    };

    // Copies a whole frame to be sent by flush(); false when there is no room for it.
    [[nodiscard]] bool try_send(std::span<const std::byte> frame,
                                const Unfilled* unfilled = nullptr) noexcept;

    struct Flushed {
        int error = 0;              // with which the kernel refused to send, or 0
        std::uint32_t dropped = 0;  // frames that the device took and dropped
    };

    Flushed flush() noexcept;

    // Frames that the kernel had no room for since the socket was opened.
    [[nodiscard]] std::uint64_t overflows() const noexcept;

private:
    XdpSocket(UniqueFd socket, Use use) noexcept : socket_(std::move(socket)), use_(use) {}

    [[nodiscard]] Status make_memory();
    [[nodiscard]] Status make_rings();
    [[nodiscard]] Status bind(std::uint32_t ifindex, std::uint32_t queue);
    template <class Entry>
    [[nodiscard]] Status map_ring(Mapping& mapping,
                                  XdpRing<Entry>& ring,
                                  const xdp_ring_offset& offsets,
                                  std::uint32_t size,
                                  std::uint64_t page_offset);
    [[nodiscard]] std::byte* make_room() noexcept;
    void put(const std::byte* chunk, std::size_t length) noexcept;
    void collect_sent() noexcept;

    UniqueFd socket_;
    Use use_;
    Mapping memory_;
    std::vector<Mapping> ring_memory_ = std::vector<Mapping>(4);
    XdpRing<std::uint64_t> fill_;
    XdpRing<std::uint64_t> sent_;
    XdpRing<xdp_desc> receive_;
    XdpRing<xdp_desc> send_;
    std::vector<std::uint64_t> handed_out_;  // chunks
    std::vector<std::uint64_t> free_;        // chunks to send from
    bool is_zero_copy_ = false;
    bool has_unsent_ = false;
};

}  // namespace xvs::io
