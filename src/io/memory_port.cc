#include "io/memory_port.h"

#include <algorithm>
#include <utility>

namespace xvs::io {
namespace {

constexpr std::byte kPoison{0xdb};

void poison(std::vector<std::byte>& buffer) noexcept {
    std::fill(buffer.begin(), buffer.end(), kPoison);
}

}  // namespace

MemoryPort::MemoryPort() {
    made_.reserve(engine::kMaxBurst);
}

MemoryPort::~MemoryPort() = default;

void MemoryPort::inject(std::span<const std::byte> frame,
                        std::uint32_t interface,
                        xvs_reason reason,
                        const engine::Offload& offload) {
    engine::Frame like;
    like.interface = interface;
    like.reason = reason;
    like.offload = offload;
    inject(frame, like);
}

void MemoryPort::inject(std::span<const std::byte> frame, const engine::Frame& like) {
    injected_.push_back(Injected{.bytes = {frame.begin(), frame.end()}, .like = like});
}

std::vector<MemoryPort::Output> MemoryPort::take_output() {
    return std::exchange(output_, {});
}

std::size_t MemoryPort::receive(std::span<engine::Frame> frames) noexcept {
    const std::size_t count = std::min({frames.size(), injected_.size(), engine::kMaxBurst});
    // Overwritten but not freed: who still holds a frame of the last burst reads nonsense, not
    // memory that is gone.
    for (Buffer& buffer : received_)
        poison(buffer);
    if (received_.size() < count) received_.resize(count);
    for (std::size_t i = 0; i < count; ++i) {
        const Injected& from = injected_.front();
        Buffer& buffer = received_[i];
        buffer.assign(engine::kFrameHeadroom + from.bytes.size(), kPoison);
        std::copy(from.bytes.begin(), from.bytes.end(), buffer.begin() + engine::kFrameHeadroom);
        frames[i] = from.like;
        frames[i].data = buffer.data() + engine::kFrameHeadroom;
        frames[i].length = static_cast<std::uint32_t>(from.bytes.size());
        frames[i].headroom = engine::kFrameHeadroom;
        injected_.pop_front();
    }
    return count;
}

engine::Frame MemoryPort::make_frame() noexcept {
    if (failing_made_frames_ > 0) {
        --failing_made_frames_;
        return {};
    }
    if (made_.size() == engine::kMaxBurst) return {};
    Buffer& buffer =
        made_.emplace_back(Buffer(engine::kFrameHeadroom + engine::kMadeFrameRoom, kPoison));
    return engine::Frame{.data = buffer.data() + engine::kFrameHeadroom,
                         .length = 0,
                         .headroom = engine::kFrameHeadroom,
                         .interface = 0,
                         .reason = XVS_REASON_SERVICE,
                         .offload = {}};
}

void MemoryPort::transmit(const engine::Frame& frame, std::uint32_t interface) noexcept {
    queued_.push_back(
        Queued{.frame = frame, .way = Way::Transmitted, .interface = interface, .outer_size = 0});
}

void MemoryPort::transmit_encapsulated(const engine::Frame& frame,
                                       std::size_t outer_size,
                                       std::uint32_t interface) noexcept {
    queued_.push_back(Queued{.frame = frame,
                             .way = Way::Encapsulated,
                             .interface = interface,
                             .outer_size = outer_size});
}

void MemoryPort::give_to_host(const engine::Frame& frame) noexcept {
    queued_.push_back(
        Queued{.frame = frame, .way = Way::ToHost, .interface = frame.interface, .outer_size = 0});
}

void MemoryPort::flush() noexcept {
    for (const Queued& queued : queued_) {
        const std::span<const std::byte> bytes = queued.frame.bytes();
        output_.push_back(Output{.way = queued.way,
                                 .interface = queued.interface,
                                 .bytes = {bytes.begin(), bytes.end()},
                                 .offload = queued.frame.offload,
                                 .outer_size = queued.outer_size,
                                 .reason = queued.frame.reason});
    }
    queued_.clear();
    made_.clear();
}

}  // namespace xvs::io
