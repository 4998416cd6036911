// Transmitter: the last step. Link header, next hop, and the packets that wait for a neighbour.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "engine/drop_reason.h"
#include "engine/packet_port.h"
#include "engine/router.h"
#include "engine/ticks.h"
#include "flow/tables.h"
#include "net/ethernet.h"

namespace xvs::engine {

// A frame that is finished but for its link header.
struct Outgoing {
    Frame frame;
    std::uint32_t next_hop = XVS_NONE;
    net::EtherType type = net::EtherType::Ipv4;
    std::uint16_t outer_size = 0;  // of a super-packet in a tunnel: its outer header
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

    // Sends what waited and can go now, in the order it came; drops what waited too long.
    void retry() noexcept;

    [[nodiscard]] bool has_waiting() const noexcept { return waiting_count_ > 0; }

private:
    struct Waiting {
        Outgoing outgoing;  // its frame lies in `buffer`
        std::uint32_t generation = 0;
        Tick until = 0;
        bool is_used = false;
        std::uint64_t number = 0;  // in the order they came
        std::unique_ptr<std::byte[]> buffer;
    };

    static constexpr std::size_t kBufferSize = kFrameHeadroom + kEthernetHeaderSize + 65535;

    void put_on_wire(const Outgoing& outgoing, const xvs_next_hop& hop) noexcept;
    void keep(const Outgoing& outgoing) noexcept;
    // Sends or drops one that waits, if its time has come.
    void retry(Waiting& waiting, Tick now) noexcept;

    flow::Tables& tables_;
    Router& router_;
    PacketPort& port_;
    DropCounters& drops_;
    const Clock& clock_;
    std::vector<Waiting> waiting_;
    std::size_t waiting_count_ = 0;
    std::uint64_t last_number_ = 0;
};

}  // namespace xvs::engine
