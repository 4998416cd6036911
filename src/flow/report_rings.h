// ReportRings: what programs in the kernel tell the engine of packets that they have replayed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "flow/layout.h"
#include "flow/shared_field.h"

namespace xvs::flow {

// The rings of one worker: one a CPU, which alone writes it. A program that finds its ring full
// sends the packet up instead, so that nothing is lost. Thread: the worker.
class ReportRings {
public:
    // A packet that is sent up says how far its CPU had come, by this many bits.
    static constexpr unsigned kPositionBits = 14;
    static_assert((1u << kPositionBits) >= 2 * XVS_REPORTS);

    ReportRings() noexcept = default;

    // REQUIRES: XVS_REPORTS reports for each ring; there may be none.
    ReportRings(std::span<xvs_report_ring> rings, std::span<xvs_report> reports) noexcept
        : rings_(rings), reports_(reports) {}

    [[nodiscard]] std::size_t size() const noexcept { return rings_.size(); }

    // Takes over what the rings hold; the reports of one whose positions cannot be are lost.
    void adopt() noexcept {
        for (xvs_report_ring& ring : rings_) {
            const std::uint32_t head = load_acquire(ring.head);
            if (head - ring.tail > XVS_REPORTS) store_release(ring.tail, head);
        }
    }

    // Calls `visit(report)` for what CPU `ring` had reported when it stood at `position` (the low
    // bits of its head). Any ring and position may be asked for.
    template <class Visit>
    void drain_to(std::size_t ring, std::uint32_t position, Visit&& visit) noexcept {
        if (ring >= rings_.size()) return;
        const std::uint32_t tail = rings_[ring].tail;
        const std::uint32_t ahead = (position - tail) & ((1u << kPositionBits) - 1);
        // What is behind the tail was read before.
        if (ahead != 0 && ahead <= XVS_REPORTS) drain(ring, tail + ahead, visit);
    }

    // Calls `visit(report)` for all there is but in this ring.
    template <class Visit>
    void drain_others(std::size_t ring, Visit&& visit) noexcept {
        for (std::size_t other = 0; other < rings_.size(); ++other) {
            if (other != ring) drain(other, load_acquire(rings_[other].head), visit);
        }
    }

    // Calls `visit(report)` for all there is.
    template <class Visit>
    void drain_all(Visit&& visit) noexcept {
        for (std::size_t ring = 0; ring < rings_.size(); ++ring)
            drain(ring, load_acquire(rings_[ring].head), visit);
    }

    // Returns how often a ring was full when it was read: its CPU may have had no room.
    [[nodiscard]] std::uint64_t found_full() const noexcept { return load_relaxed(found_full_); }

private:
    template <class Visit>
    void drain(std::size_t ring, std::uint32_t until, Visit& visit) noexcept {
        xvs_report_ring& positions = rings_[ring];
        std::uint32_t tail = positions.tail;
        if (tail == until) return;
        const std::uint32_t head = load_acquire(positions.head);
        if (head - tail >= XVS_REPORTS) [[unlikely]]
            store_relaxed(found_full_, found_full_ + 1);
        const xvs_report* const first = &reports_[ring * XVS_REPORTS];
        for (; tail != until && tail != head; ++tail)
            visit(first[tail % XVS_REPORTS]);
        store_release(positions.tail, tail);
    }

    std::span<xvs_report_ring> rings_;
    std::span<xvs_report> reports_;
    std::uint64_t found_full_ = 0;
};

}  // namespace xvs::flow
