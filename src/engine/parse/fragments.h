// Fragments: the first one decides, its followers go the same way; those that came before it wait.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "engine/drop_reason.h"
#include "engine/parse/packet.h"
#include "engine/ticks.h"

namespace xvs::engine {

// Which way the first fragment of a datagram went.
enum class FragmentFate : std::uint8_t {
    Unknown,
    Balanced,
    ToHost,
    Dropped,
    Elsewhere,  // to another worker
    Alone,      // balanced, and nothing is left of it: one-packet scheduling
};

// Thread: the worker. Nothing allocates after construction.
template <class Ip>
class Fragments {
public:
    // Datagrams whose fate is remembered, how long, and fragments that wait for it, how long.
    static constexpr std::size_t kMaxDatagrams = 4096;
    static constexpr std::chrono::seconds kRemembered{30};  // net.ipv4.ipfrag_time
    static constexpr std::size_t kMaxWaiting = 128;
    static constexpr std::chrono::seconds kMaxWait{1};

    Fragments(const Clock& clock, DropCounters& drops);

    struct Fate {
        FragmentFate fate = FragmentFate::Unknown;
        flow::FlowKey<Ip> key{};  // of Balanced and Alone: the first fragment's, ports included
        std::uint8_t worker = 0;  // of Elsewhere
        std::uint32_t destination = XVS_NONE;  // of Alone
        std::uint32_t generation = 0;          // of that destination
    };

    // Returns what became of the datagram that `follower` belongs to.
    [[nodiscard]] Fate find(const Packet<Ip>& follower) const noexcept;

    // Notes what became of the datagram of `first`. When there is no room the oldest is forgotten.
    void remember(const Packet<Ip>& first, const Fate& fate) noexcept;

    // Keeps a copy of a follower whose first fragment has not come, or drops it when too many wait.
    void keep(const Packet<Ip>& follower) noexcept;

    // Calls `resume(packet)` for the followers that waited for the datagram of `first`, in the
    // order they came, and returns for how many. Their frames are valid until the next keep().
    template <class Resume>
    std::size_t resume(const Packet<Ip>& first, Resume&& resume) noexcept {
        std::size_t resumed = 0;
        for (Waiting* next = find_waiting(first); next != nullptr; next = find_waiting(first)) {
            next->is_used = false;
            --waiting_count_;
            ++resumed;
            resume(next->packet);
        }
        return resumed;
    }

    // Drops what waited too long.
    void expire() noexcept;

private:
    struct Id {
        decltype(flow::FlowKey<Ip>::source) source{};
        decltype(flow::FlowKey<Ip>::source) destination{};
        std::uint32_t identification = 0;
        std::uint8_t protocol = 0;
        bool operator==(const Id&) const noexcept = default;
    };

    struct Datagram {
        Id id;
        Fate fate;
        Tick until = 0;
        bool is_used = false;
    };

    struct Waiting {
        Id id;
        Packet<Ip> packet;  // its frame lies in `buffer`
        Tick until = 0;
        bool is_used = false;
        std::uint64_t number = 0;  // in the order they came
        std::unique_ptr<std::byte[]> buffer;
    };

    static constexpr std::size_t kWays = 4;  // places that a datagram may be remembered in
    static constexpr std::size_t kBufferSize = kFrameHeadroom + 9216;  // a jumbo frame

    // Returns the follower that has waited longest for `first`, or nullptr.
    [[nodiscard]] Waiting* find_waiting(const Packet<Ip>& first) noexcept;
    [[nodiscard]] static Id id_of(const Packet<Ip>& packet) noexcept;
    [[nodiscard]] std::size_t set_of(const Id& id) const noexcept;

    const Clock& clock_;
    DropCounters& drops_;
    xvs_hash_keys keys_{};  // a stranger picks the identification
    std::vector<Datagram> datagrams_;
    std::vector<Waiting> waiting_;
    std::size_t waiting_count_ = 0;
    std::uint64_t last_number_ = 0;
};

}  // namespace xvs::engine
