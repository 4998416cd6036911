#include "engine/tunnel_errors.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "engine/forward/quoted.h"
#include "engine/forward/tunnel_header.h"
#include "net/icmp.h"
#include "net/icmpv6.h"

namespace xvs::engine {
namespace {

// Less is no MTU (RFC 791). Kernel: ip_vs_in_icmp().
constexpr std::uint32_t kLeastMtu = 68;

bool is_too_big(const net::IcmpView& error, flow::Ipv4 /*family*/) noexcept {
    return error.type() == net::icmp::kDestinationUnreachable &&
           error.code() == net::icmp::kFragmentationNeeded;
}

bool is_too_big(const net::IcmpView& error, flow::Ipv6 /*family*/) noexcept {
    return error.type() == net::icmpv6::kPacketTooBig;
}

bool is_time_exceeded(const net::IcmpView& error, flow::Ipv4 /*family*/) noexcept {
    return error.type() == net::icmp::kTimeExceeded;
}

bool is_time_exceeded(const net::IcmpView& error, flow::Ipv6 /*family*/) noexcept {
    return error.type() == net::icmpv6::kTimeExceeded;
}

// A pointer into the outer header is nothing that a client could understand.
bool is_for_client(const net::IcmpView& /*error*/, flow::Ipv4 /*family*/) noexcept {
    return true;
}

bool is_for_client(const net::IcmpView& error, flow::Ipv6 /*family*/) noexcept {
    return error.type() < net::icmpv6::kParameterProblem;
}

std::uint32_t told_mtu(const net::IcmpView& error, flow::Ipv4 /*family*/) noexcept {
    return net::icmp::next_hop_mtu(error);
}

std::uint32_t told_mtu(const net::IcmpView& error, flow::Ipv6 /*family*/) noexcept {
    return net::icmpv6::next_hop_mtu(error);
}

// What an error of the family `Outer` is in the other one (RFC 2473, 8.2 and 8.3).
template <class Outer, class Inner>
IcmpKind translated(const net::IcmpView& error) noexcept {
    if (is_too_big(error, Outer{})) return kind_of<Inner>(IcmpError::TooBig);
    return kind_of<Inner>(is_time_exceeded(error, Outer{}) ? IcmpError::TtlExceeded
                                                           : IcmpError::HostUnreachable);
}

bool may_be_cut(const net::Ipv4View& packet) noexcept {
    return !packet.dont_fragment();
}

bool may_be_cut(const net::Ipv6View& /*packet*/) noexcept {
    return false;
}

}  // namespace

// The packet of a tunnel that an error quotes.
template <class Ip>
struct TunnelErrors<Ip>::Quoted {
    net::IpAddress real;
    TunnelHeader tunnel;
    std::span<const std::byte> inside;
};

template <class Ip>
TunnelErrors<Ip>::TunnelErrors(const PipelineParts& parts)
    : parts_(parts),
      icmp_(parts.router, parts.port, parts.transmitter, parts.icmp_limit, parts.identifications),
      icmpv6_(
          parts.router, parts.port, parts.transmitter, parts.icmp_limit, parts.identifications) {}

template <class Ip>
template <class Inner>
IcmpResponder<Inner>& TunnelErrors<Ip>::responder() noexcept {
    if constexpr (std::is_same_v<Inner, flow::Ipv4>) {
        return icmp_;
    } else {
        return icmpv6_;
    }
}

template <>
auto TunnelErrors<flow::Ipv4>::parse(std::span<const std::byte> quoted) noexcept
    -> std::optional<Quoted> {
    const auto outer = net::Ipv4View::parse_quoted(quoted);
    if (!outer || outer->fragment_offset() != 0) return std::nullopt;
    const auto tunnel = read_tunnel_header(outer->protocol(), outer->payload());
    if (!tunnel) return std::nullopt;
    return Quoted{.real = outer->destination(),
                  .tunnel = *tunnel,
                  .inside = outer->payload().subspan(tunnel->size)};
}

template <>
auto TunnelErrors<flow::Ipv6>::parse(std::span<const std::byte> quoted) noexcept
    -> std::optional<Quoted> {
    const auto outer = net::Ipv6View::parse_quoted(quoted);
    if (!outer) return std::nullopt;
    const std::span<const std::byte> payload = quoted.subspan(net::Ipv6View::kHeaderSize);
    const auto tunnel = read_tunnel_header(outer->next_header(), payload);
    if (!tunnel) return std::nullopt;
    return Quoted{
        .real = outer->destination(), .tunnel = *tunnel, .inside = payload.subspan(tunnel->size)};
}

template <class Ip>
std::optional<Verdict> TunnelErrors<Ip>::handle(const Packet<Ip>& packet) noexcept {
    const auto error = parse_error(packet);
    if (!error || !is_for_client(*error, Ip{})) return std::nullopt;
    const auto quoted = parse(error->payload());
    if (!quoted) return std::nullopt;
    return quoted->tunnel.inside == net::Family::Ipv4 ? handle<flow::Ipv4>(packet, *quoted)
                                                      : handle<flow::Ipv6>(packet, *quoted);
}

template <class Ip>
template <class Inner>
std::optional<Verdict> TunnelErrors<Ip>::handle(const Packet<Ip>& packet,
                                                const Quoted& quoted) noexcept {
    flow::FlowKey<Inner> request;
    if (!parse_beginning(quoted.inside, request)) return std::nullopt;
    const auto& flows = parts_.tables.template flows<Inner>(parts_.worker);
    const flow::SlotIndex slot = flows.find(request, flows.hash(request));
    if (slot == XVS_NONE) return std::nullopt;
    if (parts_.has_others && flows.owner(slot) != parts_.worker)
        return parts_.give_to(flows.owner(slot), packet.frame);
    const xvs_translation* const way = find_way<Inner>(flows.entry(slot), quoted);
    if (way == nullptr || !parts_.router.is_local(packet.ip().destination())) return std::nullopt;
    if (!has_valid_icmp_checksum(packet)) return parts_.drop(DropReason::BadIcmpChecksum);
    const std::uint32_t sent = tell<Inner>(*parse_error(packet), quoted, *way);
    if (sent == 0) return parts_.drop(DropReason::TunnelError);
    // Kernel: ip_vs_out_icmp() counts the error on its way out, and what it quotes.
    xvs_counters& counters = parts_.tables.counters(parts_.worker, way->destination);
    counters.packets_out += 2;
    counters.bytes_out += sent + quoted.inside.size();
    ++parts_.totals.forwarded;
    return Verdict::Forwarded;
}

// The translation of a connection's requests, if they go through that tunnel to a real server that
// is there. Kernel: ip_vs_find_tunnel().
template <class Ip>
template <class Inner>
const xvs_translation* TunnelErrors<Ip>::find_way(const typename Inner::Flow& entry,
                                                  const Quoted& quoted) const noexcept {
    if ((entry.flags & XVS_FLOW_OUTBOUND) != 0 || entry.translation == XVS_NONE) return nullptr;
    const xvs_translation& way = parts_.tables.translations()[entry.translation];
    const TunnelHeader& tunnel = quoted.tunnel;
    const std::uint16_t port = net::number(tunnel.port);
    const bool is_that_tunnel =
        (way.rewrite & XVS_ENCAPSULATE) != 0 &&
        way.outer_family == static_cast<std::uint8_t>(Ip::kFamily) &&
        way.tunnel == static_cast<std::uint8_t>(tunnel.type) &&
        (tunnel.type != model::TunnelType::Gue || way.tunnel_port == to_wire16(port)) &&
        std::memcmp(way.outer_destination, quoted.real.bytes().data(), quoted.real.size()) == 0;
    if (!is_that_tunnel) return nullptr;
    const xvs_destination& server = parts_.tables.destinations()[way.destination];
    const bool is_there = (flow::load_relaxed(server.flags) & XVS_DESTINATION_AVAILABLE) != 0;
    return is_there ? &way : nullptr;
}

// Returns the length of what was sent, 0 if nothing was.
template <class Ip>
template <class Inner>
std::uint32_t TunnelErrors<Ip>::tell(const net::IcmpView& error,
                                     const Quoted& quoted,
                                     const xvs_translation& translation) noexcept {
    const auto about = *Headers<Inner>::View::parse_quoted(quoted.inside);
    const bool is_same_family = std::is_same_v<Ip, Inner>;
    const IcmpKind kind =
        is_same_family ? IcmpKind{error.type(), error.code()} : translated<Ip, Inner>(error);
    if (!is_too_big(error, Ip{}))
        return responder<Inner>().relay(about, kind, is_same_family ? error.rest() : 0);
    const std::uint32_t mtu = learn<Inner>(error, quoted, translation);
    // A client that lets its packets be cut is not to hear of it: from now on the director does.
    if (may_be_cut(about)) return 0;
    const std::uint32_t fits =
        mtu > kLeastMtu + translation.overhead ? mtu - translation.overhead : mtu;
    return responder<Inner>().relay(about, kind, fits);
}

// Returns the MTU of the path that the client is told. Kernel IPVS knows of the first error of a
// path, IPv4 in IPv4, only at the next packet, and tells what it took the path for until then.
template <class Ip>
template <class Inner>
std::uint32_t TunnelErrors<Ip>::learn(const net::IcmpView& error,
                                      const Quoted& quoted,
                                      const xvs_translation& translation) noexcept {
    const std::uint32_t hop = flow::load_relaxed(translation.next_hop);
    const PathMtu path = parts_.router.learn_path_mtu(quoted.real, told_mtu(error, Ip{}));
    constexpr bool kIsAsIpvs = std::is_same_v<Ip, flow::Ipv4> && std::is_same_v<Inner, flow::Ipv4>;
    if (!kIsAsIpvs || !parts_.tables.next_hops().is_used(hop)) return path.now;
    const std::uint32_t taken_for = parts_.tables.next_hops()[hop].mtu;
    return !path.was_learned || taken_for > path.before ? taken_for : path.now;
}

template class TunnelErrors<flow::Ipv4>;
template class TunnelErrors<flow::Ipv6>;

}  // namespace xvs::engine
