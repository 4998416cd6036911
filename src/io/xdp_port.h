// XdpPort: frames of AF_XDP sockets and of the private link as one port. What comes by a socket
// leaves by whatever is right for it; everything that needs the kernel goes by the private link.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "engine/packet_port.h"
#include "io/slow_path_port.h"
#include "io/xdp_socket.h"
#include "offload/steer_layout.h"

namespace xvs::io {

struct XdpCounters {
    std::uint64_t frames_received = 0;
    std::uint64_t frames_sent = 0;
    std::uint64_t strays = 0;     // not from the steering program, or of an interface that is gone
    std::uint64_t overflows = 0;  // came faster than they were read
    std::array<std::uint64_t, kSendErrorCount> send_errors{};

    XdpCounters& operator+=(const XdpCounters& other) noexcept;
};

// Thread: one worker. Sockets are added and removed under its gate.
class XdpPort final : public engine::PacketPort {
public:
    // `interfaces`: by slot, of the steering program. Both must outlive the port.
    [[nodiscard]] static Result<std::unique_ptr<XdpPort>> open(
        SlowPathPort& slow_path, std::span<const xvs_interface> interfaces);

    ~XdpPort() override = default;

    // Readable when receive() has something to return.
    [[nodiscard]] int fd() const noexcept { return waiting_.get(); }

    // Frames that leave by `device` leave by its socket from here on, if it sends.
    [[nodiscard]] Status add_socket(std::uint32_t device, std::unique_ptr<XdpSocket> socket);
    void remove_sockets(std::uint32_t device) noexcept;
    void remove_all_sockets() noexcept;

    [[nodiscard]] std::size_t socket_count() const noexcept { return sources_.size(); }

    // Whether a socket holds frames that receive() has not returned.
    [[nodiscard]] bool has_received() const noexcept;

    [[nodiscard]] SlowPathPort& slow_path() noexcept { return slow_path_; }

    // Thread: any; the numbers are of one moment only each by itself.
    [[nodiscard]] XdpCounters counters() const noexcept;

    std::size_t receive(std::span<engine::Frame> frames) noexcept override;
    engine::Frame make_frame() noexcept override;
    void transmit(const engine::Frame& frame, std::uint32_t interface) noexcept override;
    void transmit_encapsulated(const engine::Frame& frame,
                               std::size_t outer_size,
                               std::uint32_t interface) noexcept override;
    void give_to_host(const engine::Frame& frame) noexcept override;
    void flush() noexcept override;

private:
    struct Source {
        std::uint32_t device = 0;
        std::unique_ptr<XdpSocket> socket;
    };

    XdpPort(SlowPathPort& slow_path, std::span<const xvs_interface> interfaces, UniqueFd waiting)
        : slow_path_(slow_path), interfaces_(interfaces), waiting_(std::move(waiting)) {}

    [[nodiscard]] std::size_t receive_from(XdpSocket& socket,
                                           std::span<engine::Frame> frames) noexcept;
    [[nodiscard]] bool accept(const XdpSocket::Received& received, engine::Frame& frame) noexcept;
    [[nodiscard]] XdpSocket* find_socket(std::uint32_t device) const noexcept;

    SlowPathPort& slow_path_;
    std::span<const xvs_interface> interfaces_;
    UniqueFd waiting_;  // epoll: the slow path's socket and all others
    std::vector<Source> sources_;
    std::size_t first_ = 0;  // who is asked first by the next receive()
    std::array<XdpSocket::Received, engine::kMaxBurst> received_{};
    XdpCounters counters_;
};

}  // namespace xvs::io
