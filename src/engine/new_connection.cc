// What a packet without a connection gets, or one that may end the connection it has: a real server
// and a connection, an error, or the host.
#include <array>

#include "engine/forward/quoted.h"
#include "engine/forward/replay.h"
#include "engine/pipeline.h"

namespace xvs::engine {
namespace {

constexpr net::Port kFtpPort{21};
constexpr net::Port kFtpDataPort{20};

net::Ipv4Address client_network(net::Ipv4Address client, std::uint32_t mask) noexcept {
    return net::Ipv4Address(client.value() & mask);
}

net::Ipv6Address client_network(const net::Ipv6Address& client, std::uint32_t prefix) noexcept {
    std::array<std::byte, net::Ipv6Address::kSize> bytes = client.bytes();
    for (std::size_t at = 0; at < bytes.size(); ++at) {
        const std::uint32_t kept =
            prefix > at * 8 ? prefix - static_cast<std::uint32_t>(at * 8) : 0;
        if (kept < 8) bytes[at] &= static_cast<std::byte>(0xff00U >> kept);
    }
    return net::Ipv6Address(bytes);
}

// Sources that no packet may come from, from outside. Kernel: ip_route_input() refuses them before
// IPVS sees them (RFC 1812, 5.3.7).
bool is_martian(net::Ipv4Address source) noexcept {
    constexpr std::uint8_t kLoopback = 127;
    constexpr std::uint8_t kFirstMulticast = 224;  // reserved and broadcast addresses lie above
    const auto network = static_cast<std::uint8_t>(source.value() >> 24);
    return network == 0 || network == kLoopback || network >= kFirstMulticast;
}

bool is_martian(const net::Ipv6Address& source) noexcept {
    return source.is_unspecified() || source.is_loopback() || source.is_multicast();
}

net::Ipv4Address as_address(std::uint32_t fwmark, const net::Ipv4Address& /*family*/) noexcept {
    return net::Ipv4Address(fwmark);
}

net::Ipv6Address as_address(std::uint32_t fwmark, const net::Ipv6Address& /*family*/) noexcept {
    std::array<std::byte, net::Ipv6Address::kSize> bytes{};
    store_be32(bytes.data(), fwmark);
    return net::Ipv6Address(bytes);
}

// What names the template that keeps the packet's client network at one real server; that of a
// firewall mark holds for all that have it.
template <class Ip>
flow::FlowKey<Ip> template_key(const flow::FlowKey<Ip>& packet,
                               const model::VirtualService& service) noexcept {
    const auto network = client_network(packet.source_address(), service.persistence_mask);
    if (service.key.fwmark != 0) {
        return flow::FlowKey<Ip>::make(network,
                                       net::Port{0},
                                       as_address(service.key.fwmark, packet.source_address()),
                                       net::Port{0},
                                       template_protocol(model::Protocol::Ip));
    }
    const net::Port port = packet.destination_port_number();
    const bool is_of_one_port = port == service.key.port && port != kFtpPort;
    return flow::FlowKey<Ip>::make(
        network,
        net::Port{0},
        packet.destination_address(),
        is_of_one_port ? port : net::Port{0},
        template_protocol(static_cast<model::Protocol>(packet.protocol)));
}

// Whether a client begins a connection with it, be there one or not. Kernel: is_new_conn().
template <class Ip>
bool begins_anew(const Packet<Ip>& packet) noexcept {
    if (packet.protocol == net::IpProtocol::Tcp) return (packet.events & XVS_EVENT_SYN) != 0;
    return packet.protocol == net::IpProtocol::Sctp &&
           packet.events == sctp_events(SctpEvent::Init);
}

}  // namespace

// Kernel: ip_vs_in_hook().
template <class Ip>
bool Pipeline<Ip>::is_reused(const Packet<Ip>& packet, std::uint32_t connection) noexcept {
    if (!begins_anew(packet)) return false;
    const xvs_connection& record = connections_[connection];
    const bool is_inbound = flows_.key(record.inbound) == packet.key;
    if (!is_inbound) return false;
    // Another CPU may have met the reset or the last FIN that this SYN comes after. Of its own,
    // what it reported later came later.
    const flow::SlotIndex slot = record.inbound;
    parts_.reports.follow_others(packet.frame);
    if (flows_.connection(slot) != connection) return false;
    const model::Sysctls& sysctls = parts_.settings.sysctls;
    const bool is_quiesced = parts_.services.destination(record.destination).config.weight == 0;
    if (sysctls.expire_nodest_conn != 0 && is_quiesced) return true;
    return connections_.is_reusable(record);
}

// Whether a packet without a connection may begin one.
template <class Ip>
bool Pipeline<Ip>::may_start(const Packet<Ip>& packet) const noexcept {
    const model::Sysctls& sysctls = parts_.settings.sysctls;
    if (packet.protocol == net::IpProtocol::Tcp) {
        const bool is_first = (packet.events & XVS_EVENT_SYN) != 0 || sysctls.sloppy_tcp != 0;
        return is_first && (packet.events & XVS_EVENT_RST) == 0;
    }
    if (packet.protocol == net::IpProtocol::Sctp) {
        const SctpEvent event = first_sctp_event(packet.transport());
        return event == SctpEvent::Init || (sysctls.sloppy_sctp != 0 && event != SctpEvent::Abort);
    }
    return true;
}

// Kernel: ip_vs_in_hook() without a connection, tcp_conn_schedule(), udp_conn_schedule(). What
// starts no connection is the host's: it answers stray ACKs with RST and closed ports as always.
template <class Ip>
Verdict Pipeline<Ip>::miss(Packet<Ip>& packet) noexcept {
    if (packet.frame.reason == XVS_REASON_EGRESS) return give_to_host(packet);
    if (parts_.settings.sysctls.nat_icmp_send != 0 && is_stray_reply(packet)) {
        return refuse_reply(packet);
    }
    // SCTP without a chunk is no packet that a service could judge.
    if (packet.protocol == net::IpProtocol::Sctp && packet.events == 0)
        return drop(DropReason::TruncatedHeader);
    if (parts_.assistances.is_awaiting()) {
        if (const auto verdict = welcome(packet)) return *verdict;
    }
    if (has_access_lists()) [[unlikely]] {
        if (const auto reason = refusal_of_request(packet)) return drop(*reason);
    }
    if (!may_start(packet) || packet.key.source_port_number() == kFtpDataPort)
        return give_to_host(packet);
    if (is_forged(packet)) return give_to_host(packet);
    if (packet.frame.fwmark == 0) {
        packet.frame.fwmark = parts_.services.mark_rules().mark_of(packet);
    }
    ServiceState* service = nullptr;
    if (const auto verdict = find_service(packet, service)) return *verdict;
    // Schedulers that compare counts know of what other CPUs have met by now. Of its own, what its
    // CPU reported later came later.
    if (!service->stock.is_open()) parts_.reports.follow_others(packet.frame);
    make_room();
    const SharingLock lock(*service->lock);
    return schedule(packet, *service);
}

// For the connection that a packet may begin, and its template. What is half-open by now is known
// when all reports were followed.
template <class Ip>
void Pipeline<Ip>::make_room() noexcept {
    if (connections_.has_room()) [[likely]]
        return;
    parts_.reports.follow_all();
    // One that both find nothing beside is refused.
    if (connections_.make_room() && !connections_.has_room()) (void)connections_.make_room();
}

// Whether it comes from outside with a source that nobody has there, the director's own among them.
// Kernel: ip_route_input() refuses it before IPVS sees it.
template <class Ip>
bool Pipeline<Ip>::is_forged(const Packet<Ip>& packet) const noexcept {
    return packet.frame.interface != kLoopbackInterface &&
           (is_martian(packet.key.source_address()) ||
            parts_.router.is_local(packet.key.source_address()));
}

// The same of a packet that says to be of such a connection, whose requests come by loopback.
template <class Ip>
bool Pipeline<Ip>::is_forged_request(const Packet<Ip>& packet, flow::SlotIndex slot) noexcept {
    return packet.frame.interface != kLoopbackInterface &&
           (flows_.entry(slot).flags & XVS_FLOW_OUTBOUND) == 0 &&
           (connections_[flows_.connection(slot)].flags & kConnectionOwnClient) != 0;
}

// Finds the service that a packet of no connection is for. Returns what becomes of the packet where
// this worker is not to schedule it.
template <class Ip>
std::optional<Verdict> Pipeline<Ip>::find_service(Packet<Ip>& packet,
                                                  ServiceState*& service) noexcept {
    service = found_services_.find(packet.frame.fwmark, packet.key);
    if (service == nullptr) return give_to_host(packet);
    if (parts_.has_others) {
        const std::uint8_t worker =
            parts_.tables.worker_of(packet.key.source, packet.key.source_port);
        if (worker != parts_.worker) return hand_over(packet, worker);
    }
    if (parts_.defence.drops_packet()) return drop(DropReason::DefenceDropPacket);
    return std::nullopt;
}

// Whether a NAT real server sent it; a reset or an abort needs no answer. Kernel: ip_vs_out_hook().
template <class Ip>
bool Pipeline<Ip>::is_stray_reply(const Packet<Ip>& packet) const noexcept {
    const bool is_reset = packet.protocol == net::IpProtocol::Tcp
                              ? (packet.events & XVS_EVENT_RST) != 0
                              : packet.protocol == net::IpProtocol::Sctp && packet.events != 0 &&
                                    first_sctp_event(packet.transport()) == SctpEvent::Abort;
    if (is_reset || packet.frame.reason == XVS_REASON_FLOW) return false;
    return parts_.services.is_nat_server(
        static_cast<model::Protocol>(packet.key.protocol),
        {.address = packet.key.source_address(), .port = packet.key.source_port_number()});
}

// The kernel has counted its TTL down by then: ip_forward().
template <class Ip>
Verdict Pipeline<Ip>::refuse_reply(Packet<Ip>& packet) noexcept {
    if (ttl(packet) <= 1) {
        icmp_.send(IcmpError::TtlExceeded, packet, 0);
        return drop(DropReason::TtlExceeded);
    }
    decrement_ttl(packet);
    icmp_.send(IcmpError::PortUnreachable, packet, 0);
    return drop(DropReason::ReplyWithoutConnection);
}

// Kernel: ip_vs_in_icmp() with schedule_icmp: the connection that an error would belong to begins
// with it, in no state yet.
template <class Ip>
Verdict Pipeline<Ip>::miss_quoted(Packet<Ip>& packet) noexcept {
    if (parts_.settings.sysctls.schedule_icmp == 0) return give_to_host(packet);
    if (packet.key.source_port_number() == kFtpDataPort) return give_to_host(packet);
    ServiceState* service = nullptr;
    if (const auto verdict = find_service(packet, service)) return *verdict;
    if (const auto reason =
            parts_.services.access_lists().refusal(service->access.get(), packet.key.source))
        return drop(*reason);
    Verdict verdict = Verdict::Held;
    make_room();
    {
        const SharingLock lock(*service->lock);
        verdict = schedule(packet, *service);
    }
    return verdict == Verdict::Held ? install_beginning() : verdict;
}

// With the service's lock held. Kernel: ip_vs_schedule(), ip_vs_sched_persist().
template <class Ip>
Verdict Pipeline<Ip>::schedule(Packet<Ip>& packet, ServiceState& service) noexcept {
    const model::VirtualService& config = service.config;
    DestinationState* destination = nullptr;
    std::uint32_t controller = XVS_NONE;
    if ((config.flags & model::kServicePersistent) != 0) {
        const flow::FlowKey<Ip> key = template_key(packet.key, config);
        controller = connections_.find_template(key);
        if (controller != XVS_NONE) {
            destination = &parts_.services.destination(connections_[controller].destination);
        } else if (destination = choose(packet, service); destination != nullptr) {
            controller =
                connections_.create_template(key, *destination, config.persistence_timeout_s);
            if (controller == XVS_NONE) return drop(DropReason::ConnectionTableFull);
        }
    } else if (config.key.fwmark != 0 || packet.key.destination_port_number() == config.key.port) {
        destination = choose(packet, service);
    }
    if (destination == nullptr && is_to_bypass(packet, service)) {
        destination = service.bypass;
        controller = XVS_NONE;
    }
    if (destination == nullptr) return refuse(packet, service);
    const bool is_datagram = packet.key.protocol == static_cast<std::uint8_t>(net::IpProtocol::Udp);
    const bool is_one_packet = (config.flags & model::kServiceOnePacket) != 0 && is_datagram;
    return is_one_packet ? send_one(packet, *destination)
                         : connect(packet, *destination, controller);
}

// Of an error, who asks for a virtual address is told the client's. Kernel: ip_vs_dh_schedule(),
// ip_vs_lblc_schedule() take the quoted packet's destination, which went the other way.
template <class Ip>
DestinationState* Pipeline<Ip>::choose(const Packet<Ip>& packet, ServiceState& service) noexcept {
    if (!service.scheduler) return nullptr;
    if (DestinationState* const stocked = draw(service)) return stocked;
    return service.scheduler->schedule(service.destinations,
                                       {.client = packet.key.source_address(),
                                        .virtual_address = packet.protocol == Headers<Ip>::kIcmp
                                                               ? packet.key.source_address()
                                                               : packet.key.destination_address(),
                                        .client_port = packet.key.source_port_number(),
                                        .service_flags = service.config.flags,
                                        .now = now_});
}

template <class Ip>
Verdict Pipeline<Ip>::connect(Packet<Ip>& packet,
                              DestinationState& destination,
                              std::uint32_t controller) noexcept {
    const flow::FlowKey<Ip>& key = packet.key;
    const std::uint32_t translation = translation_for(destination, key);
    if (translation == XVS_NONE) return drop(why_no_translation(destination));
    const model::ForwardingMethod method = destination.config.method;
    Beginning& begun = beginning_[beginning_count_];
    NewConnection<Ip>& wanted = begun.wanted;
    // Each for itself: whatever is copied wider than it was written just now waits for it.
    wanted.inbound = key;
    wanted.inbound_hash = packet.hash;
    wanted.inbound_translation = translation;
    wanted.outbound.reset();
    wanted.flags = static_cast<std::uint32_t>(method);
    wanted.controller = controller;
    wanted.seen = now_;
    wanted.events = packet.events;
    wanted.role = XVS_ROLE_NONE;
    wanted.is_followed = packet.protocol != Headers<Ip>::kIcmp;
    if (method == model::ForwardingMethod::Masquerade) {
        const auto rip = destination.config.real.address.template as<typename Ip::Address>();
        const net::Port port = real_port(destination, key.destination_port_number());
        const bool is_identity =
            rip == key.destination_address() && port == key.destination_port_number();
        if (!is_identity) {
            const auto reply = flow::FlowKey<Ip>::make(
                rip, port, key.source_address(), key.source_port_number(), key.protocol);
            wanted.outbound_hash = flows_.hash(reply);
            wanted.outbound = reply;
        }
        const Assistant* const assistant = parts_.assistances.find_for(
            static_cast<model::Protocol>(key.protocol), key.destination_port_number());
        if (assistant != nullptr && !is_identity) wanted.role = assistant->role();
    } else if (!destination.is_bypass()) {
        wanted.flags |= kConnectionNoOutput;
    }
    if (packet.frame.interface == kLoopbackInterface) wanted.flags |= kConnectionOwnClient;
    begun.connection = connections_.begin(wanted, destination);
    if (begun.connection == XVS_NONE) return drop(DropReason::ConnectionTableFull);
    begun.packet = &packet;
    begun.destination = &destination;
    ++beginning_count_;
    beginning_hashes_.add(packet.hash);
    return Verdict::Held;
}

// One-packet scheduling: a connection for this packet alone, or for the error that quotes it, of
// which nothing is kept.
template <class Ip>
Verdict Pipeline<Ip>::send_one(Packet<Ip>& packet, DestinationState& destination) noexcept {
    const std::uint32_t index = translation_for(destination, packet.key);
    if (index == XVS_NONE) return drop(why_no_translation(destination));
    const xvs_translation& translation = parts_.tables.translations()[index];
    const bool is_error = packet.protocol == Headers<Ip>::kIcmp;
    parts_.services.count_connection(destination);
    if (packet.fragment.is_fragment) sent_alone_to_ = destination.index;
    Verdict verdict = Verdict::Dropped;
    if (is_damaged_error(packet, translation)) {
        verdict = drop(DropReason::BadIcmpChecksum);
    } else if (!is_usable(packet, index)) {
        verdict = drop(DropReason::NoRoute);
    } else {
        count(translation, false, packet.network_length());
        verdict = send(packet, translation, false, is_error ? Subject::Quoted : Subject::Packet);
    }
    parts_.tables.translations().release(index);
    return verdict;
}

template <class Ip>
Verdict Pipeline<Ip>::follow_one(Packet<Ip>& packet,
                                 const typename Fragments<Ip>::Fate& first) noexcept {
    const xvs_destination& server = parts_.tables.destinations()[first.destination];
    DestinationState& destination = parts_.services.destination(first.destination);
    if (server.generation != first.generation || !destination.is_available)
        return drop(DropReason::FragmentOfDropped);
    packet.key = first.key;
    const std::uint32_t index = translation_for(destination, packet.key);
    if (index == XVS_NONE) return drop(why_no_translation(destination));
    const xvs_translation& translation = parts_.tables.translations()[index];
    Verdict verdict = Verdict::Dropped;
    if (is_usable(packet, index)) {
        count(translation, false, packet.network_length());
        verdict = send(packet, translation, false, Subject::Packet);
    } else {
        verdict = drop(DropReason::NoRoute);
    }
    parts_.tables.translations().release(index);
    return verdict;
}

template <class Ip>
std::uint8_t Pipeline<Ip>::worker_of_request(const Packet<Ip>& packet) noexcept {
    const std::uint32_t mark = packet.frame.fwmark != 0
                                   ? packet.frame.fwmark
                                   : parts_.services.mark_rules().mark_of(packet);
    const bool is_request =
        packet.frame.reason != XVS_REASON_EGRESS &&
        parts_.services.find_for_packet(mark,
                                        static_cast<model::Protocol>(packet.key.protocol),
                                        packet.key.destination_address(),
                                        packet.key.destination_port_number()) != nullptr;
    return is_request ? parts_.tables.worker_of(packet.key.source, packet.key.source_port)
                      : parts_.worker;
}

template <class Ip>
DropReason Pipeline<Ip>::why_no_translation(const DestinationState& destination) noexcept {
    if (destination.is_bypass()) return DropReason::TranslationTableFull;
    const Route route = parts_.router.find_route(destination.config.real.address, {});
    return route.kind == RouteKind::Unreachable ? DropReason::NoRoute
                                                : DropReason::TranslationTableFull;
}

// Whether the translation at hand serves the packet, and nothing says that another way is better
// now. A route that changes voids the next hop; the rest is asked for each second.
template <class Ip>
bool Pipeline<Ip>::has_fresh_translation(const DestinationState& destination,
                                         const flow::FlowKey<Ip>& inbound) noexcept {
    constexpr Tick kFresh = to_ticks(std::chrono::seconds(1));
    const bool is_to_service = destination.service_key.fwmark == 0 &&
                               inbound.destination_port_number() == destination.service_key.port;
    if (!is_to_service || destination.translation == XVS_NONE) return false;
    if (now_ - destination.way_asked_at_tick >= kFresh) return false;
    const auto last = parts_.tables.translations().way(destination.translation);
    return parts_.tables.next_hops().is_current(last.next_hop, last.generation);
}

// Returns a translation with a reference for a new connection, or XVS_NONE without one. The last
// one is kept at hand, since it is nearly always the same.
template <class Ip>
std::uint32_t Pipeline<Ip>::translation_for(DestinationState& destination,
                                            const flow::FlowKey<Ip>& inbound) noexcept {
    if (has_fresh_translation(destination, inbound)) {
        parts_.tables.translations().add_reference(destination.translation);
        return destination.translation;
    }
    destination.way_asked_at_tick = now_;
    const Route route =
        parts_.router.find_route(way_end(destination, destination.config.method, inbound), {});
    if (route.kind == RouteKind::Unreachable && !destination.is_bypass()) return XVS_NONE;
    flow::TranslationTable& table = parts_.tables.translations();
    // One at hand for the service's own port and VIP serves whoever came there.
    const bool is_to_service = destination.service_key.fwmark == 0 &&
                               inbound.destination_port_number() == destination.service_key.port;
    if (!is_to_service) {
        return table.acquire(
            inbound_translation(ForwardingContext<Ip>{.tables = parts_.tables,
                                                      .destination = destination,
                                                      .method = destination.config.method,
                                                      .inbound = inbound,
                                                      .route = route}));
    }
    if (destination.translation != XVS_NONE && route.kind == RouteKind::Unicast) {
        const auto last = table.way(destination.translation);
        if (last.next_hop == route.next_hop &&
            parts_.tables.next_hops().is_current(last.next_hop, last.generation)) {
            table.add_reference(destination.translation);
            return destination.translation;
        }
    }
    const ForwardingContext<Ip> context{.tables = parts_.tables,
                                        .destination = destination,
                                        .method = destination.config.method,
                                        .inbound = inbound,
                                        .route = route};
    const xvs_translation wanted = inbound_translation(context);
    if (destination.translation != XVS_NONE && table.redirect(destination.translation, wanted)) {
        table.add_reference(destination.translation);
        return destination.translation;
    }
    const std::uint32_t translation = table.acquire(wanted);
    if (translation == XVS_NONE) return XVS_NONE;
    if (destination.translation != XVS_NONE) table.release(destination.translation);
    table.add_reference(translation);
    destination.translation = translation;
    return translation;
}

template class Pipeline<flow::Ipv4>;
template class Pipeline<flow::Ipv6>;

}  // namespace xvs::engine
