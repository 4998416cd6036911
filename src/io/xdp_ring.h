// XdpRing: one of the four rings that an AF_XDP socket shares with the kernel.
#pragma once

#include <cstddef>
#include <cstdint>

#include <linux/if_xdp.h>

namespace xvs::io {

// Where its parts lie. `size` is a power of two.
struct XdpRingMemory {
    std::byte* memory = nullptr;
    const xdp_ring_offset* offsets = nullptr;
    std::uint32_t size = 0;
};

// User space writes entries and the producer's position (fill, transmit), or reads entries and
// writes the consumer's (receive, completion). Thread: one.
template <class Entry>
class XdpRing {
public:
    XdpRing() noexcept = default;

    explicit XdpRing(const XdpRingMemory& where) noexcept
        : producer_(reinterpret_cast<std::uint32_t*>(where.memory + where.offsets->producer)),
          consumer_(reinterpret_cast<std::uint32_t*>(where.memory + where.offsets->consumer)),
          flags_(reinterpret_cast<const std::uint32_t*>(where.memory + where.offsets->flags)),
          entries_(reinterpret_cast<Entry*>(where.memory + where.offsets->desc)),
          size_(where.size) {}

    // Bytes of a ring in memory.
    [[nodiscard]] static std::size_t bytes(const xdp_ring_offset& offsets,
                                           std::uint32_t size) noexcept {
        return offsets.desc + std::size_t{size} * sizeof(Entry);
    }

    // As producer: false when the ring is full. What is put in is seen after publish().
    [[nodiscard]] bool try_put(const Entry& entry) noexcept {
        if (put_ - __atomic_load_n(consumer_, __ATOMIC_ACQUIRE) >= size_) return false;
        entries_[put_++ & (size_ - 1)] = entry;
        return true;
    }

    void publish() noexcept { __atomic_store_n(producer_, put_, __ATOMIC_RELEASE); }

    // Whether the kernel has not taken all that was published.
    [[nodiscard]] bool has_unread() const noexcept {
        return __atomic_load_n(consumer_, __ATOMIC_ACQUIRE) != *producer_;
    }

    // As consumer: how many entries wait.
    [[nodiscard]] std::uint32_t count() const noexcept {
        return __atomic_load_n(producer_, __ATOMIC_ACQUIRE) - taken_;
    }

    // REQUIRES: count() said that there is one. The kernel may have its place after release().
    [[nodiscard]] Entry take() noexcept { return entries_[taken_++ & (size_ - 1)]; }

    void release() noexcept { __atomic_store_n(consumer_, taken_, __ATOMIC_RELEASE); }

    [[nodiscard]] bool needs_wakeup() const noexcept {
        return (__atomic_load_n(flags_, __ATOMIC_RELAXED) & XDP_RING_NEED_WAKEUP) != 0;
    }

private:
    std::uint32_t* producer_ = nullptr;
    std::uint32_t* consumer_ = nullptr;
    const std::uint32_t* flags_ = nullptr;
    Entry* entries_ = nullptr;
    std::uint32_t size_ = 0;
    std::uint32_t put_ = 0;
    std::uint32_t taken_ = 0;
};

}  // namespace xvs::io
