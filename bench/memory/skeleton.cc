#include "bench/memory/skeleton.h"

#include <cstring>
#include <utility>

#include "bench/memory/rig.h"
#include "net/checksum.h"
#include "net/ipv4.h"
#include "net/ipv6.h"

namespace xvs::bench {
namespace {

constexpr std::size_t kEthernetSize = 14;
constexpr std::size_t kCachedBytes = std::size_t{1} << 20;

template <class Ip>
struct Places;

template <>
struct Places<flow::Ipv4> {
    static constexpr std::size_t kSource = 12;
    static constexpr std::size_t kHops = 8;
    static constexpr std::size_t kProtocol = 9;
    static constexpr std::size_t kHeaderSize = 20;
};

template <>
struct Places<flow::Ipv6> {
    static constexpr std::size_t kSource = 8;
    static constexpr std::size_t kHops = 7;
    static constexpr std::size_t kProtocol = 6;
    static constexpr std::size_t kHeaderSize = 40;
};

void apply(std::byte* checksum, std::uint16_t wire_difference) noexcept {
    const net::ChecksumDelta delta(from_wire16(wire_difference));
    store_be16(checksum, delta.apply(load_be16(checksum)));
}

template <class Ip>
void rewrite(std::byte* ip, const xvs_translation& translation) noexcept {
    constexpr std::size_t kSize = Ip::Address::kSize;
    std::byte* const tcp = ip + Places<Ip>::kHeaderSize;
    const bool is_source = (translation.rewrite & XVS_REWRITE_SOURCE) != 0;
    std::memcpy(ip + Places<Ip>::kSource + (is_source ? 0 : kSize), translation.address, kSize);
    std::memcpy(tcp + (is_source ? 0 : 2), &translation.port, sizeof(translation.port));
    if constexpr (kSize == net::Ipv4Address::kSize) apply(ip + 10, translation.network_difference);
    apply(tcp + 16, translation.full_difference);
}

// Returns where the outer header begins.
std::byte* encapsulate(std::byte* ip, const xvs_translation& translation, std::size_t length) {
    std::byte* const outer = ip - translation.overhead;
    std::memset(outer, 0, translation.overhead);
    if (translation.outer_family == static_cast<std::uint8_t>(net::Family::Ipv4)) {
        outer[0] = std::byte{0x45};
        store_be16(outer + 2, static_cast<std::uint16_t>(length + translation.overhead));
        outer[8] = std::byte{64};
        outer[9] = std::byte{4};
        std::memcpy(outer + 12, translation.outer_source, 4);
        std::memcpy(outer + 16, translation.outer_destination, 4);
        store_be16(outer + 10, net::internet_checksum({outer, translation.overhead}));
    } else {
        outer[0] = std::byte{0x60};
        store_be16(outer + 4, static_cast<std::uint16_t>(length));
        outer[6] = std::byte{41};
        outer[7] = std::byte{64};
        std::memcpy(outer + 8, translation.outer_source, 16);
        std::memcpy(outer + 24, translation.outer_destination, 16);
    }
    return outer;
}

template <class Ip>
void forward(flow::Tables& tables, const engine::Frame& frame, flow::SlotIndex slot) noexcept {
    flow::FlowTable<Ip>& flows = tables.flows<Ip>();
    const xvs_translation& translation = tables.translations()[flows.entry(slot).translation];
    const xvs_next_hop& hop = tables.next_hops()[translation.next_hop];
    xvs_counters& counters = tables.counters(0, translation.destination);
    ++counters.packets_in;
    counters.bytes_in += frame.length - kEthernetSize;
    flows.note_packet(slot, 1);
    std::byte* ip = frame.data + kEthernetSize;
    --reinterpret_cast<std::uint8_t&>(ip[Places<Ip>::kHops]);
    if constexpr (std::is_same_v<Ip, flow::Ipv4>) apply(ip + 10, to_wire16(0xfeff));
    if ((translation.rewrite & (XVS_REWRITE_SOURCE | XVS_REWRITE_DESTINATION)) != 0) {
        rewrite<Ip>(ip, translation);
    } else if ((translation.rewrite & XVS_ENCAPSULATE) != 0) {
        ip = encapsulate(ip, translation, frame.length - kEthernetSize);
    }
    std::byte* const link = ip - kEthernetSize;
    std::memcpy(link, hop.mac_destination, sizeof(hop.mac_destination));
    std::memcpy(link + 6, hop.mac_source, sizeof(hop.mac_source));
    store_be16(link + 12, std::is_same_v<Ip, flow::Ipv4> ? 0x0800 : 0x86dd);
}

}  // namespace

template <class Ip>
void Skeleton<Ip>::run(const BurstPort& port) noexcept {
    flow::FlowTable<Ip>& flows = tables_.flows<Ip>();
    const std::span<const engine::Frame> frames = port.frames();
    flow::FlowKey<Ip> keys[BurstPort::kBurst];
    std::uint32_t hashes[BurstPort::kBurst];
    const bool prefetches = std::size_t{flows.live()} * sizeof(typename Ip::Flow) > kCachedBytes;
    for (std::size_t at = 0; at < frames.size(); ++at) {
        const std::byte* ip = frames[at].data + kEthernetSize;
        const std::byte* source = ip + Places<Ip>::kSource;
        keys[at] =
            flow::FlowKey<Ip>::load(source,
                                    source + Ip::Address::kSize,
                                    ip + Places<Ip>::kHeaderSize,
                                    std::to_integer<std::uint8_t>(ip[Places<Ip>::kProtocol]));
        hashes[at] = flows.hash(keys[at]);
        if (prefetches) flows.prefetch(hashes[at]);
    }
    for (std::size_t at = 0; at < frames.size(); ++at) {
        const flow::SlotIndex slot = flows.find(keys[at], hashes[at]);
        if (slot != XVS_NONE) forward<Ip>(tables_, frames[at], slot);
    }
}

template <class Ip>
Result<std::unique_ptr<ConnectionSkeleton<Ip>>> ConnectionSkeleton<Ip>::create(
    flow::Storage& storage, std::uint32_t live, std::uint32_t capacity, bool has_replies) {
    auto tables = flow::Tables::create(storage, sizes_of_one_family<Ip>(capacity), {0x9e3779b9, 1});
    if (!tables) return fail(tables.error());
    return std::make_unique<ConnectionSkeleton>(std::move(*tables), live, capacity, has_replies);
}

template <class Ip>
ConnectionSkeleton<Ip>::ConnectionSkeleton(std::unique_ptr<flow::Tables> tables,
                                           std::uint32_t live,
                                           std::uint32_t capacity,
                                           bool has_replies)
    : tables_(std::move(tables)), live_(live), has_replies_(has_replies), wheel_(0, 2 * capacity) {}

template <class Ip>
flow::FlowKey<Ip> ConnectionSkeleton<Ip>::key(std::uint32_t number) const noexcept {
    const Endpoint<Ip> from = client<Ip>(number);
    const Endpoint<Ip> to = virtual_service<Ip>();
    return flow::FlowKey<Ip>::make(from.address, from.port, to.address, to.port, 6);
}

template <class Ip>
void ConnectionSkeleton<Ip>::connect(const flow::FlowKey<Ip>& key, std::uint32_t now) noexcept {
    flow::FlowTable<Ip>& flows = tables_->flows<Ip>();
    flow::ConnectionTable<Ip>& records = tables_->connections<Ip>();
    const std::uint32_t index = records.allocate();
    if (index == XVS_NONE) return;
    xvs_connection& record = records[index];
    const flow::NewEntry entry{.connection = index};
    record.inbound = flows.insert(key, flows.hash(key), entry).slot;
    const flow::FlowKey<Ip> reply = key.reversed();
    if (has_replies_) record.outbound = flows.insert(reply, flows.hash(reply), entry).slot;
    flows.continue_growing(
        8, [&records](std::uint32_t owner, flow::SlotIndex from, flow::SlotIndex to) {
            records.note_move(owner, from, to);
        });
    record.check_at = now + kLifeInTicks;
    (void)wheel_.schedule(index, record.check_at);
}

template <class Ip>
void ConnectionSkeleton<Ip>::end(std::uint32_t connection) noexcept {
    const xvs_connection& record = tables_->connections<Ip>()[connection];
    if (record.inbound != XVS_NONE) tables_->flows<Ip>().retire(record.inbound);
    if (record.outbound != XVS_NONE) tables_->flows<Ip>().retire(record.outbound);
    tables_->connections<Ip>().free(connection);
}

template <class Ip>
void ConnectionSkeleton<Ip>::run_burst() noexcept {
    flow::FlowTable<Ip>& flows = tables_->flows<Ip>();
    flow::FlowKey<Ip> keys[BurstPort::kBurst];
    for (flow::FlowKey<Ip>& each : keys) {
        each = key(number_++);
        flows.prefetch_insert(flows.hash(each));
        if (has_replies_) flows.prefetch_insert(flows.hash(each.reversed()));
    }
    ++passed_;
    for (const flow::FlowKey<Ip>& each : keys)
        connect(each, now());
    tables_->reclaim();
}

template <class Ip>
std::uint32_t ConnectionSkeleton<Ip>::now() const noexcept {
    return static_cast<std::uint32_t>(passed_ * BurstPort::kBurst * kLifeInTicks / live_);
}

template <class Ip>
std::size_t ConnectionSkeleton<Ip>::run_timers() noexcept {
    flow::FlowTable<Ip>& flows = tables_->flows<Ip>();
    std::size_t ended = 0;
    std::uint32_t due[BurstPort::kBurst];
    std::size_t count = 0;
    do {
        count = 0;
        (void)wheel_.advance(
            now(),
            std::size(due),
            [this](std::uint32_t id) noexcept { tables_->connections<Ip>().prefetch(id); },
            [&](std::uint32_t id) noexcept { due[count++] = id; });
        for (std::size_t at = 0; at < count; ++at) {
            const xvs_connection& record = tables_->connections<Ip>()[due[at]];
            if (record.inbound != XVS_NONE) flows.prefetch_retire(record.inbound);
            if (record.outbound != XVS_NONE) flows.prefetch_retire(record.outbound);
        }
        for (std::size_t at = 0; at < count; ++at)
            end(due[at]);
        ended += count;
    } while (count == std::size(due));
    return ended;
}

template class Skeleton<flow::Ipv4>;
template class Skeleton<flow::Ipv6>;
template class ConnectionSkeleton<flow::Ipv4>;
template class ConnectionSkeleton<flow::Ipv6>;

}  // namespace xvs::bench
