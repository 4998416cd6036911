#include "testing/host_stack.h"

#include "net/ipv4.h"
#include "net/ipv6.h"

namespace xvs::test {
namespace {

std::optional<net::IpAddress> destination_of(const Bytes& packet) {
    if (const auto v4 = net::Ipv4View::parse(packet)) return v4->destination();
    if (const auto v6 = net::Ipv6View::parse(packet)) return v6->destination();
    return std::nullopt;
}

const TestHost* host_at(const net::IpAddress& address) {
    for (const TestHost& host : topology::kHosts) {
        if (host.v4 == address || host.v6 == address) return &host;
    }
    return nullptr;
}

}  // namespace

std::optional<Sighting> HostStack::take(const Bytes& packet) {
    const auto destination = destination_of(packet);
    if (!destination) return std::nullopt;  // malformed: the stack drops it
    if (director_.router.is_local(*destination)) {
        const auto whole = reassembled(packet);
        if (!whole) return std::nullopt;
        return Sighting{.host = std::string(kDirectorHost), .packet = *whole};
    }
    Bytes forwarded = packet;
    if (const auto v4 = net::Ipv4Writer::parse(forwarded)) {
        v4->decrement_ttl();
    } else if (const auto v6 = net::Ipv6Writer::parse(forwarded)) {
        v6->decrement_hop_limit();
    }
    return send(forwarded);
}

std::optional<Sighting> HostStack::send(const Bytes& packet) {
    const auto destination = destination_of(packet);
    const TestHost* host = destination ? host_at(*destination) : nullptr;
    if (host == nullptr) return Sighting{.host = "nobody (no neighbour)", .packet = packet};
    return Sighting{.host = std::string(host->name), .packet = packet};
}

// Only IPv4's, where a scenario shows it. Returns the packet itself where it is whole.
std::optional<Bytes> HostStack::reassembled(const Bytes& packet) {
    const auto header = net::Ipv4View::parse(packet);
    if (!header || !header->is_fragment()) return packet;
    auto& pieces = fragments_[{header->source(), header->destination(), header->identification()}];
    pieces[header->fragment_offset()] = packet;
    std::size_t next = 0;
    Bytes whole;
    for (const auto& [offset, piece] : pieces) {
        const auto part = net::Ipv4View::parse(piece);
        if (offset != next) return std::nullopt;
        if (offset == 0) {
            whole = piece;
        } else {
            whole.insert(whole.end(), part->payload().begin(), part->payload().end());
        }
        next += part->payload().size();
        if (part->more_fragments()) continue;
        const auto finished = net::Ipv4Writer::parse_quoted(whole);
        finished->set_total_length(whole.size());
        finished->set_fragment(false, false, 0);
        finished->update_checksum();
        return whole;
    }
    return std::nullopt;
}

}  // namespace xvs::test
