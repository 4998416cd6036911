#include "testing/director.h"

#include <algorithm>
#include <array>
#include <bit>
#include <ostream>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "model/names.h"
#include "net/ethernet.h"
#include "testing/packet_text.h"

namespace xvs::engine {

void PrintTo(DropReason reason, std::ostream* out) {
    *out << drop_reason_name(reason);
}

}  // namespace xvs::engine

namespace xvs::test {
namespace {

// Timers run as often as a daemon runs them.
constexpr Nanoseconds kTimerStep = engine::Engine::kTimerInterval;

engine::Frame frame_like(const Arrival& arrival) {
    engine::Frame frame;
    frame.interface = arrival.interface.value_or(interface_of(arrival.side));
    frame.reason = arrival.reason;
    frame.fwmark = arrival.fwmark;
    frame.offload = arrival.offload;
    return frame;
}

// Of a director in tests, and of one that takes over from it.
constexpr std::uint32_t kMaxWorkers = 4;

flow::Sizes sizes_of(const DirectorParts& parts) {
    flow::Sizes sizes = flow::sizes_for(parts.connections, parts.cpus, kMaxWorkers);
    sizes.translations = 512;
    sizes.next_hops = 64;
    sizes.destinations = 128;
    sizes.services = 64;
    return sizes;
}

std::unique_ptr<flow::Tables> make_tables(flow::Storage& storage,
                                          const flow::Sizes& sizes,
                                          bool is_adopted) {
    auto tables = is_adopted ? flow::Tables::adopt(storage)
                             : flow::Tables::create(storage, sizes, {0x5eed0001, 0x5eed0002});
    if (!tables) throw std::runtime_error(tables.error().context);
    if (!*tables) throw std::runtime_error("there are no tables to adopt");
    return std::move(*tables);
}

std::vector<std::unique_ptr<io::MemoryPort>> make_ports(std::size_t count) {
    std::vector<std::unique_ptr<io::MemoryPort>> ports(count);
    for (auto& each : ports)
        each = std::make_unique<io::MemoryPort>();
    return ports;
}

std::vector<engine::PacketPort*> as_ports(
    const std::vector<std::unique_ptr<io::MemoryPort>>& ports) {
    std::vector<engine::PacketPort*> all;
    for (const auto& each : ports)
        all.push_back(each.get());
    return all;
}

net::IpAddress address_of(const DirectorLink& link, net::Family family) {
    return family == net::Family::Ipv4 ? link.v4 : link.v6;
}

void add_host(testing::FakeRouter& router, const TestHost& host, flow::NextHopTable* unresolved) {
    const DirectorLink& link = director_link(host.side);
    const testing::FakeRouter::Interface interface {
        .index = interface_of(host.side), .mac = link.mac, .mtu = kDefaultMtu
    };
    for (const net::IpAddress& address : {host.v4, host.v6}) {
        const std::uint32_t hop =
            router.add_route(address, interface, host.mac, address_of(link, address.family()));
        if (unresolved != nullptr) unresolved->unresolve(hop);
    }
}

void add_topology(testing::FakeRouter& router, flow::Tables& tables) {
    for (const DirectorLink& link : topology::kDirectorLinks) {
        router.add_local(link.v4);
        router.add_local(link.v6);
    }
    for (const net::IpAddress& vip : topology::kVips)
        router.add_local(vip);
    for (const TestHost& host : topology::kHosts)
        add_host(router, host, nullptr);
    for (const TestHost& host : topology::kAbsentHosts)
        add_host(router, host, &tables.next_hops());
    // Strangers are behind the client.
    const TestHost& client = *find_host("client");
    router.set_default(client.v4);
    router.set_default(client.v6);
}

std::string receiver_of(std::span<const std::byte> frame) {
    const auto mac = net::MacAddress::load(frame.data());
    if (const TestHost* host = find_host(mac)) return std::string(host->name);
    return mac.to_string();
}

const engine::DestinationState& find_server(const engine::Engine& engine,
                                            std::string_view service,
                                            std::string_view server) {
    const auto key = parse_service_key(service);
    const auto real = net::Endpoint::parse(server);
    const engine::ServiceState* state = key && real ? engine.services().find(*key) : nullptr;
    if (state == nullptr) throw std::runtime_error(fmt::format("there is no service {}", service));
    const auto found = state->by_endpoint.find(*real);
    if (found == state->by_endpoint.end())
        throw std::runtime_error(fmt::format("there is no server {}", server));
    return *found->second;
}

}  // namespace

Director::Director(std::string_view services, const DirectorParts& parts)
    : clock(parts.former != nullptr ? parts.former->clock.now() : parts.time),
      sizes(parts.former != nullptr ? parts.former->sizes : sizes_of(parts)),
      tables(make_tables(
          parts.storage != nullptr ? *parts.storage : storage, sizes, parts.former != nullptr)),
      router(*tables),
      ports(make_ports(parts.workers)),
      port(*ports.front()),
      engine(*tables, router, steering, as_ports(ports), clock) {
    engine.set_stock_depths({.turns = parts.stock, .counts = parts.stock_by_counts});
    if (parts.former == nullptr) {
        add_topology(router, *tables);
    } else {
        router.take_over(parts.former->router);
        restore_services(parts.former->engine);
    }
    if (const Status status = ipvsadm(services); !status)
        throw std::runtime_error(status.error().context);
}

// As a state file brings them back: real servers from the oldest on.
void Director::restore_services(const engine::Engine& former) {
    engine.set_timeouts(former.timeouts());
    for (const model::SysctlValue& each : model::changed_sysctls(former.sysctls()))
        (void)engine.set_sysctl(each.name, each.value);
    for (const engine::ServiceState* service : former.services().in_order()) {
        std::vector<const engine::DestinationState*> servers;
        for (const auto* each = service->destinations.first(); each; each = each->next)
            servers.push_back(each);
        if (!engine.services().add_service(service->config))
            throw std::runtime_error("a service did not come back");
        for (auto each = servers.rbegin(); each != servers.rend(); ++each) {
            if (!engine.services().add_destination(service->config.key, (*each)->config))
                throw std::runtime_error("a real server did not come back");
        }
    }
    engine.finish_adoption();
}

Status Director::ipvsadm(std::string_view lines) {
    while (!lines.empty()) {
        const std::string_view line = lines.substr(0, lines.find('\n'));
        lines.remove_prefix(std::min(lines.size(), line.size() + 1));
        if (line.find_first_not_of(' ') == std::string_view::npos) continue;
        if (Status status = run_ipvsadm_line(engine, line); !status) return status;
    }
    return {};
}

std::vector<Sent> Director::receives(const Packet& packet, const Arrival& arrival) {
    queue(packet, arrival);
    return process();
}

std::vector<Sent> Director::receives(std::span<const std::byte> packet,
                                     const Arrival& arrival,
                                     net::EtherType type) {
    Bytes frame(net::EthernetView::kHeaderSize);
    frame[12] = static_cast<std::byte>(static_cast<unsigned>(type) >> 8);
    frame[13] = static_cast<std::byte>(static_cast<unsigned>(type) & 0xff);
    frame.insert(frame.end(), packet.begin(), packet.end());
    port.inject(frame, frame_like(arrival));
    return process();
}

void Director::queue(const Packet& packet, const Arrival& arrival) {
    const DirectorLink& link = director_link(arrival.side);
    const Bytes frame = packet.frame(net::MacAddress(), link.mac);
    ports[arrival.worker.value_or(worker_of(frame, arrival))]->inject(frame, frame_like(arrival));
}

std::uint8_t Director::worker_of(const net::Endpoint& client) const {
    const std::uint16_t port_number = to_wire16(net::number(client.port));
    if (client.address.family() == net::Family::Ipv4) {
        const auto address = client.address.as<net::Ipv4Address>();
        return tables->worker_of(to_wire32(address.value()), port_number);
    }
    const auto address = client.address.as<net::Ipv6Address>();
    return tables->worker_of(std::bit_cast<std::array<std::uint32_t, 4>>(address.bytes()),
                             port_number);
}

// As the steering program would choose it; of what shows no ports the first.
std::uint8_t Director::worker_of(const Bytes& frame, const Arrival& arrival) const {
    const auto link = net::EthernetView::parse(frame);
    Bytes copy = frame;
    const engine::Frame as_frame{
        .data = copy.data(), .length = static_cast<std::uint32_t>(copy.size()), .offload = {}};
    if (!link || engine.workers() == 1) return 0;
    if (link->type() == net::EtherType::Ipv4) return worker_of<flow::Ipv4>(as_frame, arrival);
    if (link->type() == net::EtherType::Ipv6) return worker_of<flow::Ipv6>(as_frame, arrival);
    return 0;
}

template <class Ip>
std::uint8_t Director::worker_of(const engine::Frame& frame, const Arrival& arrival) const {
    engine::Packet<Ip> packet;
    const auto parsed = engine::parse_packet<Ip>(frame, packet);
    if (parsed.outcome != engine::ParseOutcome::Balanced || packet.fragment.is_fragment) return 0;
    const bool is_request = arrival.side == Side::Client && arrival.reason != XVS_REASON_EGRESS;
    return is_request ? tables->worker_of(packet.key.source, packet.key.source_port)
                      : tables->worker_of(packet.key.destination, packet.key.destination_port);
}

std::vector<io::MemoryPort::Output> Director::take_output() {
    std::vector<io::MemoryPort::Output> all;
    for (const auto& each : ports) {
        for (io::MemoryPort::Output& output : each->take_output())
            all.push_back(std::move(output));
    }
    return all;
}

std::vector<Sent> Director::process() {
    while (engine.process_burst() > 0) {
    }
    collect();
    return std::exchange(sent_, {});
}

void Director::collect() {
    for (io::MemoryPort::Output& output : take_output()) {
        const bool is_host = output.way == io::MemoryPort::Way::ToHost;
        Sent sent{.packet = Bytes(output.bytes.begin() + net::EthernetView::kHeaderSize,
                                  output.bytes.end()),
                  .to = is_host ? std::string(kDirectorHost) : receiver_of(output.bytes),
                  .offload = output.offload,
                  .outer_size = output.outer_size,
                  .reason = output.reason,
                  .interface = output.interface};
        (is_host ? to_host_ : sent_).push_back(std::move(sent));
    }
}

std::vector<Sent> Director::advance(Nanoseconds by) {
    while (by > Nanoseconds::zero()) {
        const Nanoseconds step = std::min(by, kTimerStep);
        clock.advance(step);
        by -= step;
        engine.run_timers();
        while (engine.has_work_left())
            engine.process_burst();
    }
    collect();
    return std::exchange(sent_, {});
}

std::vector<Sent> Director::given_to_host() {
    return std::exchange(to_host_, {});
}

std::vector<model::ConnectionInfo> Director::connection_infos() {
    std::vector<model::ConnectionInfo> infos;
    std::uint64_t cursor = 0;
    do {
        cursor = engine.for_each_connection(
            cursor, 64, [&](const model::ConnectionInfo& info) { infos.push_back(info); });
    } while (cursor != 0);
    return infos;
}

std::vector<std::string> Director::connections() {
    std::vector<std::string> lines;
    for (const model::ConnectionInfo& info : connection_infos()) {
        lines.push_back(fmt::format("{} {} {} {} {}",
                                    model::protocol_name(info.protocol),
                                    info.client.to_string(),
                                    info.virtual_endpoint.to_string(),
                                    info.real.to_string(),
                                    model::state_name(info.protocol, info.state)));
    }
    return lines;
}

ServerCounts Director::counts(std::string_view service, std::string_view server) const {
    const engine::DestinationState& state = find_server(engine, service, server);
    return {.active = state.active_connections,
            .inactive = state.inactive_connections(),
            .persistent = state.persistent_connections};
}

model::Statistics Director::statistics(std::string_view service, std::string_view server) const {
    return engine.services().statistics(find_server(engine, service, server));
}

model::Statistics Director::statistics(std::string_view service) const {
    const auto key = parse_service_key(service);
    const engine::ServiceState* state = key ? engine.services().find(*key) : nullptr;
    if (state == nullptr) throw std::runtime_error(fmt::format("there is no service {}", service));
    return statistics(*state);
}

model::Statistics Director::statistics(const engine::ServiceState& service) const {
    engine::ServiceListing listing;
    while (!engine.services().sum_up(service, listing)) {
    }
    return engine.services().statistics(service, listing);
}

model::Statistics Director::total() const {
    engine::TotalListing listing;
    while (!engine.services().sum_up(listing)) {
    }
    return engine.services().total(listing);
}

std::map<engine::DropReason, std::uint64_t> Director::drops() const {
    const engine::DropCounters all = engine.drops();
    std::map<engine::DropReason, std::uint64_t> counts;
    for (std::size_t i = 0; i < engine::kDropReasons.size(); ++i) {
        const auto reason = static_cast<engine::DropReason>(i);
        if (all[reason] != 0) counts[reason] = all[reason];
    }
    return counts;
}

void PrintTo(const Sent& sent, std::ostream* out) {
    *out << "to " << sent.to << ": " << to_text(sent.packet);
    if (sent.offload.segmentation != engine::Segmentation::None)
        *out << ", in segments of " << sent.offload.segment_size;
    if (sent.offload.has_partial_checksum) *out << ", checksum to be completed";
}

void PrintTo(const ServerCounts& counts, std::ostream* out) {
    *out << fmt::format(
        "{} active, {} inactive, {} persistent", counts.active, counts.inactive, counts.persistent);
}

}  // namespace xvs::test
