#include "xvsd/af_xdp.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

namespace xvs::xvsd {
namespace {

// A socket's queue is free a moment after the one before it was closed.
constexpr int kTries = 10;

}  // namespace

void AfXdp::open(std::uint32_t device, const std::string& name, bool is_virtual) {
    if (use_ == AfXdpUse::Off) return;
    Device& opened = devices_[device];
    opened = {.name = name,
              .is_virtual = is_virtual,
              .queues = 0,
              .descriptors = {},
              .is_zero_copy = false,
              .why_not = "this kernel has none",
              .tries_left = kTries};
    if (program_.has_sockets()) attempt(device, opened);
}

void AfXdp::attempt(std::uint32_t ifindex, Device& device) {
    const Status status = try_open(ifindex, device);
    if (status) {
        device.why_not.clear();
        device.tries_left = 0;
        spdlog::info("interface {}: what the engine must see comes by AF_XDP ({})",
                     device.name,
                     way_of(device));
        return;
    }
    device.why_not = status.error().context;
    if (status.error().code == ErrorCode::InUse && --device.tries_left > 0) return;
    device.tries_left = 0;
    // What was not asked for is not missed.
    const auto level = use_ == AfXdpUse::On ? spdlog::level::warn : spdlog::level::info;
    spdlog::log(level,
                "interface {}: what the engine must see comes by tc, not by AF_XDP: {}",
                device.name,
                device.why_not);
}

// One socket for each queue, all or none.
Status AfXdp::try_open(std::uint32_t ifindex, Device& device) {
    std::vector<std::unique_ptr<io::XdpSocket>> sockets;
    std::vector<int> descriptors;
    const auto use = device.is_virtual && use_ != AfXdpUse::On ? io::XdpSocket::Use::ReceiveOnly
                                                               : io::XdpSocket::Use::ReceiveAndSend;
    while (descriptors.size() < XVS_MAX_XDP_SOCKETS) {
        auto socket = io::XdpSocket::open(ifindex, static_cast<std::uint32_t>(sockets.size()), use);
        if (!socket && socket.error().code == ErrorCode::OutOfRange && !sockets.empty()) break;
        if (!socket) return fail(socket.error());
        descriptors.push_back((*socket)->fd());
        sockets.push_back(std::move(*socket));
        const std::size_t total = ports_.socket_count() + sockets.size();
        if (use_ == AfXdpUse::Auto && total * io::XdpSocket::kLockedBytes > memory_limit_) {
            return fail(ErrorCode::OutOfMemory,
                        "its queues would lock more than a sixteenth of the memory (--af-xdp on: "
                        "use it all the same)");
        }
    }
    device.queues = sockets.size();
    device.is_zero_copy = std::all_of(
        sockets.begin(), sockets.end(), [](const auto& s) { return s->is_zero_copy(); });
    Status status;
    for (std::size_t queue = 0; queue < sockets.size(); ++queue) {
        if (status) status = ports_.add_socket(ifindex, queue, std::move(sockets[queue]));
    }
    device.descriptors = std::move(descriptors);
    if (status && is_started_) status = connect(ifindex, device);
    if (!status) drop_sockets(ifindex, device);
    return status;
}

Status AfXdp::connect(std::uint32_t ifindex, Device& device) {
    const auto descriptors = std::exchange(device.descriptors, {});
    return interfaces_.connect(ifindex, descriptors);
}

void AfXdp::start() {
    is_started_ = true;
    for (auto& [ifindex, device] : devices_) {
        if (device.queues == 0) continue;
        const Status status = connect(ifindex, device);
        if (status) continue;
        drop_sockets(ifindex, device);
        device.why_not = status.error().context;
        spdlog::warn("interface {}: what the engine must see comes by tc, not by AF_XDP: {}",
                     device.name,
                     device.why_not);
    }
}

void AfXdp::drop_sockets(std::uint32_t ifindex, Device& device) {
    interfaces_.disconnect(ifindex);
    ports_.remove_sockets(ifindex);
    device.queues = 0;
    device.descriptors.clear();
}

void AfXdp::close(std::uint32_t device) {
    const auto found = devices_.find(device);
    if (found == devices_.end()) return;
    drop_sockets(device, found->second);
    devices_.erase(found);
}

void AfXdp::on_timer() {
    for (auto& [ifindex, device] : devices_) {
        if (device.tries_left > 0) attempt(ifindex, device);
    }
    const std::uint32_t refused = program_.take_without_metadata();
    const auto found = devices_.find(refused);
    if (found == devices_.end() || found->second.queues == 0) return;
    Device& device = found->second;
    drop_sockets(refused, device);
    device.why_not = "its driver has no room for metadata";
    spdlog::warn("interface {}: what the engine must see comes by tc, not by AF_XDP: {}",
                 device.name,
                 device.why_not);
}

void AfXdp::disconnect_all() {
    for (const auto& [ifindex, device] : devices_)
        interfaces_.disconnect(ifindex);
}

std::string AfXdp::text_of(std::uint32_t device) const {
    if (use_ == AfXdpUse::Off) return "; no AF_XDP: --af-xdp off";
    const auto found = devices_.find(device);
    if (found == devices_.end()) return {};
    const Device& it = found->second;
    return it.queues == 0 ? "; no AF_XDP: " + it.why_not : fmt::format("; AF_XDP ({})", way_of(it));
}

std::string AfXdp::way_of(const Device& device) {
    return fmt::format("{}, {} queue{}",
                       device.is_zero_copy ? "zero copy" : "copy",
                       device.queues,
                       device.queues == 1 ? "" : "s");
}

}  // namespace xvs::xvsd
