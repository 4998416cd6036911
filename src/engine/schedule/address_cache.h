// AddressCache: what lblc and lblcr remember of each virtual address, the least recently used
// forgotten first.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "base/page_allocator.h"
#include "engine/ticks.h"
#include "flow/hash.h"
#include "flow/layout.h"
#include "net/address.h"

namespace xvs::engine {

// Returns seconds, as administrators give them, in ticks: none for a negative number.
[[nodiscard]] constexpr Tick to_expiration(std::int32_t seconds) noexcept {
    return to_ticks(std::chrono::seconds(std::max(seconds, 0)));
}

// Reserves at construction alone; memory is taken as entries come, and given back with the service.
//
// Kernel: ip_vs_lblc.c looks once a minute, and beyond kWanted entries removes some of those that
// were idle for six minutes; each half hour it removes those idle for lblc_expiration. Here each
// new entry makes room by the same two rules, and an idle one is not found any more.
template <class Entry>
class AddressCache {
public:
    static_assert(std::is_trivially_copyable_v<Entry>);

    static constexpr std::uint32_t kWanted = 16 * 1024;
    static constexpr std::uint32_t kCapacity = kWanted * 3 / 2;

    // `seed`: random, so that a stranger cannot aim at one bucket.
    explicit AddressCache(std::uint64_t seed)
        : keys_(make_keys(seed)), buckets_(kBuckets, XVS_NONE) {
        nodes_.reserve(kCapacity);
    }

    // Returns the entry of `address`, used at `now`, or nullptr when there is none or it was idle
    // for more than `expiration`.
    [[nodiscard]] Entry* find(const net::IpAddress& address, Tick now, Tick expiration) noexcept {
        for (std::uint32_t at = bucket_of(address); at != XVS_NONE; at = nodes_[at].next) {
            if (nodes_[at].address != address) continue;
            if (idle(nodes_[at], now) > expiration) return nullptr;
            touch(at, now);
            return &nodes_[at].entry;
        }
        return nullptr;
    }

    // Returns the entry of `address`, which is new or the former one; every other one that goes for
    // it is given to `forget` first.
    template <class Forget>
    Entry& insert(const net::IpAddress& address,
                  Tick now,
                  Tick expiration,
                  Forget forget) noexcept {
        for (std::uint32_t at = bucket_of(address); at != XVS_NONE; at = nodes_[at].next) {
            if (nodes_[at].address != address) continue;
            touch(at, now);
            return nodes_[at].entry;
        }
        // Two go for one that comes, so that the surplus shrinks.
        for (int removed = 0; removed < 2 && has_surplus(now, expiration); ++removed) {
            forget(nodes_[oldest_].entry);
            remove(oldest_);
        }
        const std::uint32_t at = take_node();
        std::uint32_t& bucket = bucket_of(address);
        nodes_[at] = {.address = address, .next = bucket, .used_at = now};
        bucket = at;
        push_newest(at);
        return nodes_[at].entry;
    }

    [[nodiscard]] std::uint32_t size() const noexcept { return size_; }

private:
    static xvs_hash_keys make_keys(std::uint64_t seed) noexcept {
        const std::uint32_t words[2] = {static_cast<std::uint32_t>(seed),
                                        static_cast<std::uint32_t>(seed >> 32)};
        return xvs_make_hash_keys(words);
    }

    static constexpr std::uint32_t kBuckets = 4096;
    static constexpr Tick kIdle = to_ticks(std::chrono::minutes(6));

    struct Node {
        net::IpAddress address;
        std::uint32_t next = XVS_NONE;  // in its bucket, or among the free ones
        std::uint32_t older = XVS_NONE;
        std::uint32_t newer = XVS_NONE;
        Tick used_at = 0;
        Entry entry{};
    };

    // Another worker's clock may be a tick ahead.
    [[nodiscard]] static Tick idle(const Node& node, Tick now) noexcept {
        const Tick since = now - node.used_at;
        return static_cast<std::int32_t>(since) < 0 ? 0 : since;
    }

    [[nodiscard]] bool has_surplus(Tick now, Tick expiration) const noexcept {
        if (oldest_ == XVS_NONE) return false;
        const Tick idle_for = idle(nodes_[oldest_], now);
        return size_ == kCapacity || idle_for > expiration ||
               (size_ >= kWanted && idle_for >= kIdle);
    }

    [[nodiscard]] std::uint32_t& bucket_of(const net::IpAddress& address) noexcept {
        std::array<std::uint32_t, 4> words;
        for (std::size_t each = 0; each < words.size(); ++each)
            words[each] = load_be32(address.bytes().data() + (each * sizeof(words[0])));
        return buckets_[xvs_hash6(&keys_, words.data(), words.data(), 0, 0) % kBuckets];
    }

    void touch(std::uint32_t at, Tick now) noexcept {
        nodes_[at].used_at = now;
        unlink(at);
        push_newest(at);
    }

    void unlink(std::uint32_t at) noexcept {
        const Node& node = nodes_[at];
        (node.newer == XVS_NONE ? newest_ : nodes_[node.newer].older) = node.older;
        (node.older == XVS_NONE ? oldest_ : nodes_[node.older].newer) = node.newer;
    }

    void push_newest(std::uint32_t at) noexcept {
        nodes_[at].newer = XVS_NONE;
        nodes_[at].older = newest_;
        (newest_ == XVS_NONE ? oldest_ : nodes_[newest_].newer) = at;
        newest_ = at;
    }

    void remove(std::uint32_t at) noexcept {
        unlink(at);
        std::uint32_t* link = &bucket_of(nodes_[at].address);
        while (*link != at)
            link = &nodes_[*link].next;
        *link = nodes_[at].next;
        nodes_[at].next = free_;
        free_ = at;
        --size_;
    }

    [[nodiscard]] std::uint32_t take_node() noexcept {
        ++size_;
        if (free_ == XVS_NONE) {
            nodes_.emplace_back();  // within what is reserved
            return static_cast<std::uint32_t>(nodes_.size() - 1);
        }
        const std::uint32_t at = free_;
        free_ = nodes_[at].next;
        return at;
    }

    xvs_hash_keys keys_;
    std::vector<std::uint32_t> buckets_;
    std::vector<Node, PageAllocator<Node>> nodes_;
    std::uint32_t free_ = XVS_NONE;
    std::uint32_t newest_ = XVS_NONE;
    std::uint32_t oldest_ = XVS_NONE;
    std::uint32_t size_ = 0;
};

}  // namespace xvs::engine
