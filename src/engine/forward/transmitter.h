// Transmitter: the last step. Link header, next hop, and the packets that wait for a neighbour.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "engine/drop_reason.h"
#include "engine/packet_port.h"
#include "engine/router.h"
#include "engine/ticks.h"
#include "flow/tables.h"
#include "net/address.h"
#include "net/ethernet.h"

namespace xvs::engine {

// A frame that is finished but for its link header.
struct Outgoing {
    Frame frame;
    std::uint32_t next_hop = XVS_NONE;
    net::EtherType type = net::EtherType::Ipv4;
    std::uint16_t outer_size = 0;  // of a super-packet in a tunnel: its outer header
};

// The beginning of a packet as its sender knows it, and what an error that quotes it needs.
struct Origin {
    static constexpr std::size_t kMaxBytes = 1280 - 40 - 8;  // RFC 4443, 2.4 (c)

    net::Family family = net::Family::Ipv4;
    net::IpAddress source;          // of the error; unspecified: this host's own
    bool is_reply = false;          // then the error passes the virtual service as a request
    std::uint32_t destination = 0;  // the error counts as of one of its connections
    std::uint32_t generation = 0;   // of the destination
    std::uint32_t tunnelled = 0;    // bytes of the packet that a tunnel has carried, or 0
    std::size_t length = 0;         // 0: there is none
    std::array<std::byte, kMaxBytes> bytes;

    [[nodiscard]] std::span<const std::byte> packet() const noexcept {
        return std::span(bytes).first(length);
    }
};

// Thread: the worker.
class Transmitter {
public:
    // Packets that wait for neighbours, and for how long. Linux keeps three requests of a second
    // each.
    static constexpr std::size_t kMaxWaiting = 32;
    static constexpr std::size_t kMaxWaitingPerHop = 8;
    static constexpr std::chrono::seconds kMaxWait{3};

    Transmitter(flow::Tables& tables,
                Router& router,
                PacketPort& port,
                DropCounters& drops,
                const Clock& clock);

    // Sends, or keeps a copy until the next hop is resolved; packets to one next hop leave in the
    // order they came. REQUIRES: the next hop is in use.
    void send(const Outgoing& outgoing) noexcept;

    // Sends by a next hop that is resolved, ahead of what waits. REQUIRES: nothing waits for it.
    [[gnu::always_inline]] void put_on_wire(const Frame& frame,
                                            const xvs_next_hop& hop,
                                            net::EtherType type,
                                            std::uint16_t outer_size = 0) noexcept {
        std::byte* const link = frame.data;
        std::memcpy(link, hop.mac_destination, sizeof(hop.mac_destination));
        std::memcpy(link + 6, hop.mac_source, sizeof(hop.mac_source));
        store_be16(link + 12, static_cast<std::uint16_t>(type));
        if (outer_size != 0) [[unlikely]] {
            port_.transmit_encapsulated(frame, outer_size, hop.interface);
        } else {
            port_.transmit(frame, hop.interface);
        }
    }

    // The frames sent from now on stand for this packet: the first that has to wait keeps it.
    [[nodiscard]] Origin& begin_origin() noexcept { return origin_; }

    void end_origin() noexcept { origin_.length = 0; }

    // Sends what waited and can go now, in the order it came; drops what has lost its way.
    void retry() noexcept;

    // Drops what waited too long, and calls `tell(const Origin&)` for what was kept of it. `tell`
    // may send.
    template <class Tell>
    void give_up(Tell&& tell) noexcept {
        if (!has_waiting()) return;
        const Tick now = to_tick(clock_.now());
        for (Waiting& each : waiting_) {
            if (!each.is_used || ticks_between(each.until, now) < 0) continue;
            drops_.count(DropReason::NeighbourUnresolved);
            if (each.origin.length != 0) tell(std::as_const(each.origin));
            each.is_used = false;
            --waiting_count_;
        }
    }

    [[nodiscard]] bool has_waiting() const noexcept { return waiting_count_ > 0; }

private:
    struct Waiting {
        Outgoing outgoing;  // its frame lies in `buffer`
        std::uint32_t generation = 0;
        Tick until = 0;
        bool is_used = false;
        std::uint64_t number = 0;  // in the order they came
        std::unique_ptr<std::byte[]> buffer;
        Origin origin;
    };

    static constexpr std::size_t kBufferSize = kFrameHeadroom + kEthernetHeaderSize + 65535;

    void keep(const Outgoing& outgoing) noexcept;
    void retry(Waiting& waiting) noexcept;

    flow::Tables& tables_;
    Router& router_;
    PacketPort& port_;
    DropCounters& drops_;
    const Clock& clock_;
    std::vector<Waiting> waiting_;
    std::size_t waiting_count_ = 0;
    std::uint64_t last_number_ = 0;
    Origin origin_;
};

}  // namespace xvs::engine
