// The parsers of src/net and of tunnels' headers on arbitrary bytes: no view may read outside of
// what it was given.
#include <cstdint>
#include <vector>

#include "engine/forward/tunnel_header.h"
#include "net/checksum.h"
#include "net/ethernet.h"
#include "net/icmp.h"
#include "net/icmpv6.h"
#include "net/ipv4.h"
#include "net/ipv6.h"
#include "net/tcp.h"
#include "net/udp.h"

namespace {

using namespace xvs::net;  // NOLINT(google-build-using-namespace): a fuzz target

volatile std::uint64_t sink = 0;

void use(std::span<const std::byte> bytes) {
    sink = sink + checksum_sum(bytes);
}

void parse_ip(std::span<const std::byte> bytes, unsigned depth);

void parse_transport(IpProtocol protocol, std::span<const std::byte> bytes, unsigned depth) {
    if (const auto ports = PortsView::parse(bytes)) sink = sink + number(ports->source_port());
    if (const auto segment = TcpView::parse(bytes)) {
        use(segment->options());
        use(segment->payload());
        sink = sink + segment->mss().value_or(0) + segment->sequence() + segment->flags();
    }
    if (const auto datagram = UdpView::parse(bytes)) use(datagram->payload());
    if (const auto message = IcmpView::parse(bytes)) {
        sink = sink + icmp::next_hop_mtu(*message) + icmpv6::next_hop_mtu(*message);
        parse_ip(message->payload(), depth + 1);
    }
    if (const auto tunnel = xvs::engine::read_tunnel_header(protocol, bytes))
        parse_ip(bytes.subspan(tunnel->size), depth + 1);
}

// As the engine does: first strictly, then as what an ICMP error quotes.
void parse_ip(std::span<const std::byte> bytes, unsigned depth) {
    if (depth > 3) return;
    for (const auto& packet : {Ipv4View::parse(bytes), Ipv4View::parse_quoted(bytes)}) {
        if (!packet) continue;
        use(packet->header());
        sink = sink + packet->total_length() + packet->fragment_offset() + packet->ttl();
        parse_transport(packet->protocol(), packet->payload(), depth);
    }
    for (const auto& packet : {Ipv6View::parse(bytes), Ipv6View::parse_quoted(bytes)}) {
        if (!packet) continue;
        use(packet->payload());
        const auto transport = find_ipv6_transport(*packet);
        if (!transport) continue;
        parse_transport(
            transport->protocol, packet->bytes().subspan(transport->transport_offset), depth);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto bytes = std::as_bytes(std::span(data, size));
    parse_ip(bytes, 0);
    if (const auto frame = EthernetView::parse(bytes)) parse_ip(frame->payload(), 0);
    std::vector<std::byte> copy(bytes.begin(), bytes.end());
    if (const auto packet = Ipv4Writer::parse(copy); packet && packet->ttl() > 0) {
        packet->update_checksum();
        packet->decrement_ttl();
        if (!packet->has_valid_checksum()) __builtin_trap();
    }
    return 0;
}
