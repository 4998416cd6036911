// SlowPathPort: frames that the steering program sent up, read from the private link's far end by
// AF_PACKET with virtio-net headers, which keep super-packets and unfilled checksums as they are.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "engine/packet_port.h"
#include "io/send_error.h"
#include "offload/steer_layout.h"

namespace xvs::io {

struct SlowPathCounters {
    std::uint64_t frames_received = 0;
    std::uint64_t super_frames_received = 0;
    std::uint64_t frames_sent = 0;  // to the wire
    std::uint64_t super_frames_sent = 0;
    std::uint64_t super_frames_encapsulated = 0;
    std::uint64_t frames_to_host = 0;
    std::uint64_t strays = 0;     // on the private link, but not from the steering program
    std::uint64_t truncated = 0;  // longer than 64 KiB
    std::uint64_t overflows = 0;  // came faster than they were read
    std::array<std::uint64_t, kSendErrorCount> send_errors{};

    SlowPathCounters& operator+=(const SlowPathCounters& other) noexcept;
};

// Thread: one worker. Interfaces are told under its gate.
class SlowPathPort final : public engine::PacketPort {
public:
    struct Options {
        std::uint32_t far_ifindex = 0;              // the private link's far end
        std::span<const xvs_interface> interfaces;  // by slot, of the steering program
        // Of the steering program's, those that this port may use, and the number of the first.
        std::span<xvs_outer_header> outer_headers;
        std::uint16_t first_outer = 0;
        std::uint8_t worker = 0;
        // Several workers' sockets read the private link: those that carry the mark of a worker are
        // its own. `group_member` is a receive socket that has joined them already, or -1.
        bool is_shared = false;
        int group_member = -1;
        // The receive socket of a daemon that this one takes over from, with what waits in it; or
        // -1. It is the port's from open() on.
        int receive_socket = -1;
        std::size_t receive_buffer_bytes = std::size_t{64} << 20;
    };

    [[nodiscard]] static Result<std::unique_ptr<SlowPathPort>> open(const Options& options);

    ~SlowPathPort() override;

    // Readable when receive() has something to return.
    [[nodiscard]] int fd() const noexcept { return receive_socket_.get(); }

    [[nodiscard]] int receive_socket() const noexcept { return receive_socket_.get(); }

    [[nodiscard]] std::uint8_t worker() const noexcept { return options_.worker; }

    // Receives what waits in another socket too, of a daemon that had more workers, and closes it a
    // moment later.
    void receive_also(UniqueFd socket);

    // An interface that frames come from or leave by, and its slot. One that was never told, such
    // as one that is not served, takes Ethernet frames by transmit() and nothing else.
    void set_interface(std::uint32_t ifindex, std::uint16_t slot, bool has_link_header);
    void remove_interface(std::uint32_t ifindex);

    // One that is not served but has no Ethernet header.
    void set_bare_interface(std::uint32_t ifindex);

    // Thread: any; the numbers are of one moment only each by itself.
    [[nodiscard]] const SlowPathCounters& counters() noexcept;

    std::size_t receive(std::span<engine::Frame> frames) noexcept override;
    engine::Frame make_frame() noexcept override;
    void transmit(const engine::Frame& frame, std::uint32_t interface) noexcept override;
    void transmit_encapsulated(const engine::Frame& frame,
                               std::size_t outer_size,
                               std::uint32_t interface) noexcept override;
    void give_to_host(const engine::Frame& frame) noexcept override;
    void flush() noexcept override;

private:
    struct Buffers;
    struct Queue;

    struct Link {
        std::uint16_t slot = 0;
        bool is_served = false;
        bool has_link_header = true;
    };

    SlowPathPort(const Options& options, UniqueFd receive_socket, UniqueFd send_socket);

    [[nodiscard]] std::size_t receive_from(int socket, std::span<engine::Frame> frames) noexcept;
    [[nodiscard]] std::size_t receive_left(std::span<engine::Frame> frames) noexcept;
    [[nodiscard]] const Link* find_link(std::uint32_t ifindex) const noexcept;
    [[nodiscard]] bool accept(std::size_t index, std::size_t size, engine::Frame& frame) noexcept;
    void send_command(const engine::Frame& frame, const xvs_metadata& metadata) noexcept;
    void enqueue(std::span<std::byte> bytes,
                 const engine::Offload& offload,
                 std::uint32_t ifindex) noexcept;
    void flush_queue() noexcept;
    [[nodiscard]] bool waits_for_queue(int& tries) noexcept;

    Options options_;
    UniqueFd receive_socket_;
    UniqueFd send_socket_;
    std::vector<UniqueFd> left_;  // sockets of workers that are no more
    int left_reads_ = 0;          // until they are closed
    std::unordered_map<std::uint32_t, Link> links_;
    std::unique_ptr<Buffers> buffers_;
    std::unique_ptr<Queue> queue_;
    std::uint16_t next_outer_ = 0;
    SlowPathCounters counters_;
    std::chrono::steady_clock::time_point queue_given_up_until_{};
};

}  // namespace xvs::io
