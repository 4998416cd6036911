// HandOver: frames that arrived at one worker and belong to another, on their way there.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>

#include "engine/packet_port.h"

namespace xvs::engine {

// A ring of whole frames, each with its headroom before it: written by one worker, read by another.
class FrameRing {
public:
    // At least three super-packets, or some 150 frames of the usual size.
    static constexpr std::uint32_t kMinBytes = 1u << 18;
    // As many full frames as a queue of AF_XDP holds, which reaches one worker whoever's they are.
    static constexpr std::uint32_t kMaxBytes = 1u << 22;

    // `bytes`: a power of two. Memory is committed when it is first written.
    explicit FrameRing(std::uint32_t bytes)
        : size_(bytes), bytes_(std::make_unique_for_overwrite<std::byte[]>(bytes)) {}

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

    std::uint32_t size_;
    std::unique_ptr<std::byte[]> bytes_;
    alignas(64) std::atomic<std::uint32_t> written_ = 0;  // these count on without end
    alignas(64) std::atomic<std::uint32_t> read_ = 0;
    std::uint32_t taken_ = 0;  // the reader's
};

// Thread: each worker gives as `from` and takes as `to` its own number.
class HandOver {
public:
    // Nothing is handed over by a worker that is alone.
    explicit HandOver(std::size_t workers);

    [[nodiscard]] bool give(std::size_t from, std::size_t to, const Frame& frame) noexcept {
        return ring(to, from).push(frame);
    }

    // Makes `frames` of those that wait for worker `to`; they are its own until release().
    std::size_t take(std::size_t to, std::span<Frame> frames) noexcept {
        std::size_t count = 0;
        for (std::size_t from = 0; from < sources(); ++from)
            count += ring(to, from).take(frames.subspan(count));
        return count;
    }

    void release(std::size_t to) noexcept {
        for (std::size_t from = 0; from < sources(); ++from)
            ring(to, from).release();
    }

    [[nodiscard]] bool has_frames(std::size_t to) noexcept {
        for (std::size_t from = 0; from < sources(); ++from) {
            if (!ring(to, from).is_empty()) return true;
        }
        return false;
    }

private:
    // All rings together, but for those of their smallest size.
    static constexpr std::size_t kTotalBytes = std::size_t{1} << 25;

    [[nodiscard]] std::size_t sources() const noexcept { return rings_.empty() ? 0 : workers_; }

    [[nodiscard]] FrameRing& ring(std::size_t to, std::size_t from) noexcept {
        return rings_[to * workers_ + from];
    }

    std::size_t workers_;
    std::deque<FrameRing> rings_;
};

}  // namespace xvs::engine
