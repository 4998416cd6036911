// HandOver: frames that arrived at one worker and belong to another, on their way there.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/packet_port.h"

namespace xvs::engine {

// A ring of whole frames, each with its headroom before it: written by one worker, read by another.
class FrameRing {
public:
    // Three super-packets, or some 150 frames of the usual size.
    static constexpr std::uint32_t kBytes = 1u << 18;

    FrameRing() : bytes_(std::make_unique_for_overwrite<std::byte[]>(kBytes)) {}

    // Returns false, and has taken nothing, when there is no room for `frame`.
    [[nodiscard]] bool push(const Frame& frame) noexcept;

    // Makes `frames` of those that wait, in the order they came, and returns of how many. They are
    // the reader's to change until release().
    std::size_t take(std::span<Frame> frames) noexcept;

    // Gives back the room of all that was taken.
    void release() noexcept { read_.store(taken_, std::memory_order_release); }

    [[nodiscard]] bool is_empty() const noexcept {
        return written_.load(std::memory_order_acquire) == taken_;
    }

private:
    // Before each frame; one without bytes says that the next is at the ring's beginning.
    struct Record {
        Frame frame;
        std::uint32_t size = 0;  // of the record with all that belongs to it
    };

    static constexpr std::uint32_t kAlign = 64;

    [[nodiscard]] static std::uint32_t size_of(const Frame& frame) noexcept;

    std::unique_ptr<std::byte[]> bytes_;
    alignas(64) std::atomic<std::uint32_t> written_ = 0;  // these count on without end
    alignas(64) std::atomic<std::uint32_t> read_ = 0;
    std::uint32_t taken_ = 0;  // the reader's
};

// Thread: each worker gives as `from` and takes as `to` its own number.
class HandOver {
public:
    // Nothing is handed over by a worker that is alone.
    explicit HandOver(std::size_t workers)
        : workers_(workers), rings_(workers > 1 ? workers * workers : 0) {}

    [[nodiscard]] bool give(std::size_t from, std::size_t to, const Frame& frame) noexcept {
        return rings_[to * workers_ + from].push(frame);
    }

    // Makes `frames` of those that wait for worker `to`; they are its own until release().
    std::size_t take(std::size_t to, std::span<Frame> frames) noexcept {
        std::size_t count = 0;
        for (FrameRing& each : of(to))
            count += each.take(frames.subspan(count));
        return count;
    }

    void release(std::size_t to) noexcept {
        for (FrameRing& each : of(to))
            each.release();
    }

    [[nodiscard]] bool has_frames(std::size_t to) noexcept {
        for (const FrameRing& each : of(to)) {
            if (!each.is_empty()) return true;
        }
        return false;
    }

private:
    [[nodiscard]] std::span<FrameRing> of(std::size_t to) noexcept {
        if (rings_.empty()) return {};
        return std::span(rings_).subspan(to * workers_, workers_);
    }

    std::size_t workers_;
    std::vector<FrameRing> rings_;
};

}  // namespace xvs::engine
