#include "io/xdp_port.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <sys/epoll.h>

namespace xvs::io {
namespace {

constexpr std::size_t kAddresses = 12;  // both MAC addresses of a frame

Status wait_for(int waiting, int fd) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    if (::epoll_ctl(waiting, EPOLL_CTL_ADD, fd, &event) == 0) return {};
    return fail(system_error("waiting for packets", errno));
}

}  // namespace

Result<std::unique_ptr<XdpPort>> XdpPort::open(SlowPathPort& slow_path,
                                               std::span<const xvs_interface> interfaces) {
    UniqueFd waiting(::epoll_create1(EPOLL_CLOEXEC));
    if (!waiting.is_open()) return fail(system_error("waiting for packets", errno));
    if (auto status = wait_for(waiting.get(), slow_path.fd()); !status) return fail(status.error());
    return std::unique_ptr<XdpPort>(new XdpPort(slow_path, interfaces, std::move(waiting)));
}

Status XdpPort::add_socket(std::uint32_t device, std::unique_ptr<XdpSocket> socket) {
    if (auto status = wait_for(waiting_.get(), socket->fd()); !status) return status;
    sources_.push_back({.device = device, .socket = std::move(socket)});
    return {};
}

void XdpPort::remove_sockets(std::uint32_t device) noexcept {
    for (const Source& source : sources_) {
        if (source.device == device) counters_.overflows += source.socket->overflows();
    }
    // A descriptor that is closed is waited for no more.
    std::erase_if(sources_, [&](const Source& source) { return source.device == device; });
    first_ = 0;
}

void XdpPort::remove_all_sockets() noexcept {
    while (!sources_.empty())
        remove_sockets(sources_.back().device);
}

bool XdpPort::has_received() const noexcept {
    return std::any_of(sources_.begin(), sources_.end(), [](const Source& source) {
        return source.socket->has_received();
    });
}

XdpCounters XdpPort::counters() const noexcept {
    XdpCounters counters = counters_;
    for (const Source& source : sources_)
        counters.overflows += source.socket->overflows();
    return counters;
}

// All are asked in turn, another one first each time, so that none is kept waiting by the others.
std::size_t XdpPort::receive(std::span<engine::Frame> frames) noexcept {
    for (const Source& source : sources_)
        source.socket->give_back();
    const std::size_t sources = sources_.size() + 1;
    std::size_t count = 0;
    for (std::size_t tried = 0; tried < sources && count < frames.size(); ++tried) {
        const std::size_t index = (first_ + tried) % sources;
        const auto room = frames.subspan(count);
        count += index == sources_.size() ? slow_path_.receive(room)
                                          : receive_from(*sources_[index].socket, room);
    }
    first_ = (first_ + 1) % sources;
    return count;
}

std::size_t XdpPort::receive_from(XdpSocket& socket, std::span<engine::Frame> frames) noexcept {
    const std::size_t wanted = std::min(frames.size(), received_.size());
    const std::size_t found = socket.receive(std::span(received_).first(wanted));
    std::size_t count = 0;
    for (std::size_t i = 0; i < found; ++i) {
        if (accept(received_[i], frames[count])) ++count;
    }
    return count;
}

// Makes a frame of what was received: without its VLAN tag, which its interface stands for.
bool XdpPort::accept(const XdpSocket::Received& received, engine::Frame& frame) noexcept {
    xvs_frame_metadata metadata{};
    if (received.headroom < sizeof(metadata) || received.length < engine::kEthernetHeaderSize) {
        ++counters_.strays;
        return false;
    }
    std::memcpy(&metadata, received.data - sizeof(metadata), sizeof(metadata));
    const std::uint32_t slot = xvs_metadata_slot(&metadata.up);
    const bool is_ours = metadata.up.magic == XVS_METADATA_MAGIC && slot < interfaces_.size() &&
                         metadata.link_size >= engine::kEthernetHeaderSize &&
                         metadata.link_size <= received.length;
    const std::uint32_t interface = is_ours ? interfaces_[slot].ifindex : 0;
    if (interface == 0) {
        ++counters_.strays;
        return false;
    }
    const std::size_t tag = metadata.link_size - engine::kEthernetHeaderSize;
    if (tag != 0) std::memmove(received.data + tag, received.data, kAddresses);
    engine::Offload offload;
    if (metadata.checksum_start != 0) {
        offload.has_partial_checksum = true;
        offload.checksum_start =
            static_cast<std::uint16_t>(engine::kEthernetHeaderSize + metadata.checksum_start);
        offload.checksum_offset = metadata.checksum_offset;
    }
    frame = engine::Frame{
        .data = received.data + tag,
        .length = static_cast<std::uint32_t>(received.length - tag),
        .headroom = static_cast<std::uint32_t>(received.headroom + tag),
        .interface = interface,
        .reason = static_cast<xvs_reason>(xvs_metadata_reason(&metadata.up)),
        // How far another worker's reports had come says nothing of this one's.
        .report_ring = metadata.worker == slow_path_.worker()
                           ? static_cast<std::uint16_t>(xvs_metadata_cpu(&metadata.up))
                           : engine::kNoReportRing,
        .report_position = static_cast<std::uint16_t>(xvs_metadata_position(&metadata.up)),
        .offload = offload};
    ++counters_.frames_received;
    return true;
}

XdpCounters& XdpCounters::operator+=(const XdpCounters& other) noexcept {
    frames_received += other.frames_received;
    frames_sent += other.frames_sent;
    strays += other.strays;
    overflows += other.overflows;
    for (std::size_t each = 0; each < send_errors.size(); ++each)
        send_errors[each] += other.send_errors[each];
    return *this;
}

engine::Frame XdpPort::make_frame() noexcept {
    return slow_path_.make_frame();
}

XdpSocket* XdpPort::find_socket(std::uint32_t device) const noexcept {
    for (const Source& source : sources_) {
        if (source.device == device && source.socket->sends()) return source.socket.get();
    }
    return nullptr;
}

// A VLAN interface or a macvlan is no device with sockets: the kernel knows how it sends.
void XdpPort::transmit(const engine::Frame& frame, std::uint32_t interface) noexcept {
    XdpSocket* const socket = find_socket(interface);
    const engine::Offload& offload = frame.offload;
    if (socket != nullptr && offload.segmentation == engine::Segmentation::None) {
        const XdpSocket::Unfilled unfilled{.start = offload.checksum_start,
                                           .offset = offload.checksum_offset};
        if (socket->try_send(frame.bytes(), offload.has_partial_checksum ? &unfilled : nullptr)) {
            ++counters_.frames_sent;
            return;
        }
    }
    slow_path_.transmit(frame, interface);
}

void XdpPort::transmit_encapsulated(const engine::Frame& frame,
                                    std::size_t outer_size,
                                    std::uint32_t interface) noexcept {
    slow_path_.transmit_encapsulated(frame, outer_size, interface);
}

void XdpPort::give_to_host(const engine::Frame& frame) noexcept {
    slow_path_.give_to_host(frame);
}

void XdpPort::flush() noexcept {
    for (const Source& source : sources_) {
        const XdpSocket::Flushed flushed = source.socket->flush();
        if (flushed.error != 0)
            ++counters_.send_errors[static_cast<std::size_t>(send_error_of(flushed.error))];
        counters_.send_errors[static_cast<std::size_t>(SendError::QueueFull)] += flushed.dropped;
    }
    slow_path_.flush();
}

}  // namespace xvs::io
