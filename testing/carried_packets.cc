#include "testing/carried_packets.h"

#include <array>
#include <variant>

#include "base/byte_order.h"
#include "net/checksum.h"
#include "testing/topology.h"

namespace xvs::test {
namespace {

struct Kind {
    std::uint8_t type;
    std::uint8_t code;
};

constexpr std::array kKinds{Kind{3, 4},
                            Kind{3, 0},
                            Kind{3, 1},
                            Kind{3, 4},
                            Kind{11, 0},
                            Kind{11, 1},
                            Kind{12, 0},
                            Kind{4, 0},
                            Kind{5, 1}};
constexpr std::array kKinds6{
    Kind{2, 0}, Kind{1, 0}, Kind{1, 3}, Kind{2, 0}, Kind{3, 0}, Kind{3, 1}, Kind{4, 1}};
constexpr std::array<std::uint32_t, 8> kMtus{1300, 1480, 576, 0, 67, 68, 1280, 65535};

}  // namespace

void CarriedPackets::remember(const Sent& sent, const Packet& decoded) {
    constexpr std::size_t kMost = 4;
    if (!std::holds_alternative<IpInIpFields>(decoded.transport)) return;
    Carried carried{
        .packet = sent.packet, .source = decoded.source, .destination = decoded.destination};
    if (packets_.size() < kMost) {
        packets_.push_back(std::move(carried));
    } else {
        packets_[next_++ % kMost] = std::move(carried);
    }
}

Packet CarriedPackets::error(ScriptBytes& script, bool has_damage) const {
    const Carried& carried = script.one_of(packets_);
    const bool is_ipv4 = carried.source.family() == net::Family::Ipv4;
    const Kind kind = is_ipv4 ? script.one_of(kKinds) : script.one_of(kKinds6);
    Bytes message(8);
    message[0] = std::byte{kind.type};
    message[1] = std::byte{kind.code};
    store_be32(message.data() + 4, script.one_of(kMtus));
    Bytes quoted = carried.packet;
    if (script.below(2) == 1) quoted.resize(std::min<std::size_t>(quoted.size(), script.next()));
    const unsigned changes = has_damage ? script.below(4) : 0;
    for (unsigned i = 0; i < changes && !quoted.empty(); ++i)
        quoted[script.next() % quoted.size()] = static_cast<std::byte>(script.next());
    message.insert(message.end(), quoted.begin(), quoted.end());
    const TestHost& router = *find_host("real4");
    const net::IpAddress from = is_ipv4 ? router.v4 : router.v6;
    net::ChecksumSum pseudo = 0;
    if (!is_ipv4) {
        pseudo = net::pseudo_header_sum(from.as<net::Ipv6Address>(),
                                        carried.source.as<net::Ipv6Address>(),
                                        net::IpProtocol::Icmpv6,
                                        message.size());
    }
    store_be16(message.data() + 2, net::internet_checksum(message, pseudo));
    return Packet::raw(
               from, carried.source, is_ipv4 ? net::IpProtocol::Icmp : net::IpProtocol::Icmpv6)
        .payload(message);
}

}  // namespace xvs::test
