#include "io/xdp_socket.h"

#include <cerrno>
#include <cstring>

#include <sys/mman.h>
#include <sys/socket.h>

#include "base/byte_order.h"
#include "net/checksum.h"

#ifndef AF_XDP
#define AF_XDP 44
#endif

namespace xvs::io {
namespace {

constexpr std::uint64_t kChunk = XVS_XDP_CHUNK;
constexpr std::uint32_t kChunks = XdpSocket::kReceiveChunks + XdpSocket::kSendChunks;
// What the kernel sends at a call in copy mode is limited.
constexpr int kMaxWakeups = 2 * XdpSocket::kSendChunks / 32;

Status set_option(int socket, int name, const void* value, socklen_t size, const char* what) {
    if (::setsockopt(socket, SOL_XDP, name, value, size) == 0) return {};
    const int cause = errno;
    Error error = system_error(what, cause);
    if (name == XDP_UMEM_REG && (cause == ENOBUFS || cause == EPERM))
        error.context += "; raise the limit of locked memory (RLIMIT_MEMLOCK, LimitMEMLOCK=)";
    return fail(std::move(error));
}

}  // namespace

Mapping::~Mapping() {
    reset({});
}

void Mapping::reset(std::span<std::byte> bytes) noexcept {
    if (bytes_.data() != nullptr) ::munmap(bytes_.data(), bytes_.size());
    bytes_ = bytes;
}

Result<std::unique_ptr<XdpSocket>> XdpSocket::open(std::uint32_t ifindex,
                                                   std::uint32_t queue,
                                                   Use use) {
    UniqueFd fd(::socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0));
    if (!fd.is_open()) return fail(system_error("an AF_XDP socket", errno));
    std::unique_ptr<XdpSocket> socket(new XdpSocket(std::move(fd), use));
    if (auto status = socket->make_memory(); !status) return fail(status.error());
    if (auto status = socket->make_rings(); !status) return fail(status.error());
    // Frames may come as soon as it is bound.
    for (std::uint64_t chunk = 0; chunk < kReceiveChunks; ++chunk)
        (void)socket->fill_.try_put(chunk * kChunk);
    socket->fill_.publish();
    if (auto status = socket->bind(ifindex, queue); !status) return fail(status.error());
    return socket;
}

Status XdpSocket::make_memory() {
    void* const memory =
        ::mmap(nullptr, kLockedBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return fail(system_error("memory for an AF_XDP socket", errno));
    memory_.reset({static_cast<std::byte*>(memory), kLockedBytes});
    ::madvise(memory, kLockedBytes, MADV_HUGEPAGE);
    xdp_umem_reg registration{};
    registration.addr = reinterpret_cast<std::uint64_t>(memory);
    registration.len = kLockedBytes;
    registration.chunk_size = XVS_XDP_CHUNK;
    handed_out_.reserve(kReceiveChunks);
    free_.reserve(kSendChunks);
    for (std::uint64_t chunk = kReceiveChunks; chunk < kChunks; ++chunk)
        free_.push_back(chunk * kChunk);
    return set_option(socket_.get(),
                      XDP_UMEM_REG,
                      &registration,
                      sizeof(registration),
                      "memory for an AF_XDP socket");
}

template <class Entry>
Status XdpSocket::map_ring(Mapping& mapping,
                           XdpRing<Entry>& ring,
                           const xdp_ring_offset& offsets,
                           std::uint32_t size,
                           std::uint64_t page_offset) {
    const std::size_t bytes = XdpRing<Entry>::bytes(offsets, size);
    void* const memory = ::mmap(nullptr,
                                bytes,
                                PROT_READ | PROT_WRITE,
                                MAP_SHARED | MAP_POPULATE,
                                socket_.get(),
                                static_cast<off_t>(page_offset));
    if (memory == MAP_FAILED) return fail(system_error("the rings of an AF_XDP socket", errno));
    mapping.reset({static_cast<std::byte*>(memory), bytes});
    ring = XdpRing<Entry>({.memory = mapping.data(), .offsets = &offsets, .size = size});
    return {};
}

Status XdpSocket::make_rings() {
    const std::pair<int, std::uint32_t> sizes[] = {{XDP_UMEM_FILL_RING, kReceiveChunks},
                                                   {XDP_UMEM_COMPLETION_RING, kSendChunks},
                                                   {XDP_RX_RING, kReceiveChunks},
                                                   {XDP_TX_RING, kSendChunks}};
    for (const auto& [name, size] : sizes) {
        auto status =
            set_option(socket_.get(), name, &size, sizeof(size), "the rings of an AF_XDP socket");
        if (!status) return status;
    }
    xdp_mmap_offsets offsets{};
    socklen_t length = sizeof(offsets);
    if (::getsockopt(socket_.get(), SOL_XDP, XDP_MMAP_OFFSETS, &offsets, &length) != 0)
        return fail(system_error("the rings of an AF_XDP socket", errno));
    if (length != sizeof(offsets)) {
        return fail(ErrorCode::NotSupported,
                    "this kernel's AF_XDP sockets are those of before Linux 5.4");
    }
    auto status =
        map_ring(ring_memory_[0], fill_, offsets.fr, kReceiveChunks, XDP_UMEM_PGOFF_FILL_RING);
    if (status)
        status = map_ring(
            ring_memory_[1], sent_, offsets.cr, kSendChunks, XDP_UMEM_PGOFF_COMPLETION_RING);
    if (status)
        status = map_ring(ring_memory_[2], receive_, offsets.rx, kReceiveChunks, XDP_PGOFF_RX_RING);
    if (status)
        status = map_ring(ring_memory_[3], send_, offsets.tx, kSendChunks, XDP_PGOFF_TX_RING);
    return status;
}

// The kernel takes the driver's zero copy mode where there is one.
Status XdpSocket::bind(std::uint32_t ifindex, std::uint32_t queue) {
    sockaddr_xdp address{};
    address.sxdp_family = AF_XDP;
    address.sxdp_flags = XDP_USE_NEED_WAKEUP;
    address.sxdp_ifindex = ifindex;
    address.sxdp_queue_id = queue;
    if (::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
        const int cause = errno;
        Error error = system_error("binding an AF_XDP socket", cause);
        if (cause == EINVAL) error.code = ErrorCode::OutOfRange;
        if (cause == EBUSY) {
            error.code = ErrorCode::InUse;
            error.context += "; another program has one on the same queue, or is just leaving it";
        }
        return fail(std::move(error));
    }
    xdp_options options{};
    socklen_t length = sizeof(options);
    is_zero_copy_ = ::getsockopt(socket_.get(), SOL_XDP, XDP_OPTIONS, &options, &length) == 0 &&
                    (options.flags & XDP_OPTIONS_ZEROCOPY) != 0;
    return {};
}

std::size_t XdpSocket::receive(std::span<Received> frames) noexcept {
    const std::size_t count = std::min<std::size_t>(receive_.count(), frames.size());
    for (std::size_t i = 0; i < count; ++i) {
        const xdp_desc entry = receive_.take();
        handed_out_.push_back(entry.addr & ~(kChunk - 1));
        frames[i] = {.data = memory_.data() + entry.addr,
                     .length = entry.len,
                     .headroom = static_cast<std::uint32_t>(entry.addr & (kChunk - 1))};
    }
    if (count != 0) receive_.release();
    return count;
}

void XdpSocket::give_back() noexcept {
    if (!handed_out_.empty()) {
        for (const std::uint64_t chunk : handed_out_)
            (void)fill_.try_put(chunk);
        fill_.publish();
        handed_out_.clear();
    }
    if (fill_.needs_wakeup())
        (void)::recvfrom(socket_.get(), nullptr, 0, MSG_DONTWAIT, nullptr, nullptr);
}

void XdpSocket::collect_sent() noexcept {
    const std::uint32_t count = sent_.count();
    for (std::uint32_t i = 0; i < count; ++i)
        free_.push_back(sent_.take());
    if (count != 0) sent_.release();
}

std::byte* XdpSocket::make_room() noexcept {
    if (free_.empty()) {
        (void)flush();
        if (free_.empty()) return nullptr;
    }
    return memory_.data() + free_.back();
}

// There is room in the ring for as many as there are chunks.
void XdpSocket::put(const std::byte* chunk, std::size_t length) noexcept {
    free_.pop_back();
    (void)send_.try_put({.addr = static_cast<std::uint64_t>(chunk - memory_.data()),
                         .len = static_cast<std::uint32_t>(length),
                         .options = 0});
    has_unsent_ = true;
}

bool XdpSocket::try_send(std::span<const std::byte> frame, const Unfilled* unfilled) noexcept {
    std::byte* const chunk = frame.size() <= kChunk ? make_room() : nullptr;
    if (chunk == nullptr) return false;
    std::memcpy(chunk, frame.data(), frame.size());
    if (unfilled != nullptr) {
        if (unfilled->start + unfilled->offset + sizeof(std::uint16_t) > frame.size()) return false;
        const std::uint16_t sum =
            net::internet_checksum({chunk + unfilled->start, frame.size() - unfilled->start});
        // As the kernel does for all protocols: of UDP, 0 would say that there is none.
        store_be16(chunk + unfilled->start + unfilled->offset,
                   sum == 0 ? std::uint16_t{0xffff} : sum);
    }
    put(chunk, frame.size());
    return true;
}

XdpSocket::Flushed XdpSocket::flush() noexcept {
    Flushed flushed;
    if (has_unsent_) {
        send_.publish();
        has_unsent_ = false;
        for (int i = 0; i < kMaxWakeups && send_.has_unread() && send_.needs_wakeup(); ++i) {
            if (::sendto(socket_.get(), nullptr, 0, MSG_DONTWAIT, nullptr, 0) >= 0) continue;
            if (errno == EBUSY) ++flushed.dropped;
            if (errno == EAGAIN || errno == EINTR || errno == EBUSY) continue;
            flushed.error = errno;
            break;
        }
    }
    collect_sent();
    return flushed;
}

std::uint64_t XdpSocket::overflows() const noexcept {
    xdp_statistics statistics{};
    socklen_t length = sizeof(statistics);
    if (::getsockopt(socket_.get(), SOL_XDP, XDP_STATISTICS, &statistics, &length) != 0) return 0;
    return statistics.rx_dropped + statistics.rx_ring_full;
}

}  // namespace xvs::io
