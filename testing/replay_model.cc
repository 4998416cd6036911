#include "testing/replay_model.h"

#include <cstring>

#include "engine/forward/replay.h"
#include "engine/ticks.h"
#include "flow/report_rings.h"
#include "net/ethernet.h"

namespace xvs::test {

ReplayModel::ReplayModel(Director& director, const NamedStorage& storage)
    : director_(director),
      judge_(director),
      rings_(storage.array<xvs_report_ring>("report_rings")),
      reports_(storage.array<xvs_report>("reports")) {}

Passage ReplayModel::admit(const Bytes& frame, Side side) {
    if (auto passage = replay(frame, Direction::Arriving)) return *std::move(passage);
    return bring(judge_.admit(frame, side));
}

Passage ReplayModel::release(const Bytes& frame, Side side) {
    if (auto passage = replay(frame, Direction::Leaving)) return *std::move(passage);
    return bring(judge_.release(frame, side));
}

std::optional<Passage> ReplayModel::replay(const Bytes& frame, Direction direction) {
    const auto link = net::EthernetView::parse(frame);
    if (link && link->type() == net::EtherType::Ipv4)
        return replay_as<flow::Ipv4>(frame, direction);
    if (link && link->type() == net::EtherType::Ipv6)
        return replay_as<flow::Ipv6>(frame, direction);
    return std::nullopt;
}

template <class Ip>
std::optional<Passage> ReplayModel::replay_as(const Bytes& frame, Direction direction) {
    Bytes buffer(engine::kFrameHeadroom);
    buffer.insert(buffer.end(), frame.begin(), frame.end());
    engine::Packet<Ip> packet;
    const auto parsed =
        engine::parse_packet<Ip>({.data = buffer.data() + engine::kFrameHeadroom,
                                  .length = static_cast<std::uint32_t>(frame.size()),
                                  .headroom = engine::kFrameHeadroom,
                                  .offload = {}},
                                 packet);
    constexpr std::size_t kPlain = engine::kEthernetHeaderSize + engine::Headers<Ip>::kMinSize;
    if (parsed.outcome != engine::ParseOutcome::Balanced || packet.fragment.is_fragment ||
        packet.transport_offset != kPlain)
        return std::nullopt;

    auto& flows = director_.tables->template flows<Ip>();
    const flow::SlotIndex slot = flows.find(packet.key, flows.hash(packet.key));
    if (slot == XVS_NONE) return std::nullopt;
    const typename Ip::Flow& entry = flows.entry(slot);
    if (const auto reason = refusal(packet, entry))
        return Passage{.way = Passage::Way::Dropped, .frame = frame, .refusal = reason};
    const engine::Tick now = engine::to_tick(director_.clock.now());
    // Whatever it may not replay is judged as if there were no fast path.
    if (!may_replay(packet, entry, direction)) return std::nullopt;
    if ((entry.report & packet.events) != 0 && !report({.state = flows.state_word(slot),
                                                        .slot = slot,
                                                        .tick = now,
                                                        .events = packet.events,
                                                        .family = static_cast<__u8>(Ip::kFamily),
                                                        .reserved = 0},
                                                       flows.owner(slot)))
        return std::nullopt;
    flows.note_packet(slot, now);
    const xvs_translation translation = director_.tables->translations()[entry.translation];
    count(translation, packet.network_length());
    ++replays_;
    return write(packet, translation);
}

// Of the client in either direction, by the list of the service that the real server belongs to
// now.
template <class Ip>
std::optional<engine::DropReason> ReplayModel::refusal(const engine::Packet<Ip>& packet,
                                                       const typename Ip::Flow& entry) const {
    const engine::Services& services = director_.engine.services();
    if (entry.translation == XVS_NONE) return std::nullopt;
    const xvs_translation& translation = director_.tables->translations()[entry.translation];
    const bool is_outbound = (translation.rewrite & XVS_REWRITE_SOURCE) != 0;
    const engine::ServiceState* const service =
        services.destination(translation.destination).service;
    return services.access_lists().refusal(
        service != nullptr ? service->access.get() : nullptr,
        is_outbound ? packet.key.destination : packet.key.source);
}

template <class Ip>
bool ReplayModel::may_replay(const engine::Packet<Ip>& packet,
                             const typename Ip::Flow& entry,
                             Direction direction) const {
    if ((entry.punt & packet.events) != 0 || entry.translation == XVS_NONE) return false;
    const xvs_translation& translation = director_.tables->translations()[entry.translation];
    if ((translation.rewrite & XVS_SUSPENDED) != 0) return false;
    if ((translation.rewrite & XVS_TO_HOST) != 0) return direction == Direction::Arriving;
    if (translation.next_hop == XVS_NONE) return direction == Direction::Leaving;
    if (direction == Direction::Leaving || engine::ttl(packet) <= 1) return false;
    const auto& hops = director_.tables->next_hops();
    if (!hops.is_current(translation.next_hop, translation.next_hop_generation)) return false;
    const xvs_next_hop& hop = director_.tables->next_hops()[translation.next_hop];
    return (hop.flags & XVS_HOP_RESOLVED) != 0 &&
           packet.network_length() + translation.overhead <= hop.mtu;
}

template <class Ip>
Passage ReplayModel::write(engine::Packet<Ip>& packet, const xvs_translation& translation) {
    const bool has_way = translation.next_hop != XVS_NONE;
    if (has_way) engine::decrement_ttl(packet);
    engine::rewrite(packet, translation);
    if ((translation.rewrite & XVS_ENCAPSULATE) != 0) engine::encapsulate(packet, translation, 0);
    const std::span<std::byte> bytes = packet.frame.bytes();
    Passage passage{.way = has_way ? Passage::Way::Replayed : Passage::Way::Host,
                    .frame = {bytes.begin(), bytes.end()}};
    if (!has_way) return passage;
    const xvs_next_hop& hop = director_.tables->next_hops()[translation.next_hop];
    const bool is_encapsulated = (translation.rewrite & XVS_ENCAPSULATE) != 0;
    const auto family = is_encapsulated ? translation.outer_family : translation.family;
    std::memcpy(passage.frame.data(), hop.mac_destination, sizeof(hop.mac_destination));
    std::memcpy(
        passage.frame.data() + sizeof(hop.mac_destination), hop.mac_source, sizeof(hop.mac_source));
    store_be16(
        passage.frame.data() + 12,
        static_cast<std::uint16_t>(family == 4 ? net::EtherType::Ipv4 : net::EtherType::Ipv6));
    return passage;
}

std::size_t ReplayModel::ring_of(std::size_t worker) const {
    return worker * director_.tables->header().report_rings + cpu();
}

// Returns false when the ring is full.
bool ReplayModel::report(const xvs_report& report, std::uint8_t worker) {
    const std::size_t number = ring_of(worker);
    xvs_report_ring& ring = rings_[number];
    if (ring.head - flow::load_acquire(ring.tail) >= XVS_REPORTS) return false;
    reports_[number * XVS_REPORTS + ring.head % XVS_REPORTS] = report;
    flow::store_release(ring.head, ring.head + 1);
    ++reports_written_;
    return true;
}

void ReplayModel::count(const xvs_translation& translation, std::uint32_t bytes) {
    xvs_counters& counters =
        director_.tables->counters(director_.tables->row_of_cpu(cpu()), translation.destination);
    if ((translation.rewrite & XVS_REWRITE_SOURCE) != 0) {
        ++counters.packets_out;
        counters.bytes_out += bytes;
    } else {
        ++counters.packets_in;
        counters.bytes_in += bytes;
    }
}

// What goes up says how far this CPU's reports had come.
Passage ReplayModel::bring(Passage passage) const {
    constexpr std::uint32_t kMask = (1u << flow::ReportRings::kPositionBits) - 1;
    passage.report_ring = static_cast<std::uint16_t>(cpu());
    passage.report_position =
        static_cast<std::uint16_t>(rings_[ring_of(passage.worker)].head & kMask);
    return passage;
}

}  // namespace xvs::test
