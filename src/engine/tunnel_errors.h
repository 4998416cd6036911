// TunnelErrors: ICMP errors about packets that a tunnel of ours has carried, which a router or the
// real server sends to the director.
#pragma once

#include <optional>

#include "engine/forward/icmp_responder.h"
#include "engine/parse/packet.h"
#include "engine/pipeline_parts.h"
#include "flow/family.h"

namespace xvs::engine {

// `Ip` is the family of the outer header. Thread: the worker.
template <class Ip>
class TunnelErrors {
public:
    explicit TunnelErrors(const PipelineParts& parts);

    // Tells the client whose packet was carried, from the VIP, and remembers how long a packet the
    // path takes if that is what the error is about. Returns nullopt for what is about nothing that
    // goes through a tunnel. REQUIRES: ICMP, no fragment. Kernel: ip_vs_in_icmp().
    std::optional<Verdict> handle(const Packet<Ip>& packet) noexcept;

private:
    struct Quoted;

    [[nodiscard]] static std::optional<Quoted> parse(std::span<const std::byte> quoted) noexcept;
    template <class Inner>
    std::optional<Verdict> handle(const Packet<Ip>& packet, const Quoted& quoted) noexcept;
    template <class Inner>
    [[nodiscard]] const xvs_translation* find_way(const typename Inner::Flow& entry,
                                                  const Quoted& quoted) const noexcept;
    template <class Inner>
    std::uint32_t tell(const net::IcmpView& error,
                       const Quoted& quoted,
                       const xvs_translation& translation) noexcept;
    template <class Inner>
    [[nodiscard]] std::uint32_t learn(const net::IcmpView& error,
                                      const Quoted& quoted,
                                      const xvs_translation& translation) noexcept;

    template <class Inner>
    [[nodiscard]] IcmpResponder<Inner>& responder() noexcept;

    PipelineParts parts_;
    IcmpResponder<flow::Ipv4> icmp_;
    IcmpResponder<flow::Ipv6> icmpv6_;
};

}  // namespace xvs::engine
