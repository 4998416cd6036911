// PipelineParts: what a worker's pipelines share, and what becomes of the packets in them.
#pragma once

#include <cstdint>

#include "base/clock.h"
#include "engine/defend/defence.h"
#include "engine/drop_reason.h"
#include "engine/forward/icmp_responder.h"
#include "engine/forward/transmitter.h"
#include "engine/hand_over.h"
#include "engine/lookup/connections.h"
#include "engine/lookup/reports.h"
#include "engine/lookup/services.h"
#include "engine/packet_port.h"
#include "engine/router.h"
#include "flow/tables.h"

namespace xvs::engine {

// What became of a packet. Held ones wait for their datagram's first fragment, or for the end of
// the burst in which their connection begins; another worker decides of those handed over.
enum class Verdict : std::uint8_t { Forwarded, ToHost, Dropped, Held, HandedOver };

// How many packets met each end. Dropped ones are counted by reason.
struct PacketTotals {
    std::uint64_t received = 0;
    std::uint64_t super_packets = 0;  // of those received
    std::uint64_t forwarded = 0;
    std::uint64_t to_host = 0;
    std::uint64_t handed_over = 0;  // to another worker, which counts what becomes of them

    PacketTotals& operator+=(const PacketTotals& other) noexcept {
        received += other.received;
        super_packets += other.super_packets;
        forwarded += other.forwarded;
        to_host += other.to_host;
        handed_over += other.handed_over;
        return *this;
    }
};

// What the pipelines of both families share: a worker's own, and what workers have in common.
struct PipelineParts {
    std::uint8_t worker = 0;  // its number
    bool has_others = false;  // other workers
    HandOver& hand_over;
    flow::Tables& tables;
    Services& services;
    Assistances& assistances;
    Router& router;
    PacketPort& port;
    Transmitter& transmitter;
    IcmpRateLimit& icmp_limit;
    DropCounters& drops;
    PacketTotals& totals;
    Reports& reports;
    const Settings& settings;
    Defence& defence;
    const Clock& clock;
    Identifications& identifications;
    std::uint32_t& woken;  // workers, a bit each, that frames were handed over to

    Verdict drop(DropReason reason) const noexcept {
        drops.count(reason);
        return Verdict::Dropped;
    }

    // Hands a frame over to another worker, or drops it where its ring is full.
    Verdict give_to(std::uint8_t other, const Frame& frame) const noexcept {
        if (!hand_over.give(worker, other, frame)) return drop(DropReason::HandOverFull);
        ++totals.handed_over;
        woken |= 1U << other;
        return Verdict::HandedOver;
    }
};

}  // namespace xvs::engine
