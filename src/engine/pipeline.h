// Pipeline: a packet's way through the engine, of one address family. Read this first.
//
//   frame -> parse -> fragment? -> flow entry? -> state -> translation -> next hop -> port
//                        |             | none
//                  (parse/fragments)   service? -> schedule -> connection
//                                      | none
//                                      the host's stack
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "base/clock.h"
#include "engine/burst_hashes.h"
#include "engine/defend/defence.h"
#include "engine/drop_reason.h"
#include "engine/forward/forwarder.h"
#include "engine/forward/icmp_responder.h"
#include "engine/forward/transmitter.h"
#include "engine/hand_over.h"
#include "engine/lookup/connections.h"
#include "engine/lookup/found_services.h"
#include "engine/lookup/reports.h"
#include "engine/lookup/services.h"
#include "engine/packet_port.h"
#include "engine/parse/fragments.h"
#include "engine/parse/packet.h"
#include "engine/pipeline_parts.h"
#include "engine/router.h"
#include "engine/tunnel_errors.h"
#include "flow/tables.h"

namespace xvs::engine {

// Thread: the worker. Nothing allocates after construction.
template <class Ip>
class Pipeline {
public:
    explicit Pipeline(const PipelineParts& parts);

    // Parses a burst, then handles it packet by packet while the entries are on their way into
    // cache.
    void process(std::span<const Frame* const> frames) noexcept;

    // Ends connections and fragments whose time is over; returns whether more are due.
    bool run_timers(std::size_t limit) noexcept;

    // Tells the sender of a packet, whose next hop has not answered, that its destination cannot be
    // reached.
    void tell_undelivered(const Origin& origin) noexcept;

    [[nodiscard]] Connections<Ip>& connections() noexcept { return connections_; }

    // Puts decisions into stocks that reports have shown to be low; to be called after reports were
    // followed, before anything is edited.
    void restock_low() noexcept;

private:
    class Announcements;

    ParseOutcome parse(const Frame& frame, Packet<Ip>& packet) noexcept;
    void prefetch_entries(std::span<const ParseOutcome> outcomes) const noexcept;
    Verdict send_segments(const Packet<Ip>& packet, const xvs_translation& translation) noexcept;
    [[nodiscard]] bool may_start(const Packet<Ip>& packet) const noexcept;
    [[nodiscard]] bool is_forged(const Packet<Ip>& packet) const noexcept;
    [[nodiscard]] bool is_forged_request(const Packet<Ip>& packet, flow::SlotIndex slot) noexcept;
    [[nodiscard]] bool is_stray_reply(const Packet<Ip>& packet) const noexcept;
    Verdict refuse_reply(Packet<Ip>& packet) noexcept;
    [[nodiscard]] bool is_of_strangers(const Packet<Ip>& packet) const noexcept;
    Verdict handle(Packet<Ip>& packet) noexcept;
    // The live entry that belongs to a key, its connection recorded unless it is another worker's,
    // or XVS_NONE.
    [[nodiscard]] flow::SlotIndex find_live(const Packet<Ip>& packet) noexcept;
    // The same of a packet that its burst's connections may have begun.
    [[nodiscard]] flow::SlotIndex find_entry(const Packet<Ip>& packet) noexcept;
    Verdict handle_fragment(Packet<Ip>& packet) noexcept;
    Verdict handle_first_fragment(Packet<Ip>& packet) noexcept;
    void remember_fate(const Packet<Ip>& first, Verdict verdict) noexcept;
    Verdict handle_icmp(Packet<Ip>& packet) noexcept;
    Verdict forward_quoted(Packet<Ip>& packet, flow::SlotIndex slot) noexcept;
    Verdict miss_quoted(Packet<Ip>& packet) noexcept;

    // Why the access lists refuse a client, if they do: admission.cc.
    [[nodiscard]] bool has_access_lists() const noexcept {
        return !parts_.services.access_lists().is_empty();
    }

    [[nodiscard]] std::optional<DropReason> refusal_of(flow::SlotIndex slot) noexcept {
        if (!has_access_lists()) [[likely]]
            return std::nullopt;
        return refusal_of_connection(flows_.connection(slot));
    }

    [[nodiscard]] std::optional<DropReason> refusal_of_connection(
        std::uint32_t connection) noexcept;
    [[nodiscard]] std::optional<DropReason> refusal_of_request(const Packet<Ip>& packet) noexcept;
    [[nodiscard]] std::optional<DropReason> refusal(const flow::FlowKey<Ip>& inbound,
                                                    std::uint32_t destination) const noexcept;

    [[nodiscard]] bool is_awaiting(flow::SlotIndex slot) noexcept;

    bool forward_established(Packet<Ip>& packet, flow::SlotIndex slot) noexcept;
    bool forward_plainly(Packet<Ip>& packet, flow::SlotIndex slot) noexcept;
    Verdict hit(Packet<Ip>& packet, flow::SlotIndex slot) noexcept;
    Verdict miss(Packet<Ip>& packet) noexcept;
    [[nodiscard]] std::optional<Verdict> find_service(Packet<Ip>& packet,
                                                      ServiceState*& service) noexcept;
    void make_room() noexcept;
    Verdict schedule(Packet<Ip>& packet, ServiceState& service) noexcept;
    Verdict connect(Packet<Ip>& packet,
                    DestinationState& destination,
                    std::uint32_t controller) noexcept;

    // A connection whose entries are installed, and whose packet is sent, at the end of the burst.
    struct Beginning {
        Packet<Ip>* packet = nullptr;
        std::uint32_t connection = XVS_NONE;
        DestinationState* destination = nullptr;
        NewConnection<Ip> wanted;
    };

    void prefetch_beginning() const noexcept;
    Verdict install_beginning() noexcept;
    Verdict forward_first(const Beginning& begun) noexcept;
    Verdict send_one(Packet<Ip>& packet, DestinationState& destination) noexcept;
    // A fragment whose first one was sent so.
    Verdict follow_one(Packet<Ip>& packet, const typename Fragments<Ip>::Fate& first) noexcept;
    [[nodiscard]] DropReason why_no_translation(const DestinationState& destination) noexcept;
    [[nodiscard]] DestinationState* choose(const Packet<Ip>& packet,
                                           ServiceState& service) noexcept;
    [[nodiscard]] DestinationState* draw(ServiceState& service) noexcept;
    void restock(ServiceState& service) noexcept;
    [[nodiscard]] std::uint32_t affordable() noexcept;
    [[nodiscard]] xvs_decision decide(const ServiceState& service,
                                      DestinationState& destination) noexcept;
    void learn_reply_way(const flow::FlowKey<Ip>& inbound,
                         DestinationState& destination,
                         std::uint32_t translation) noexcept;
    [[nodiscard]] bool is_to_bypass(const Packet<Ip>& packet, const ServiceState& service) noexcept;
    Verdict refuse(const Packet<Ip>& packet, const ServiceState& service) noexcept;
    Verdict replay(Packet<Ip>& packet, flow::SlotIndex slot, bool is_followed) noexcept;
    // What an assistant makes of a control connection's packet; why it is dropped, if it is.
    std::optional<DropReason> assist(Packet<Ip>& packet, flow::SlotIndex slot) noexcept;
    // The entry of a connection whose client was awaited from any port and comes with this packet.
    std::optional<Verdict> welcome(Packet<Ip>& packet) noexcept;
    Verdict leave_removed(Packet<Ip>& packet, flow::SlotIndex slot) noexcept;

    [[nodiscard]] bool is_reused(const Packet<Ip>& packet, std::uint32_t connection) noexcept;
    [[nodiscard]] std::uint32_t translation_for(DestinationState& destination,
                                                const flow::FlowKey<Ip>& inbound) noexcept;
    [[nodiscard]] bool has_fresh_translation(const DestinationState& destination,
                                             const flow::FlowKey<Ip>& inbound) noexcept;
    [[nodiscard]] bool is_usable(const Packet<Ip>& packet,
                                 std::uint32_t translation) const noexcept;
    [[nodiscard]] DropReason refresh(const Packet<Ip>& packet, flow::SlotIndex slot) noexcept;

    [[nodiscard]] bool is_available(const xvs_translation& translation) const noexcept {
        const xvs_destination& server = parts_.tables.destinations()[translation.destination];
        return (flow::load_relaxed(server.flags) & XVS_DESTINATION_AVAILABLE) != 0;
    }

    void count(const xvs_translation& translation, bool is_outbound, std::uint32_t bytes) noexcept {
        xvs_counters& counters = parts_.tables.counters(parts_.worker, translation.destination);
        if (is_outbound) {
            ++counters.packets_out;
            counters.bytes_out += bytes;
        } else {
            ++counters.packets_in;
            counters.bytes_in += bytes;
        }
    }

    // What a translation is applied to: the packet itself, or of an ICMP error what it quotes.
    enum class Subject : std::uint8_t { Packet, Quoted };
    Verdict send(Packet<Ip>& packet,
                 const xvs_translation& translation,
                 bool is_outbound,
                 Subject subject) noexcept;
    [[nodiscard]] bool is_to_fit(const Packet<Ip>& packet,
                                 const xvs_translation& translation) const noexcept;
    void apply(Packet<Ip>& packet, const xvs_translation& translation, Subject subject) noexcept;
    [[nodiscard]] bool is_cut_outside(const xvs_translation& translation) const noexcept;
    // A former connection counts the error as a reply of its own. Kernel: it is in the table until
    // the next tick, and ip_vs_out_icmp() finds it.
    void count_refusal(std::uint32_t sent) noexcept;
    // Drops it and says why to its sender.
    Verdict refuse_to_forward(const Packet<Ip>& packet,
                              const xvs_translation& translation,
                              IcmpError error,
                              std::uint32_t mtu) noexcept;
    // Rewrites and sends a packet whose next hop has not answered yet; the transmitter keeps what
    // its sender will be told should the hop stay silent.
    Verdict send_with_origin(Packet<Ip>& packet,
                             const xvs_translation& translation,
                             bool is_outbound) noexcept;
    Verdict send_on_wire(Packet<Ip>& packet, const xvs_translation& translation) noexcept;

    // The worker that a packet without an entry belongs to, if a service is its destination.
    [[nodiscard]] std::uint8_t worker_of_request(const Packet<Ip>& packet) noexcept;

    [[nodiscard]] bool is_of_other(flow::SlotIndex slot) const noexcept {
        return parts_.has_others && flows_.owner(slot) != parts_.worker;
    }

    Verdict hand_over(const Packet<Ip>& packet, std::uint8_t worker) noexcept;

    Verdict drop(DropReason reason) noexcept { return parts_.drop(reason); }

    Verdict give_to_host(const Packet<Ip>& packet) noexcept {
        ++parts_.totals.to_host;
        parts_.port.give_to_host(packet.frame);
        return Verdict::ToHost;
    }

    PipelineParts parts_;
    flow::FlowTable<Ip>& flows_;
    Connections<Ip> connections_;
    FoundServices<Ip> found_services_;
    Fragments<Ip> fragments_;
    IcmpResponder<Ip> icmp_;
    TunnelErrors<Ip> tunnel_errors_;
    Tick now_ = 0;                            // of the burst
    std::uint32_t sent_alone_to_ = XVS_NONE;  // destination of a first fragment that was sent alone
    std::array<Packet<Ip>, kMaxBurst> packets_;
    std::array<Beginning, kMaxBurst> beginning_;
    BurstHashes beginning_hashes_;
    std::size_t beginning_count_ = 0;
    std::uint32_t former_ = XVS_NONE;  // the connection that is being replaced
};

}  // namespace xvs::engine
