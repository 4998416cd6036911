#include "bench/memory/rig.h"

#include <utility>

#include "net/tcp.h"
#include "offload/bpf_storage.h"

namespace xvs::bench {
namespace {

constexpr std::uint8_t kSyn = net::tcp_flag::kSyn;
constexpr std::uint8_t kAck = net::tcp_flag::kAck;
// How long a connection that stays half open lives. Kernel: IP_VS_TCP_S_SYN_RECV.
constexpr std::chrono::seconds kHalfOpen{60};

engine::Route way_to(flow::NextHopTable& next_hops, const net::IpAddress& self) {
    const std::uint32_t index = next_hops.allocate();
    xvs_next_hop& hop = next_hops[index];
    hop.interface = BurstPort::kInterface;
    hop.mtu = 1500;
    hop.flags = XVS_HOP_LINK_HEADER;
    next_hops.resolve(index,
                      *net::MacAddress::parse("02:00:00:00:00:01"),
                      *net::MacAddress::parse("02:00:00:00:00:02"));
    return {.kind = engine::RouteKind::Unicast, .next_hop = index, .mtu = hop.mtu, .source = self};
}

}  // namespace

OneWayRouter::OneWayRouter(flow::NextHopTable& next_hops)
    : ipv4_(way_to(next_hops, *net::IpAddress::parse("192.0.2.254"))),
      ipv6_(way_to(next_hops, *net::IpAddress::parse("2001:db8::fe"))) {}

engine::Route OneWayRouter::find_route(const net::IpAddress& destination,
                                       const net::IpAddress& /*source*/) noexcept {
    return destination.family() == net::Family::Ipv4 ? ipv4_ : ipv6_;
}

template <class Ip>
flow::Sizes sizes_of_one_family(std::uint32_t connections) noexcept {
    flow::Sizes sizes = flow::sizes_for(connections, offload::possible_cpus());
    const flow::Sizes least = flow::sizes_for(1);
    if constexpr (std::is_same_v<Ip, flow::Ipv4>) {
        sizes.slots6 = least.slots6;
        sizes.connections6 = least.connections6;
    } else {
        sizes.slots4 = least.slots4;
        sizes.connections4 = least.connections4;
    }
    return sizes;
}

template <class Ip>
Result<std::unique_ptr<Rig<Ip>>> Rig<Ip>::create(flow::Storage& storage,
                                                 model::ForwardingMethod method,
                                                 std::uint32_t capacity) {
    auto tables =
        flow::Tables::create(storage, sizes_of_one_family<Ip>(capacity), {0x9e3779b9, 0x7f4a7c15});
    if (!tables) return fail(tables.error());
    return std::make_unique<Rig>(std::move(*tables), method);
}

template <class Ip>
Rig<Ip>::Rig(std::unique_ptr<flow::Tables> tables, model::ForwardingMethod method)
    : tables_(std::move(tables)),
      router_(tables_->next_hops()),
      engine_(*tables_, router_, steering_, port_, clock_),
      is_nat_(method == model::ForwardingMethod::Masquerade),
      timers_ran_at_(clock_.now()) {
    add_service(method);
}

template <class Ip>
void Rig<Ip>::add_service(model::ForwardingMethod method) {
    const Endpoint<Ip> vip = virtual_service<Ip>();
    model::VirtualService service;
    service.key = {
        .protocol = model::Protocol::Tcp, .address = vip.address, .port = vip.port, .fwmark = 0};
    service.scheduler = "rr";
    service.persistence_mask = std::is_same_v<Ip, flow::Ipv4> ? 0xffffffff : 128;
    if (!engine_.services().add_service(service)) std::abort();
    // The newest comes first, so that client n gets real server n % kRealServers.
    for (std::uint32_t number = kRealServers; number-- > 0;) {
        const Endpoint<Ip> real = real_server<Ip>(number);
        model::Destination destination;
        destination.real = {.address = real.address, .port = is_nat_ ? real.port : vip.port};
        destination.method = method;
        if (!engine_.services().add_destination(service.key, destination)) std::abort();
    }
}

template <class Ip>
Endpoint<Ip> Rig<Ip>::server_of(std::uint32_t client_number) const noexcept {
    return real_server<Ip>(client_number % kRealServers);
}

template <class Ip>
void Rig<Ip>::establish(std::uint32_t count) {
    const auto send = [this](std::uint32_t first, std::uint32_t last, std::uint8_t flags) {
        for (std::uint32_t number = first; number < last; ++number) {
            const bool is_reply = flags == (kSyn | kAck);
            const Endpoint<Ip> inside = is_reply ? server_of(number) : virtual_service<Ip>();
            const Endpoint<Ip> outside = client<Ip>(number);
            const std::size_t at = number - first;
            port_.set_frame(at,
                            write_packet<Ip>(port_.buffer(at),
                                             is_reply ? inside : outside,
                                             is_reply ? outside : inside,
                                             flags));
        }
        port_.set_ready(last - first);
        run_burst();
    };
    for (std::uint32_t first = next_client_; first < count; first += BurstPort::kBurst) {
        const std::uint32_t last =
            std::min(count, first + static_cast<std::uint32_t>(BurstPort::kBurst));
        send(first, last, kSyn);
        if (is_nat_) send(first, last, kSyn | kAck);
        send(first, last, kAck);
    }
    next_client_ = count;
    // A table that has grown moves its entries, and cleans up, a little with each burst.
    const flow::FlowTable<Ip>& flows = tables_->template flows<Ip>();
    port_.set_ready(0);
    while (flows.is_growing() || flows.has_to_grow())
        run_burst();
}

template <class Ip>
void Rig<Ip>::compose_requests(RandomOrder& order) noexcept {
    for (std::size_t at = 0; at < BurstPort::kBurst; ++at) {
        const std::uint32_t number = order.next();
        port_.set_frame(
            at,
            write_packet<Ip>(port_.buffer(at), client<Ip>(number), virtual_service<Ip>(), kAck));
    }
    port_.set_ready(BurstPort::kBurst);
}

template <class Ip>
void Rig<Ip>::compose_replies(RandomOrder& order) noexcept {
    for (std::size_t at = 0; at < BurstPort::kBurst; ++at) {
        const std::uint32_t number = order.next();
        port_.set_frame(
            at, write_packet<Ip>(port_.buffer(at), server_of(number), client<Ip>(number), kAck));
    }
    port_.set_ready(BurstPort::kBurst);
}

template <class Ip>
void Rig<Ip>::compose_new() noexcept {
    for (std::size_t at = 0; at < BurstPort::kBurst; ++at) {
        port_.set_frame(
            at,
            write_packet<Ip>(
                port_.buffer(at), client<Ip>(next_client_++), virtual_service<Ip>(), kSyn));
    }
    port_.set_ready(BurstPort::kBurst);
}

template <class Ip>
void Rig<Ip>::compose_for_stranger() noexcept {
    for (std::size_t at = 0; at < BurstPort::kBurst; ++at) {
        port_.set_frame(
            at,
            write_packet<Ip>(port_.buffer(at), client<Ip>(next_client_++), stranger<Ip>(), kAck));
    }
    port_.set_ready(BurstPort::kBurst);
}

template <class Ip>
void Rig<Ip>::compose_for_other_port() noexcept {
    Endpoint<Ip> other = virtual_service<Ip>();
    other.port = net::Port{81};
    for (std::size_t at = 0; at < BurstPort::kBurst; ++at) {
        port_.set_frame(
            at, write_packet<Ip>(port_.buffer(at), client<Ip>(next_client_++), other, kSyn));
    }
    port_.set_ready(BurstPort::kBurst);
}

template <class Ip>
void Rig<Ip>::pass_time(std::uint32_t live) noexcept {
    clock_.advance(Nanoseconds(kHalfOpen) * BurstPort::kBurst / live);
}

template <class Ip>
std::size_t Rig<Ip>::run_timers() noexcept {
    if (clock_.now() - timers_ran_at_ < engine::Engine::kTimerInterval) return 0;
    timers_ran_at_ = clock_.now();
    const std::uint32_t before = engine_.connection_count();
    engine_.run_timers();
    return before - engine_.connection_count();
}

template flow::Sizes sizes_of_one_family<flow::Ipv4>(std::uint32_t) noexcept;
template flow::Sizes sizes_of_one_family<flow::Ipv6>(std::uint32_t) noexcept;
template class Rig<flow::Ipv4>;
template class Rig<flow::Ipv6>;

}  // namespace xvs::bench
