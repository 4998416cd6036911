// What an assistant adds to a packet's way: it reads control connections, and connections that
// these announce are met when they come.
#include "engine/assist/segment.h"
#include "engine/forward/tunnel_fit.h"
#include "engine/pipeline.h"

namespace xvs::engine {

// Of one control connection, while one of its segments is read.
template <class Ip>
class Pipeline<Ip>::Announcements final : public Expectations {
public:
    Announcements(Connections<Ip>& connections,
                  std::uint32_t control,
                  const flow::FlowKey<Ip>& inbound) noexcept
        : connections_(connections), control_(control), inbound_(inbound) {}

    bool expect_passive(net::Port port) noexcept override {
        return expect(XVS_ROLE_PASSIVE_DATA, net::Port{0}, port);
    }

    // FTP's data come from the port below. Kernel: ip_vs_ftp_in().
    bool expect_active(net::Port port) noexcept override {
        const auto own = net::number(inbound_.destination_port_number());
        return expect(XVS_ROLE_ACTIVE_DATA, port, net::Port(own - 1));
    }

private:
    bool expect(std::uint8_t role, net::Port client, net::Port vip) noexcept {
        return connections_.expect(control_,
                                   role,
                                   flow::FlowKey<Ip>::make(inbound_.source_address(),
                                                           client,
                                                           inbound_.destination_address(),
                                                           vip,
                                                           inbound_.protocol));
    }

    Connections<Ip>& connections_;
    std::uint32_t control_;
    const flow::FlowKey<Ip>& inbound_;
};

template <class Ip>
std::optional<DropReason> Pipeline<Ip>::assist(Packet<Ip>& packet, flow::SlotIndex slot) noexcept {
    const std::uint32_t connection = flows_.connection(slot);
    const xvs_connection& record = connections_[connection];
    Assistant* const assistant = parts_.assistances.find_by_role(record.role);
    if (assistant == nullptr) return std::nullopt;
    xvs_assistance* assistance = parts_.assistances.find(Ip::kFamily, connection);
    // An earlier daemon may have been killed while it wrote.
    if (assistance == nullptr)
        assistance = parts_.assistances.add(Ip::kFamily, connection, record.state);
    if (assistance == nullptr) return DropReason::ControlNoRoom;
    if (packet.fragment.is_fragment) return DropReason::ControlFragment;
    if (!has_valid_tcp_checksum(packet)) return DropReason::ControlChecksum;

    const bool is_outbound = (flows_.entry(slot).flags & XVS_FLOW_OUTBOUND) != 0;
    const flow::FlowKey<Ip> inbound = flows_.key(record.inbound);
    const auto state = static_cast<TcpState>(record.protocol_state);
    // The client's acknowledgement that establishes it may say something already.
    const bool is_establishing =
        !is_outbound && state == TcpState::SynReceived && packet.events == XVS_EVENT_ACK;
    const ControlEnds ends{
        .client = inbound.source_address(),
        .vip = inbound.destination_address(),
        .real = parts_.services.destination(record.destination).config.real.address,
        .is_established = state == TcpState::Established || is_establishing};
    Announcements announcements(connections_, connection, inbound);
    switch (hear(packet, is_outbound, *assistance, ends, *assistant, announcements)) {
        case Heard::All:
            break;
        case Heard::TooEarly:
            return DropReason::ControlGap;
        case Heard::NoRoom:
            return DropReason::ControlNoRoom;
    }
    const std::uint32_t length = packet.network_length();
    if (!adjust(packet, is_outbound, *assistance)) return DropReason::ControlNoRoom;
    if (packet.network_length() <= length || packet.frame.reason == XVS_REASON_EGRESS)
        return std::nullopt;
    // What was as long as it may be is longer now, which neither end can know.
    const auto way = parts_.tables.translations().way(flows_.entry(slot).translation);
    if (way.next_hop != XVS_NONE) cut_segments(packet, parts_.tables.next_hops()[way.next_hop].mtu);
    return std::nullopt;
}

template <class Ip>
bool Pipeline<Ip>::is_awaiting(flow::SlotIndex slot) noexcept {
    return (connections_[flows_.connection(slot)].flags & kConnectionNoClientPort) != 0;
}

// DIFFERS FROM IPVS: ADR-0020. Any packet brings the kernel the client's port, not a SYN alone.
template <class Ip>
std::optional<Verdict> Pipeline<Ip>::welcome(Packet<Ip>& packet) noexcept {
    const bool is_syn = packet.protocol == net::IpProtocol::Tcp &&
                        (packet.events & (XVS_EVENT_SYN | XVS_EVENT_RST)) == XVS_EVENT_SYN;
    if (!is_syn || packet.key.source_port == 0) return std::nullopt;
    flow::FlowKey<Ip> from_any = packet.key;
    from_any.source_port = 0;
    const flow::SlotIndex slot = flows_.find(from_any, flows_.hash(from_any));
    if (slot == XVS_NONE) return std::nullopt;
    if (is_of_other(slot)) return hand_over(packet, flows_.owner(slot));
    const std::uint32_t connection = flows_.connection(slot);
    if (!is_awaiting(slot)) return std::nullopt;
    if (const auto reason = refusal(packet.key, connections_[connection].destination))
        return drop(*reason);
    if (!connections_.fill_client_port(connection, packet.key))
        return drop(DropReason::ConnectionTableFull);
    return hit(packet, connections_[connection].inbound);
}

template std::optional<DropReason> Pipeline<flow::Ipv4>::assist(Packet<flow::Ipv4>&,
                                                                flow::SlotIndex) noexcept;
template std::optional<DropReason> Pipeline<flow::Ipv6>::assist(Packet<flow::Ipv6>&,
                                                                flow::SlotIndex) noexcept;
template bool Pipeline<flow::Ipv4>::is_awaiting(flow::SlotIndex) noexcept;
template bool Pipeline<flow::Ipv6>::is_awaiting(flow::SlotIndex) noexcept;
template std::optional<Verdict> Pipeline<flow::Ipv4>::welcome(Packet<flow::Ipv4>&) noexcept;
template std::optional<Verdict> Pipeline<flow::Ipv6>::welcome(Packet<flow::Ipv6>&) noexcept;

}  // namespace xvs::engine
