// MemoryPort: a packet port whose frames come from a test and go back to it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <vector>

#include "engine/packet_port.h"

namespace xvs::io {

// Frames are handed over as the contract of PacketPort allows at worst: what is sent is copied when
// flush() is called, not before, and the buffers of a burst are overwritten at the next receive(),
// so that an engine that keeps a frame too long, or changes one it has sent, is found out.
class MemoryPort final : public engine::PacketPort {
public:
    enum class Way : std::uint8_t { Transmitted, Encapsulated, ToHost };

    // A frame that left the engine, in the order it left.
    struct Output {
        Way way = Way::Transmitted;
        std::uint32_t interface = 0;
        std::vector<std::byte> bytes;  // Ethernet header included
        engine::Offload offload;
        std::size_t outer_size = 0;              // Way::Encapsulated only
        xvs_reason reason = XVS_REASON_SERVICE;  // Way::ToHost only
    };

    MemoryPort();
    ~MemoryPort() override;

    // Queues a frame (Ethernet header included) that the next receive() hands up.
    void inject(std::span<const std::byte> frame,
                std::uint32_t interface,
                xvs_reason reason = XVS_REASON_SERVICE,
                const engine::Offload& offload = {});
    // The same with all that `like` says but its bytes.
    void inject(std::span<const std::byte> frame, const engine::Frame& like);

    // How many injected frames were not received yet.
    [[nodiscard]] std::size_t pending() const noexcept { return injected_.size(); }

    // Returns what was flushed since the last call.
    [[nodiscard]] std::vector<Output> take_output();

    // The next `count` calls of make_frame() find no buffer.
    void fail_make_frame(std::size_t count) noexcept { failing_made_frames_ = count; }

    std::size_t receive(std::span<engine::Frame> frames) noexcept override;
    engine::Frame make_frame() noexcept override;
    void transmit(const engine::Frame& frame, std::uint32_t interface) noexcept override;
    void transmit_encapsulated(const engine::Frame& frame,
                               std::size_t outer_size,
                               std::uint32_t interface) noexcept override;
    void give_to_host(const engine::Frame& frame) noexcept override;
    void flush() noexcept override;

private:
    struct Injected {
        std::vector<std::byte> bytes;
        engine::Frame like;
    };

    struct Queued {
        engine::Frame frame;
        Way way = Way::Transmitted;
        std::uint32_t interface = 0;
        std::size_t outer_size = 0;
    };

    using Buffer = std::vector<std::byte>;

    std::deque<Injected> injected_;
    std::vector<Buffer> received_;
    std::vector<Buffer> made_;
    std::vector<Queued> queued_;
    std::vector<Output> output_;
    std::size_t failing_made_frames_ = 0;
};

}  // namespace xvs::io
