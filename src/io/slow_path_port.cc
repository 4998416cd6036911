#include "io/slow_path_port.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <ctime>

#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

#include <poll.h>

#include "base/byte_order.h"
#include "io/virtio_offload.h"

namespace xvs::io {
namespace {

constexpr std::size_t kMaxFrame = 65536 + engine::kEthernetHeaderSize;
constexpr std::size_t kBufferSize = 65536 + 512;  // headroom, a frame, and whole cache lines
constexpr std::size_t kMadeBufferSize = engine::kFrameHeadroom + engine::kMadeFrameRoom;
constexpr std::size_t kMaxQueued = 2 * engine::kMaxBurst;
constexpr std::size_t kTypeOffset = 12;
constexpr std::size_t kMaxPacket = 65535;  // what an IP header can say
constexpr int kSendPatienceMs = 5;
// A full queue is asked again this often in a burst; once that was in vain, bursts do not wait.
constexpr int kQueueTries = 50;
constexpr std::chrono::microseconds kQueueTry{200};
constexpr std::chrono::seconds kQueueGivenUp{1};
static_assert(engine::kFrameHeadroom + kMaxFrame <= kBufferSize);

Status set_option(int socket, int level, int name, int value, const char* what) {
    if (::setsockopt(socket, level, name, &value, sizeof(value)) == 0) return {};
    return fail(system_error(what, errno));
}

Result<UniqueFd> open_packet_socket() {
    UniqueFd socket(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket.is_open() && errno == EPERM) {
        return fail(ErrorCode::NotPermitted,
                    "packet sockets are refused: run xvsd as root, or with CAP_NET_RAW");
    }
    if (!socket.is_open()) return fail(system_error("packet socket", errno));
    auto status = set_option(socket.get(), SOL_PACKET, PACKET_VNET_HDR, 1, "PACKET_VNET_HDR");
    if (!status) return fail(status.error());
    return socket;
}

Result<UniqueFd> open_receive_socket(const SlowPathPort::Options& options) {
    auto socket = open_packet_socket();
    if (!socket) return socket;
    // A super-packet costs 64 KiB and more of it; the default holds three.
    const auto room = static_cast<int>(options.receive_buffer_bytes);
    auto status = set_option(socket->get(), SOL_SOCKET, SO_RCVBUFFORCE, room, "SO_RCVBUFFORCE");
    if (!status) return fail(status.error());
    // What this process sends into the far end is not to be read back.
    status =
        set_option(socket->get(), SOL_PACKET, PACKET_IGNORE_OUTGOING, 1, "PACKET_IGNORE_OUTGOING");
    if (!status) return fail(status.error());
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = to_wire16(ETH_P_ALL);
    address.sll_ifindex = static_cast<int>(options.far_ifindex);
    if (::bind(socket->get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
        return fail(system_error("binding a packet socket to the private link", errno));
    return socket;
}

// The steering program writes the worker into the mark. Sent frames are not read back: here the
// socket's own option does not count.
Status join_group(int socket, int member) {
    sock_filter not_outgoing[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<__u32>(SKF_AD_OFF + SKF_AD_PKTTYPE)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_OUTGOING, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, 0xffffffff)};
    sock_filter by_mark[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<__u32>(SKF_AD_OFF + SKF_AD_MARK)),
        BPF_STMT(BPF_RET | BPF_A, 0)};
    sock_fprog filter{.len = 4, .filter = not_outgoing};
    sock_fprog chooser{.len = 2, .filter = by_mark};
    constexpr const char* kWhat = "sharing the private link among workers";
    if (::setsockopt(socket, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)) != 0)
        return fail(system_error(kWhat, errno));
    int group = 0;
    socklen_t size = sizeof(group);
    // One that was taken over may be in a group already.
    if (::getsockopt(socket, SOL_PACKET, PACKET_FANOUT, &group, &size) == 0 && group != 0)
        return {};
    constexpr int kIdBits = 16;
    int wanted = (PACKET_FANOUT_CBPF | PACKET_FANOUT_FLAG_UNIQUEID) << kIdBits;
    if (member >= 0) {
        if (::getsockopt(member, SOL_PACKET, PACKET_FANOUT, &group, &size) != 0)
            return fail(system_error(kWhat, errno));
        wanted = PACKET_FANOUT_CBPF << kIdBits | (group & 0xffff);
    }
    if (::setsockopt(socket, SOL_PACKET, PACKET_FANOUT, &wanted, sizeof(wanted)) != 0)
        return fail(system_error(kWhat, errno));
    if (member >= 0) return {};
    if (::setsockopt(socket, SOL_PACKET, PACKET_FANOUT_DATA, &chooser, sizeof(chooser)) != 0)
        return fail(system_error(kWhat, errno));
    return {};
}

Result<UniqueFd> open_send_socket() {
    auto socket = open_packet_socket();
    if (!socket) return socket;
    constexpr int kRoom = 16 << 20;
    auto status = set_option(socket->get(), SOL_SOCKET, SO_SNDBUFFORCE, kRoom, "SO_SNDBUFFORCE");
    if (!status) return fail(status.error());
    // The steering program lets marked frames leave.
    status = set_option(
        socket->get(), SOL_SOCKET, SO_MARK, static_cast<int>(XVS_MARK_TO_WIRE), "SO_MARK");
    if (!status) return fail(status.error());
    return socket;
}

// Puts back what metadata had taken the place of. A frame that came in was addressed to its
// interface; one that is leaving is sent by it, and kept the neighbour's address in the source's
// place.
void restore_addresses(std::byte* frame,
                       const xvs_interface& interface,
                       std::uint32_t reason) noexcept {
    std::byte* own = frame;
    if (reason == XVS_REASON_EGRESS) {
        std::memcpy(frame, frame + sizeof(interface.mac), sizeof(interface.mac));
        own += sizeof(interface.mac);
    }
    std::memcpy(own, interface.mac, sizeof(interface.mac));
}

}  // namespace

// The buffers of a burst, and what recvmmsg() wants to know of them.
struct SlowPathPort::Buffers {
    std::vector<std::byte> received = std::vector<std::byte>(engine::kMaxBurst * kBufferSize);
    std::vector<std::byte> made = std::vector<std::byte>(engine::kMaxBurst * kMadeBufferSize);
    std::size_t made_count = 0;
    std::array<VirtioHeader, engine::kMaxBurst> headers{};
    std::array<std::array<iovec, 2>, engine::kMaxBurst> parts{};
    std::array<mmsghdr, engine::kMaxBurst> messages{};

    Buffers() {
        for (std::size_t i = 0; i < engine::kMaxBurst; ++i) {
            parts[i][0] = {&headers[i], sizeof(headers[i])};
            parts[i][1] = {frame(i), kMaxFrame};
            messages[i].msg_hdr.msg_iov = parts[i].data();
            messages[i].msg_hdr.msg_iovlen = parts[i].size();
        }
    }

    [[nodiscard]] std::byte* frame(std::size_t i) noexcept {
        return received.data() + i * kBufferSize + engine::kFrameHeadroom;
    }
};

// Frames to be sent by the next flush().
struct SlowPathPort::Queue {
    std::size_t count = 0;
    std::array<VirtioHeader, kMaxQueued> headers{};
    std::array<sockaddr_ll, kMaxQueued> addresses{};
    std::array<std::array<iovec, 2>, kMaxQueued> parts{};
    std::array<mmsghdr, kMaxQueued> messages{};

    Queue() {
        for (std::size_t i = 0; i < kMaxQueued; ++i) {
            parts[i][0] = {&headers[i], sizeof(headers[i])};
            addresses[i].sll_family = AF_PACKET;
            messages[i].msg_hdr.msg_iov = parts[i].data();
            messages[i].msg_hdr.msg_iovlen = parts[i].size();
            messages[i].msg_hdr.msg_name = &addresses[i];
            messages[i].msg_hdr.msg_namelen = sizeof(addresses[i]);
        }
    }
};

Result<std::unique_ptr<SlowPathPort>> SlowPathPort::open(const Options& options) {
    auto receive_socket = options.receive_socket >= 0
                              ? Result<UniqueFd>(UniqueFd(options.receive_socket))
                              : open_receive_socket(options);
    if (!receive_socket) return fail(receive_socket.error());
    if (options.is_shared) {
        if (auto status = join_group(receive_socket->get(), options.group_member); !status)
            return fail(status.error());
    }
    auto send_socket = open_send_socket();
    if (!send_socket) return fail(send_socket.error());
    return std::unique_ptr<SlowPathPort>(
        new SlowPathPort(options, std::move(*receive_socket), std::move(*send_socket)));
}

SlowPathPort::SlowPathPort(const Options& options, UniqueFd receive_socket, UniqueFd send_socket)
    : options_(options),
      receive_socket_(std::move(receive_socket)),
      send_socket_(std::move(send_socket)),
      buffers_(std::make_unique<Buffers>()),
      queue_(std::make_unique<Queue>()) {}

SlowPathPort::~SlowPathPort() = default;

void SlowPathPort::set_interface(std::uint32_t ifindex, std::uint16_t slot, bool has_link_header) {
    links_[ifindex] = Link{.slot = slot, .is_served = true, .has_link_header = has_link_header};
}

void SlowPathPort::set_bare_interface(std::uint32_t ifindex) {
    links_[ifindex] = Link{.slot = 0, .is_served = false, .has_link_header = false};
}

void SlowPathPort::remove_interface(std::uint32_t ifindex) {
    links_.erase(ifindex);
}

const SlowPathPort::Link* SlowPathPort::find_link(std::uint32_t ifindex) const noexcept {
    const auto found = links_.find(ifindex);
    return found == links_.end() ? nullptr : &found->second;
}

SlowPathCounters& SlowPathCounters::operator+=(const SlowPathCounters& other) noexcept {
    frames_received += other.frames_received;
    super_frames_received += other.super_frames_received;
    frames_sent += other.frames_sent;
    super_frames_sent += other.super_frames_sent;
    super_frames_encapsulated += other.super_frames_encapsulated;
    frames_to_host += other.frames_to_host;
    strays += other.strays;
    truncated += other.truncated;
    overflows += other.overflows;
    for (std::size_t each = 0; each < send_errors.size(); ++each)
        send_errors[each] += other.send_errors[each];
    return *this;
}

const SlowPathCounters& SlowPathPort::counters() noexcept {
    tpacket_stats statistics{};
    socklen_t size = sizeof(statistics);
    // Reading them sets them to zero.
    if (::getsockopt(receive_socket_.get(), SOL_PACKET, PACKET_STATISTICS, &statistics, &size) == 0)
        counters_.overflows += statistics.tp_drops;
    return counters_;
}

std::size_t SlowPathPort::receive(std::span<engine::Frame> frames) noexcept {
    const std::size_t count = receive_from(receive_socket_.get(), frames);
    return count == 0 && !left_.empty() ? receive_left(frames) : count;
}

void SlowPathPort::receive_also(UniqueFd socket) {
    // The programs at work send nothing there any more as soon as this daemon's are in their place.
    constexpr int kReads = 1000;
    left_reads_ = kReads;
    left_.push_back(std::move(socket));
}

std::size_t SlowPathPort::receive_left(std::span<engine::Frame> frames) noexcept {
    for (const UniqueFd& socket : left_) {
        if (const std::size_t count = receive_from(socket.get(), frames); count > 0) return count;
    }
    if (--left_reads_ == 0) left_.clear();
    return 0;
}

std::size_t SlowPathPort::receive_from(int socket, std::span<engine::Frame> frames) noexcept {
    const std::size_t wanted = std::min(frames.size(), engine::kMaxBurst);
    const int received = ::recvmmsg(
        socket, buffers_->messages.data(), static_cast<unsigned>(wanted), MSG_DONTWAIT, nullptr);
    std::size_t count = 0;
    for (int i = 0; i < received; ++i) {
        const auto index = static_cast<std::size_t>(i);
        if (accept(index, buffers_->messages[index].msg_len, frames[count])) ++count;
    }
    return count;
}

// Makes a frame of what was received; false when it is none of the steering program's.
bool SlowPathPort::accept(std::size_t index, std::size_t size, engine::Frame& frame) noexcept {
    if ((buffers_->messages[index].msg_hdr.msg_flags & MSG_TRUNC) != 0) {
        ++counters_.truncated;
        return false;
    }
    const VirtioHeader& header = buffers_->headers[index];
    xvs_metadata metadata{};
    if (size < sizeof(header) + engine::kEthernetHeaderSize) {
        ++counters_.strays;
        return false;
    }
    std::byte* data = buffers_->frame(index);
    std::memcpy(&metadata, data, sizeof(metadata));
    const std::uint32_t reason = xvs_metadata_reason(&metadata);
    const std::uint32_t slot = xvs_metadata_slot(&metadata);
    const bool is_ours = metadata.magic == XVS_METADATA_MAGIC && reason >= XVS_REASON_FLOW &&
                         reason <= XVS_REASON_EGRESS && slot < options_.interfaces.size();
    const std::uint32_t interface = is_ours ? options_.interfaces[slot].ifindex : 0;
    if (interface == 0) {
        ++counters_.strays;
        return false;
    }
    restore_addresses(data, options_.interfaces[slot], reason);
    const std::size_t length = size - sizeof(header);
    frame = engine::Frame{
        .data = data,
        .length = static_cast<std::uint32_t>(length),
        .headroom = engine::kFrameHeadroom,
        .interface = interface,
        .reason = static_cast<xvs_reason>(reason),
        .report_ring = static_cast<std::uint16_t>(xvs_metadata_cpu(&metadata)),
        .report_position = static_cast<std::uint16_t>(xvs_metadata_position(&metadata)),
        .offload = to_offload(header, {data, length})};
    ++counters_.frames_received;
    if (frame.offload.segmentation != engine::Segmentation::None) ++counters_.super_frames_received;
    return true;
}

engine::Frame SlowPathPort::make_frame() noexcept {
    if (buffers_->made_count == engine::kMaxBurst) return {};
    std::byte* buffer = buffers_->made.data() + buffers_->made_count++ * kMadeBufferSize;
    return engine::Frame{.data = buffer + engine::kFrameHeadroom,
                         .length = 0,
                         .headroom = engine::kFrameHeadroom,
                         .interface = 0,
                         .reason = XVS_REASON_SERVICE,
                         .report_ring = engine::kNoReportRing,
                         .report_position = 0,
                         .offload = {}};
}

void SlowPathPort::transmit(const engine::Frame& frame, std::uint32_t interface) noexcept {
    const Link* link = find_link(interface);
    std::span<std::byte> bytes = frame.bytes();
    engine::Offload offload = frame.offload;
    if (link != nullptr && !link->has_link_header) {
        const auto removed = static_cast<std::uint16_t>(engine::kEthernetHeaderSize);
        offload.checksum_start = static_cast<std::uint16_t>(offload.checksum_start - removed);
        offload.header_length = static_cast<std::uint16_t>(offload.header_length - removed);
    }
    ++counters_.frames_sent;
    if (offload.segmentation != engine::Segmentation::None) ++counters_.super_frames_sent;
    enqueue(bytes, offload, interface);
}

// The outer header goes beside the frame, which crosses the private link as plain TCP.
void SlowPathPort::transmit_encapsulated(const engine::Frame& frame,
                                         std::size_t outer_size,
                                         std::uint32_t interface) noexcept {
    const Link* link = find_link(interface);
    constexpr std::size_t kHeader = engine::kEthernetHeaderSize;
    if (link == nullptr || !link->is_served) {
        ++counters_.send_errors[static_cast<std::size_t>(SendError::NotServed)];
        return;
    }
    if (frame.length > kHeader + kMaxPacket) {
        ++counters_.send_errors[static_cast<std::size_t>(SendError::TooLong)];
        return;
    }
    const std::uint16_t position = next_outer_;
    next_outer_ = static_cast<std::uint16_t>((next_outer_ + 1u) % options_.outer_headers.size());
    xvs_outer_header& outer = options_.outer_headers[position];
    outer.family = outer_size == 20 ? 4 : 6;
    std::memcpy(outer.ethernet, frame.data, kHeader);
    std::memcpy(outer.header, frame.data + kHeader, std::min(outer_size, sizeof(outer.header)));

    engine::Frame inner = frame;
    const auto removed = static_cast<std::uint16_t>(outer_size);
    inner.data += outer_size;
    inner.length -= removed;
    inner.offload.checksum_start =
        static_cast<std::uint16_t>(inner.offload.checksum_start - removed);
    inner.offload.header_length = static_cast<std::uint16_t>(inner.offload.header_length - removed);
    const bool is_ipv4 =
        inner.length > kHeader && (std::to_integer<unsigned>(inner.data[kHeader]) >> 4) == 4;
    std::memset(inner.data + sizeof(xvs_metadata), 0, kTypeOffset - sizeof(xvs_metadata));
    store_be16(inner.data + kTypeOffset, is_ipv4 ? ETH_P_IP : ETH_P_IPV6);
    ++counters_.super_frames_encapsulated;
    send_command(inner,
                 xvs_metadata{.magic = XVS_METADATA_MAGIC,
                              .kind = XVS_COMMAND_ENCAPSULATE,
                              .slot = link->slot,
                              .position = static_cast<__u16>(options_.first_outer + position)});
}

void SlowPathPort::give_to_host(const engine::Frame& frame) noexcept {
    const Link* link = find_link(frame.interface);
    if (link == nullptr || !link->is_served) {
        ++counters_.send_errors[static_cast<std::size_t>(SendError::NotServed)];
        return;
    }
    const bool is_leaving = frame.reason == XVS_REASON_EGRESS;
    const auto command = is_leaving ? XVS_COMMAND_TO_WIRE : XVS_COMMAND_TO_HOST;
    // The neighbour's address goes where the interface's own is, which the program knows.
    if (is_leaving && frame.length >= engine::kEthernetHeaderSize)
        std::memcpy(frame.data + sizeof(xvs_metadata), frame.data, sizeof(xvs_metadata));
    ++counters_.frames_to_host;
    send_command(frame,
                 xvs_metadata{.magic = XVS_METADATA_MAGIC,
                              .kind = static_cast<__u8>(command),
                              .slot = link->slot,
                              .position = 0});
}

// Sends `frame` down the private link, where the program at the near end reads the metadata.
void SlowPathPort::send_command(const engine::Frame& frame, const xvs_metadata& metadata) noexcept {
    if (frame.length < engine::kEthernetHeaderSize) return;
    std::memcpy(frame.data, &metadata, sizeof(metadata));
    enqueue(frame.bytes(), frame.offload, options_.far_ifindex);
}

void SlowPathPort::enqueue(std::span<std::byte> bytes,
                           const engine::Offload& offload,
                           std::uint32_t ifindex) noexcept {
    if (bytes.size() <= engine::kEthernetHeaderSize) return;
    if (queue_->count == kMaxQueued) flush_queue();
    const std::size_t i = queue_->count++;
    const Link* link = find_link(ifindex);
    const std::size_t skipped =
        link != nullptr && !link->has_link_header ? engine::kEthernetHeaderSize : 0;
    sockaddr_ll& address = queue_->addresses[i];
    std::memcpy(&address.sll_protocol, bytes.data() + kTypeOffset, sizeof(address.sll_protocol));
    address.sll_ifindex = static_cast<int>(ifindex);
    queue_->headers[i] = to_virtio(offload);
    queue_->parts[i][1] = {bytes.data() + skipped, bytes.size() - skipped};
}

void SlowPathPort::flush() noexcept {
    flush_queue();
    buffers_->made_count = 0;
}

void SlowPathPort::flush_queue() noexcept {
    std::size_t done = 0;
    bool has_waited = false;
    int tries = 0;
    while (done < queue_->count) {
        const int sent = ::sendmmsg(send_socket_.get(),
                                    queue_->messages.data() + done,
                                    static_cast<unsigned>(queue_->count - done),
                                    MSG_DONTWAIT);
        if (sent > 0) {
            done += static_cast<std::size_t>(sent);
            continue;
        }
        const int error = errno;
        if (error == EINTR) continue;
        if (error == EAGAIN && !has_waited) {
            has_waited = true;
            pollfd waiting{.fd = send_socket_.get(), .events = POLLOUT, .revents = 0};
            ::poll(&waiting, 1, kSendPatienceMs);
            continue;
        }
        if (error == ENOBUFS && waits_for_queue(tries)) continue;
        // The error is the first frame's; those behind it get their turn.
        ++counters_.send_errors[static_cast<std::size_t>(send_error_of(error))];
        ++done;
    }
    queue_->count = 0;
}

// Who catches up after a pause sends faster than a short queue is emptied (a veth's holds 256). The
// frame that met a full one was not taken, and is sent again. False when that is not to be hoped.
bool SlowPathPort::waits_for_queue(int& tries) noexcept {
    const auto now = std::chrono::steady_clock::now();
    if (now < queue_given_up_until_) return false;
    if (++tries > kQueueTries) {
        queue_given_up_until_ = now + kQueueGivenUp;
        return false;
    }
    const timespec pause{.tv_sec = 0, .tv_nsec = std::chrono::nanoseconds(kQueueTry).count()};
    ::nanosleep(&pause, nullptr);
    return true;
}

}  // namespace xvs::io
