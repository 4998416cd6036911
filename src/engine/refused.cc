// What becomes of a connection's packet that cannot go on.
#include "engine/pipeline.h"

namespace xvs::engine {

// The director's own error goes to the client, and counts as a reply of the connection whose packet
// it quotes as it came; by NAT the kernel looks for one from the real server, and finds none.
// Kernel: ip_vs_out_icmp() on its way out.
template <class Ip>
Verdict Pipeline<Ip>::refuse_to_forward(const Packet<Ip>& packet,
                                        const xvs_translation& translation,
                                        IcmpError error,
                                        std::uint32_t mtu) noexcept {
    const std::uint32_t sent = icmp_.send(error, packet, mtu);
    const bool is_nat = (translation.rewrite & (XVS_REWRITE_SOURCE | XVS_REWRITE_DESTINATION)) != 0;
    const bool is_of_connection =
        sent != 0 && !is_nat && flows_.find(packet.key, packet.hash) != XVS_NONE;
    if (is_of_connection && is_available(translation)) count(translation, true, sent);
    --parts_.totals.forwarded;
    return drop(error == IcmpError::TtlExceeded ? DropReason::TtlExceeded : DropReason::TooBig);
}

template <class Ip>
void Pipeline<Ip>::count_refusal(std::uint32_t sent) noexcept {
    if (sent == 0 || former_ == XVS_NONE) return;
    const xvs_connection& record = connections_[former_];
    const auto method = static_cast<model::ForwardingMethod>(record.flags & kConnectionMethodMask);
    const bool is_available = parts_.services.destination(record.destination).is_available;
    if (method == model::ForwardingMethod::Masquerade || !is_available) return;
    xvs_counters& counters = parts_.tables.counters(parts_.worker, record.destination);
    ++counters.packets_out;
    counters.bytes_out += sent;
}

template void Pipeline<flow::Ipv4>::count_refusal(std::uint32_t) noexcept;
template void Pipeline<flow::Ipv6>::count_refusal(std::uint32_t) noexcept;
template Verdict Pipeline<flow::Ipv4>::refuse_to_forward(const Packet<flow::Ipv4>&,
                                                         const xvs_translation&,
                                                         IcmpError,
                                                         std::uint32_t) noexcept;
template Verdict Pipeline<flow::Ipv6>::refuse_to_forward(const Packet<flow::Ipv6>&,
                                                         const xvs_translation&,
                                                         IcmpError,
                                                         std::uint32_t) noexcept;

}  // namespace xvs::engine
