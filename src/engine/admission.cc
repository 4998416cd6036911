// Which packets are refused by the access lists. Asked only where there are any.
#include "engine/pipeline.h"

namespace xvs::engine {

// Of a connection, in either direction, the client counts.
template <class Ip>
std::optional<DropReason> Pipeline<Ip>::refusal_of_connection(std::uint32_t connection) noexcept {
    const xvs_connection& record = connections_[connection];
    return refusal(flows_.key(record.inbound), record.destination);
}

// Of a packet without a connection that a service would be asked about, whether or not it may begin
// one: those of refused clients are not the host's either.
template <class Ip>
std::optional<DropReason> Pipeline<Ip>::refusal_of_request(const Packet<Ip>& packet) noexcept {
    const std::uint32_t mark = packet.frame.fwmark != 0
                                   ? packet.frame.fwmark
                                   : parts_.services.mark_rules().mark_of(packet);
    const ServiceState* const service =
        parts_.services.find_for_packet(mark,
                                        static_cast<model::Protocol>(packet.key.protocol),
                                        packet.key.destination_address(),
                                        packet.key.destination_port_number());
    if (service == nullptr) return std::nullopt;
    return parts_.services.access_lists().refusal(service->access.get(), packet.key.source);
}

template <class Ip>
std::optional<DropReason> Pipeline<Ip>::refusal(const flow::FlowKey<Ip>& inbound,
                                                std::uint32_t destination) const noexcept {
    const ServiceState* const service = parts_.services.destination(destination).service;
    const AccessList* const list = service != nullptr ? service->access.get() : nullptr;
    return parts_.services.access_lists().refusal(list, inbound.source);
}

template std::optional<DropReason> Pipeline<flow::Ipv4>::refusal_of_connection(
    std::uint32_t) noexcept;
template std::optional<DropReason> Pipeline<flow::Ipv4>::refusal_of_request(
    const Packet<flow::Ipv4>&) noexcept;
template std::optional<DropReason> Pipeline<flow::Ipv4>::refusal(const flow::FlowKey<flow::Ipv4>&,
                                                                 std::uint32_t) const noexcept;
template std::optional<DropReason> Pipeline<flow::Ipv6>::refusal_of_connection(
    std::uint32_t) noexcept;
template std::optional<DropReason> Pipeline<flow::Ipv6>::refusal_of_request(
    const Packet<flow::Ipv6>&) noexcept;
template std::optional<DropReason> Pipeline<flow::Ipv6>::refusal(const flow::FlowKey<flow::Ipv6>&,
                                                                 std::uint32_t) const noexcept;

}  // namespace xvs::engine
