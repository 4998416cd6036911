// BurstPort: hands the engine one burst that lies ready, and swallows what the engine sends.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/packet_port.h"

namespace xvs::bench {

// What a real port does before and after the engine costs nothing here: frames are written into
// their buffers between two measurements, as a network card would have done.
class BurstPort final : public engine::PacketPort {
public:
    static constexpr std::size_t kBurst = engine::kMaxBurst;

    // Where frame `at` of the next burst begins; kRoom bytes are there.
    static constexpr std::size_t kRoom = 128;

    [[nodiscard]] std::byte* buffer(std::size_t at) noexcept {
        return buffers_[at].data() + engine::kFrameHeadroom;
    }

    void set_frame(std::size_t at, std::size_t length) noexcept {
        frames_[at] = {.data = buffer(at),
                       .length = static_cast<std::uint32_t>(length),
                       .headroom = engine::kFrameHeadroom,
                       .interface = kInterface,
                       .reason = XVS_REASON_SERVICE,
                       .offload = {}};
    }

    void set_ready(std::size_t count) noexcept { ready_ = count; }

    [[nodiscard]] std::span<const engine::Frame> frames() const noexcept {
        return std::span(frames_).first(ready_);
    }

    std::size_t receive(std::span<engine::Frame> frames) noexcept override {
        std::copy_n(frames_.begin(), ready_, frames.begin());
        return ready_;
    }

    // No case of the benchmark has the engine make packets of its own.
    engine::Frame make_frame() noexcept override { return {}; }

    void transmit(const engine::Frame& frame, std::uint32_t /*interface*/) noexcept override {
        last_ = frame.data;
        ++transmitted_;
    }

    void transmit_encapsulated(const engine::Frame& frame,
                               std::size_t /*outer_size*/,
                               std::uint32_t interface) noexcept override {
        transmit(frame, interface);
    }

    void give_to_host(const engine::Frame& frame) noexcept override {
        last_ = frame.data;
        ++given_to_host_;
    }

    void flush() noexcept override {}

    [[nodiscard]] std::uint64_t transmitted() const noexcept { return transmitted_; }

    [[nodiscard]] std::uint64_t given_to_host() const noexcept { return given_to_host_; }

    // The interface that everything comes in on and leaves by.
    static constexpr std::uint32_t kInterface = 2;

private:
    struct alignas(64) Buffer : std::array<std::byte, engine::kFrameHeadroom + kRoom> {};

    std::array<Buffer, kBurst> buffers_{};
    std::array<engine::Frame, kBurst> frames_{};
    std::size_t ready_ = 0;
    const std::byte* last_ = nullptr;
    std::uint64_t transmitted_ = 0;
    std::uint64_t given_to_host_ = 0;
};

}  // namespace xvs::bench
