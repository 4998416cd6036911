// PacketPorts: each worker's port, and what all of them are to be told.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "io/slow_path_port.h"
#include "io/xdp_port.h"

namespace xvs::xvsd {

// Thread: the control thread under the gates of all workers.
class PacketPorts {
public:
    struct Options {
        std::uint32_t far_ifindex = 0;              // the private link's far end
        std::span<const xvs_interface> interfaces;  // of the steering program, as what follows
        std::span<xvs_outer_header> outer_headers;
        std::size_t workers = 1;
    };

    // `taken` are the receive sockets of a daemon that this one takes over from, a worker each; it
    // may have had more workers, or fewer.
    [[nodiscard]] static Result<std::unique_ptr<PacketPorts>> open(const Options& options,
                                                                   std::vector<UniqueFd> taken);

    [[nodiscard]] std::vector<engine::PacketPort*> all() const;

    // Each is readable when its port has something to receive.
    [[nodiscard]] std::vector<int> descriptors() const;

    // What a later daemon takes over.
    [[nodiscard]] std::vector<int> receive_sockets() const;

    // As SlowPathPort's, of all.
    void set_interface(std::uint32_t ifindex, std::uint16_t slot, bool has_link_header);
    void set_bare_interface(std::uint32_t ifindex);
    void remove_interface(std::uint32_t ifindex);

    // The socket of a device's receive queue: the workers have the queues in turn.
    [[nodiscard]] Status add_socket(std::uint32_t device,
                                    std::size_t queue,
                                    std::unique_ptr<io::XdpSocket> socket);
    void remove_sockets(std::uint32_t device) noexcept;
    void remove_all_sockets() noexcept;
    [[nodiscard]] std::size_t socket_count() const noexcept;

    // Whether a socket holds frames that no worker has received.
    [[nodiscard]] bool has_received() const noexcept;

    // Sums over all.
    [[nodiscard]] io::SlowPathCounters slow_path_counters() noexcept;
    [[nodiscard]] io::XdpCounters xdp_counters() const noexcept;

private:
    PacketPorts() = default;

    std::vector<std::unique_ptr<io::SlowPathPort>> slow_paths_;
    std::vector<std::unique_ptr<io::XdpPort>> ports_;
};

}  // namespace xvs::xvsd
