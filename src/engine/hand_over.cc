#include "engine/hand_over.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <type_traits>

namespace xvs::engine {

static_assert(std::is_trivially_copyable_v<Frame>);

std::uint32_t FrameRing::size_of(const Frame& frame) noexcept {
    const std::size_t size = sizeof(Record) + kFrameHeadroom + frame.length;
    return static_cast<std::uint32_t>((size + kAlign - 1) / kAlign * kAlign);
}

bool FrameRing::push(const Frame& frame) noexcept {
    const std::uint32_t size = size_of(frame);
    std::uint32_t at = written_.load(std::memory_order_relaxed);
    const std::uint32_t room = size_ - (at - read_.load(std::memory_order_acquire));
    const std::uint32_t to_end = size_ - at % size_;
    const std::uint32_t skipped = size > to_end ? to_end : 0;
    if (size > size_ / 2 || size + skipped > room) return false;
    if (skipped != 0) {
        Record end;
        end.size = skipped;
        std::memcpy(&bytes_[at % size_], &end, sizeof(end));
        at += skipped;
    }
    std::byte* const place = &bytes_[at % size_];
    Record record{.frame = frame, .size = size};
    record.frame.data = place + sizeof(Record) + kFrameHeadroom;
    record.frame.headroom = static_cast<std::uint32_t>(kFrameHeadroom);
    // What its CPU had reported to the other worker is not counted here: that one reads all it has.
    record.frame.report_ring = kNoReportRing;
    std::memcpy(place, &record, sizeof(record));
    std::memcpy(record.frame.data, frame.data, frame.length);
    written_.store(at + size, std::memory_order_release);
    return true;
}

std::size_t FrameRing::take(std::span<Frame> frames) noexcept {
    const std::uint32_t written = written_.load(std::memory_order_acquire);
    std::size_t count = 0;
    while (taken_ != written && count < frames.size()) {
        Record record;
        std::memcpy(&record, &bytes_[taken_ % size_], sizeof(record));
        taken_ += record.size;
        if (record.frame.length != 0) frames[count++] = record.frame;
    }
    return count;
}

HandOver::HandOver(std::size_t workers) : workers_(workers) {
    if (workers < 2) return;
    const std::size_t share = std::bit_floor(kTotalBytes / (workers * (workers - 1)));
    const std::size_t bytes =
        std::clamp<std::size_t>(share, FrameRing::kMinBytes, FrameRing::kMaxBytes);
    for (std::size_t ring = 0; ring < workers * workers; ++ring)
        rings_.emplace_back(static_cast<std::uint32_t>(bytes));
}

}  // namespace xvs::engine
