#include "xvsd/packet_ports.h"

#include <algorithm>
#include <utility>

namespace xvs::xvsd {

Result<std::unique_ptr<PacketPorts>> PacketPorts::open(const Options& options,
                                                       std::vector<UniqueFd> taken) {
    std::unique_ptr<PacketPorts> ports(new PacketPorts());
    const std::size_t outers = options.outer_headers.size() / options.workers;
    const bool is_shared = options.workers > 1 || taken.size() > 1;
    int group = -1;
    for (std::size_t worker = 0; worker < options.workers; ++worker) {
        io::SlowPathPort::Options own{
            .far_ifindex = options.far_ifindex,
            .interfaces = options.interfaces,
            .outer_headers = options.outer_headers.subspan(worker * outers, outers),
            .first_outer = static_cast<std::uint16_t>(worker * outers),
            .worker = static_cast<std::uint8_t>(worker),
            .is_shared = is_shared,
            .group_member = group};
        if (worker < taken.size()) own.receive_socket = taken[worker].release();
        auto slow_path = io::SlowPathPort::open(own);
        if (!slow_path) return fail(slow_path.error());
        group = (*slow_path)->receive_socket();
        auto port = io::XdpPort::open(**slow_path, options.interfaces);
        if (!port) return fail(port.error());
        ports->slow_paths_.push_back(std::move(*slow_path));
        ports->ports_.push_back(std::move(*port));
    }
    // What waits in them is handed over to those whose it is.
    for (std::size_t worker = options.workers; worker < taken.size(); ++worker)
        ports->slow_paths_.front()->receive_also(std::move(taken[worker]));
    return ports;
}

std::vector<engine::PacketPort*> PacketPorts::all() const {
    std::vector<engine::PacketPort*> all;
    for (const auto& port : ports_)
        all.push_back(port.get());
    return all;
}

std::vector<int> PacketPorts::descriptors() const {
    std::vector<int> all;
    for (const auto& port : ports_)
        all.push_back(port->fd());
    return all;
}

std::vector<int> PacketPorts::receive_sockets() const {
    std::vector<int> all;
    for (const auto& port : slow_paths_)
        all.push_back(port->receive_socket());
    return all;
}

void PacketPorts::set_interface(std::uint32_t ifindex, std::uint16_t slot, bool has_link_header) {
    for (const auto& port : slow_paths_)
        port->set_interface(ifindex, slot, has_link_header);
}

void PacketPorts::set_bare_interface(std::uint32_t ifindex) {
    for (const auto& port : slow_paths_)
        port->set_bare_interface(ifindex);
}

void PacketPorts::remove_interface(std::uint32_t ifindex) {
    for (const auto& port : slow_paths_)
        port->remove_interface(ifindex);
}

Status PacketPorts::add_socket(std::uint32_t device,
                               std::size_t queue,
                               std::unique_ptr<io::XdpSocket> socket) {
    return ports_[queue % ports_.size()]->add_socket(device, std::move(socket));
}

void PacketPorts::remove_sockets(std::uint32_t device) noexcept {
    for (const auto& port : ports_)
        port->remove_sockets(device);
}

void PacketPorts::remove_all_sockets() noexcept {
    for (const auto& port : ports_)
        port->remove_all_sockets();
}

std::size_t PacketPorts::socket_count() const noexcept {
    std::size_t count = 0;
    for (const auto& port : ports_)
        count += port->socket_count();
    return count;
}

bool PacketPorts::has_received() const noexcept {
    return std::any_of(
        ports_.begin(), ports_.end(), [](const auto& port) { return port->has_received(); });
}

io::SlowPathCounters PacketPorts::slow_path_counters() noexcept {
    io::SlowPathCounters sum;
    for (const auto& port : slow_paths_)
        sum += port->counters();
    return sum;
}

io::XdpCounters PacketPorts::xdp_counters() const noexcept {
    io::XdpCounters sum;
    for (const auto& port : ports_)
        sum += port->counters();
    return sum;
}

}  // namespace xvs::xvsd
