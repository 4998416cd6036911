// Connections: made, followed through their states, and ended in time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/clock.h"
#include "engine/assist/assistances.h"
#include "engine/defend/defence.h"
#include "engine/lookup/checks.h"
#include "engine/lookup/sctp_states.h"
#include "engine/lookup/services.h"
#include "engine/lookup/tcp_states.h"
#include "engine/settings.h"
#include "engine/ticks.h"
#include "flow/tables.h"
#include "model/connection.h"

namespace xvs::engine {

// IP_VS_CONN_F_* (include/uapi/linux/ip_vs.h).
inline constexpr std::uint32_t kConnectionMethodMask = 0x0007;
inline constexpr std::uint32_t kConnectionNoOutput = 0x0080;      // replies are not seen here
inline constexpr std::uint32_t kConnectionInactive = 0x0100;      // does not count as ActiveConn
inline constexpr std::uint32_t kConnectionNoClientPort = 0x0800;  // it comes with the first packet
inline constexpr std::uint32_t kConnectionTemplate = model::kConnectionTemplate;
// Of our own: an ICMP error has made it, and no packet of its own has been seen yet.
inline constexpr std::uint32_t kConnectionUnfollowed = 1u << 31;
// Of a client on the director: its requests come by loopback alone.
inline constexpr std::uint32_t kConnectionOwnClient = 1u << 30;
// A program in the kernel has begun it, and its real server's SYN+ACK has not been read of yet.
inline constexpr std::uint32_t kConnectionUnanswered = 1u << 29;
// What listings don't show.
inline constexpr std::uint32_t kConnectionsOwnFlags =
    kConnectionUnfollowed | kConnectionOwnClient | kConnectionUnanswered;

template <class Ip>
struct NewConnection {
    flow::FlowKey<Ip> inbound;
    std::uint32_t inbound_hash = 0;
    std::uint32_t inbound_translation = XVS_NONE;  // with a reference that passes to the connection
    std::optional<flow::FlowKey<Ip>> outbound;     // of methods whose replies come through here
    std::uint32_t outbound_hash = 0;
    std::uint32_t flags = 0;
    std::uint32_t controller = XVS_NONE;  // the persistence template it was scheduled by
    Tick seen = 0;                        // when its first packet came
    std::uint8_t events = 0;              // of that
    std::uint8_t role = XVS_ROLE_NONE;    // an assistant's
    bool is_followed = true;              // false: an ICMP error has made it, which is in no state
};

[[nodiscard]] inline bool is_tcp(const xvs_connection& record) noexcept {
    return record.protocol == static_cast<std::uint8_t>(model::Protocol::Tcp);
}

[[nodiscard]] inline bool is_sctp(const xvs_connection& record) noexcept {
    return record.protocol == static_cast<std::uint8_t>(model::Protocol::Sctp);
}

// How many states a connection may be in.
[[nodiscard]] inline unsigned state_count(const xvs_connection& record) noexcept {
    if (is_tcp(record)) return model::kTcpStateCount;
    return is_sctp(record) ? model::kSctpStateCount : 1;
}

// Whether packets lead it from state to state.
[[nodiscard]] inline bool has_states(const xvs_connection& record) noexcept {
    return is_tcp(record) || is_sctp(record);
}

[[nodiscard]] inline bool is_established(const xvs_connection& record) noexcept {
    if (is_tcp(record)) {
        return record.protocol_state == static_cast<std::uint8_t>(TcpState::Established);
    }
    return is_sctp(record) &&
           record.protocol_state == static_cast<std::uint8_t>(SctpState::Established);
}

// Whether its client has not shown yet that it hears what it is answered.
[[nodiscard]] inline bool is_half_open(const xvs_connection& record) noexcept {
    if (is_tcp(record)) {
        const auto state = static_cast<TcpState>(record.protocol_state);
        return state == TcpState::SynReceived || state == TcpState::SynAck ||
               state == TcpState::None;
    }
    if (!is_sctp(record)) return false;
    const auto state = static_cast<SctpState>(record.protocol_state);
    return state == SctpState::Init1 || state == SctpState::Init || state == SctpState::None;
}

// Whether its state makes it count as ActiveConn.
[[nodiscard]] inline bool is_in_active_state(const xvs_connection& record) noexcept {
    if (is_tcp(record)) return is_active(static_cast<TcpState>(record.protocol_state));
    return is_sctp(record) && is_active(static_cast<SctpState>(record.protocol_state));
}

// Whether the engine is to see all its packets.
[[nodiscard]] inline bool is_watched(const xvs_connection& record) noexcept {
    return record.role == XVS_ROLE_FTP ||
           (record.flags &
            (kConnectionNoClientPort | kConnectionUnfollowed | kConnectionOwnClient)) != 0;
}

// The protocol that stands in the entry of a persistence template instead of the connections' own,
// so that no packet meets it. IP is the one of firewall-mark services.
[[nodiscard]] constexpr std::uint8_t template_protocol(model::Protocol protocol) noexcept {
    switch (protocol) {
        case model::Protocol::Tcp:
            return XVS_TEMPLATE_TCP;
        case model::Protocol::Udp:
            return XVS_TEMPLATE_UDP;
        case model::Protocol::Sctp:
            return XVS_TEMPLATE_SCTP;
        case model::Protocol::Ip:
            break;
    }
    return XVS_TEMPLATE_IP;
}

// That of a template which no client is to find any more. Kernel: ip_vs_check_template().
inline constexpr net::Port kPortOfVoid{0xffff};

// How long a connection that controls others is kept on. Kernel: ip_vs_conn_expire().
inline constexpr std::chrono::seconds kControllerExtension{60};

// The connections of one worker, and the persistence templates that it has made. Templates serve
// all workers: they are found, counted and ended with their service's lock held. Thread: the
// worker. Nothing allocates after construction.
template <class Ip>
class Connections {
public:
    Connections(flow::Tables& tables,
                Services& services,
                Assistances& assistances,
                const Clock& clock,
                const Settings& settings,
                std::uint8_t worker);

    // Makes a connection in two steps, so that what begins in one burst waits for memory together.
    //
    // Binds a connection to `destination`, and follows its first packet. Returns its index, or
    // XVS_NONE when there is no room; then nothing has changed but the reference, which is
    // released. REQUIRES: the real server's lock is held.
    std::uint32_t begin(const NewConnection<Ip>& wanted, DestinationState& destination) noexcept;

    // Installs the entries of what begin() has returned for `wanted`. Returns false when the table
    // is full: then the connection has ended. A reply entry of an older connection with the same
    // key passes to the new one, since the client has given the old one up. Kernel:
    // ip_vs_conn_new() puts it before the old one in its bucket.
    bool install(std::uint32_t connection, const NewConnection<Ip>& wanted) noexcept;

    // Makes a persistence template for `key` (client network, port 0 -> VIP and port, of
    // template_protocol()), kept for `timeout_s` after its last use. Returns its index, or XVS_NONE
    // when there is no room. REQUIRES: the real server's lock is held.
    std::uint32_t create_template(const flow::FlowKey<Ip>& key,
                                  DestinationState& destination,
                                  std::uint32_t timeout_s) noexcept;

    // A connection that `controller` has announced: it waits for its first packet, which an entry
    // of port 0 stands for where the client's port is not known. Returns false when there is no
    // room. Kernel: ip_vs_tcp_conn_listen().
    bool expect(std::uint32_t controller,
                std::uint8_t role,
                const flow::FlowKey<Ip>& inbound) noexcept;

    // The first packet of such a connection has come, with that key: it has its port now. Returns
    // false when there is no room; then the connection has ended. Kernel: ip_vs_conn_fill_cport().
    bool fill_client_port(std::uint32_t connection, const flow::FlowKey<Ip>& inbound) noexcept;

    // Takes over what the records hold, gives each to the worker whose it is from now on, and ends
    // what no connection can be. Returns how many. REQUIRES: this is the first of `workers`, all
    // there are; none has begun.
    std::uint32_t adopt(std::span<Connections* const> workers) noexcept;

    // Records the connection of a DRAWN entry of this worker's, or of the one that belongs to it;
    // what cannot be one is retired. Returns whether the entry is LIVE now.
    bool complete(flow::SlotIndex slot) noexcept;

    // Before the first packet, after an earlier daemon: gives DRAWN entries to the workers whose
    // they are from now on. REQUIRES: none has begun.
    void adopt_drawn() noexcept;
    // Records those of them that no report told of.
    void complete_adopted(std::span<Connections* const> workers) noexcept;

    // What entries of a new connection begin with.
    void fill_masks(xvs_decision& decision,
                    model::Protocol protocol,
                    model::ForwardingMethod method) noexcept;

    // How many connections programs in the kernel have begun.
    [[nodiscard]] std::uint64_t drawn() const noexcept { return drawn_; }

    // Takes a service whose stock has run low since the last call, or nullptr.
    [[nodiscard]] ServiceState* take_low_service() noexcept;

    // Returns the template for `key`, its time counted anew, or XVS_NONE. One whose real server was
    // removed, or has no weight while expire_quiescent_template is set, is made void: its time goes
    // on and its connections stay, no further one joins them. REQUIRES: the service's lock is held.
    // Kernel: ip_vs_check_template().
    [[nodiscard]] std::uint32_t find_template(const flow::FlowKey<Ip>& key) noexcept;

    // Follows a packet's events in the state table; to be called for every packet whose entry's
    // punt or report mask says so. `seen` is when it came, which its timeout counts from. Kernel:
    // set_tcp_state(), udp_state_transition(), set_sctp_state().
    void follow(std::uint32_t connection,
                bool is_outbound,
                std::uint8_t events,
                Tick seen) noexcept;

    // The same for a packet that was replayed elsewhere. A report about a flow that has ended is
    // none.
    void follow(const xvs_report& report) noexcept;

    // Whether an ICMP error has made it, and no packet was followed since.
    [[nodiscard]] bool is_unfollowed(std::uint32_t connection) const noexcept {
        return (records_[connection].flags & kConnectionUnfollowed) != 0;
    }

    // Ends a connection of this worker's before its time; one that controls others is let go: it
    // has no entries any more, and stays as long as they do. REQUIRES: its real server's lock is
    // not held.
    void end(std::uint32_t connection) noexcept;

    // Takes a connection's entries away, so that another can have them; it counts until end(),
    // which is to follow in the same burst.
    void set_aside(std::uint32_t connection) noexcept;

    // Replaces the translation of a live entry; the new one's reference passes to the entry.
    void set_translation(flow::SlotIndex slot, std::uint32_t translation) noexcept;

    // After a change of settings or real servers: has a connection of this worker's looked at in
    // time for timeouts that are shorter now, its packets taken as is right now, and with
    // `ends_orphans` ends it if its real server was removed.
    void revisit(std::uint32_t connection, bool ends_orphans) noexcept;

    // Ends a live connection if drop_entry asks for its end. Kernel: ip_vs_random_dropentry().
    void drop_if_asked(std::uint32_t connection, Defence& defence) noexcept;

    // Ends one, and with it the template that controls no other any more, unless that is assured.
    // Kernel: ip_vs_conn_del(), ip_vs_conn_expire().
    void end_with_controller(std::uint32_t connection) noexcept;

    // The same of an assured one. Kernel: ip_vs_expire_nodest_conn_flush().
    void end_with_any_controller(std::uint32_t connection) noexcept;

    // Whether there are records for a new connection and its template.
    [[nodiscard]] bool has_room() noexcept;

    // Ends the oldest of some half-open connections, or a template that only such ones have used.
    // Returns false when it found none. REQUIRES: reports were followed just now; no real server's
    // lock is held. Cost: looks at 64 records for each worker there is, and as many, at the most.
    bool make_room() noexcept { return make_room(true); }

    // Does it again and again while few records are free, and many half-open. REQUIRES: the same.
    void keep_room() noexcept;

    // How many make_room() has ended.
    [[nodiscard]] std::uint64_t ended_for_room() const noexcept { return ended_for_room_; }

    // Ends what has run out, at most `limit` connections; returns whether there may be more.
    bool run_timers(std::size_t limit) noexcept;

    // Whether a SYN of its client's, or an INIT, is a new connection's. REQUIRES: it was followed.
    [[nodiscard]] bool is_reusable(const xvs_connection& record) const noexcept;

    // Whether a listing shows it: what was let go is not shown.
    [[nodiscard]] bool is_listed(std::uint32_t connection) const noexcept {
        return records_[connection].inbound != XVS_NONE;
    }

    // REQUIRES: is_listed(connection).
    [[nodiscard]] model::ConnectionInfo info(std::uint32_t connection) const noexcept;

    [[nodiscard]] xvs_connection& operator[](std::uint32_t connection) noexcept {
        return records_[connection];
    }

    [[nodiscard]] flow::ConnectionTable<Ip>& records() noexcept { return records_; }

private:
    // What an entry says of packets with these events.
    struct Masks {
        std::uint8_t punt = 0;
        std::uint8_t report = 0;
    };

    // How many connections the timers look at together.
    static constexpr std::size_t kTogether = 32;

    struct Batch {
        std::array<std::uint32_t, kTogether> connections;
        std::size_t count = 0;
    };

    // The entry of requests that a DRAWN entry of replies belongs to, and the reverse; XVS_NONE: no
    // such is DRAWN.
    [[nodiscard]] flow::SlotIndex find_drawn_request(flow::SlotIndex reply) const noexcept;
    [[nodiscard]] flow::SlotIndex find_drawn_reply(flow::SlotIndex request) const noexcept;
    [[nodiscard]] bool is_of_server(const xvs_translation& translation) const noexcept;
    bool record_drawn(flow::SlotIndex inbound, flow::SlotIndex outbound) noexcept;
    void retire_drawn(flow::SlotIndex slot) noexcept;
    void take_back(const xvs_report& report) noexcept;
    void end_replaced(const xvs_report& report) noexcept;
    [[nodiscard]] static bool is_late_answer(xvs_connection& record) noexcept;
    static void forget_stocked(DestinationState& destination) noexcept;
    void note_low(DestinationState& destination) noexcept;
    [[nodiscard]] bool is_sound(const xvs_connection& record) const noexcept;
    void adopt_record(std::uint32_t connection, std::span<Connections* const> workers) noexcept;
    [[nodiscard]] std::uint8_t worker_of(const xvs_connection& record) noexcept;
    [[nodiscard]] bool is_controlled(const xvs_connection& record) const noexcept;
    [[nodiscard]] SharingMutex& lock_of(const xvs_connection& record) noexcept;
    // REQUIRES: the real server's lock is held.
    void end_locked(std::uint32_t connection) noexcept;
    void end_template_or_wait(std::uint32_t connection, Tick now) noexcept;
    // One that is to end stays on for what it controls.
    void extend_template(std::uint32_t connection, Tick now) noexcept;
    void begin_state(xvs_connection& record, std::uint8_t events) noexcept;
    [[nodiscard]] bool is_to_drop(const xvs_connection& record, Defence& defence) noexcept;
    // `knows_all`: no report is left to be followed; else more than one packet of the client's
    // may have been the one that completes the connection.
    bool make_room(bool knows_all) noexcept;
    [[nodiscard]] bool has_slots_to_retire() const noexcept;
    [[nodiscard]] bool end_unused_template(std::uint32_t connection) noexcept;

    [[nodiscard]] TcpTable table() const noexcept {
        return settings_.has_secure_tcp ? TcpTable::Secure : TcpTable::Normal;
    }

    void let_go(std::uint32_t connection) noexcept;
    void make_void(std::uint32_t connection) noexcept;
    void forget_role(std::uint32_t connection) noexcept;
    void listen(std::uint32_t connection) noexcept;
    [[nodiscard]] bool install_expected(std::uint32_t connection,
                                        const flow::FlowKey<Ip>& inbound) noexcept;
    [[nodiscard]] flow::FlowKey<Ip> reply_key(const xvs_connection& record,
                                              const flow::FlowKey<Ip>& inbound) noexcept;

    void assure_controller(const xvs_connection& record) noexcept;
    // Takes what a packet's events say into the record: its state, and what counts by it.
    void advance(xvs_connection& record, bool is_outbound, std::uint8_t events) noexcept;
    // The state that a packet leads to from the present one.
    [[nodiscard]] std::uint8_t next_state(const xvs_connection& record,
                                          bool is_outbound,
                                          std::uint8_t events) const noexcept;
    void set_state(xvs_connection& record, std::uint8_t state) noexcept;
    void set_masks(const xvs_connection& record) noexcept;
    // How long it is kept after its first packet.
    [[nodiscard]] Tick first_timeout(const xvs_connection& record,
                                     const NewConnection<Ip>& wanted) const noexcept;
    [[nodiscard]] Masks masks_of(const xvs_connection& record,
                                 bool is_outbound,
                                 std::uint32_t translation) const noexcept;
    // Whether programs in the kernel must leave all its packets to the engine.
    [[nodiscard]] bool is_engines(const xvs_connection& record,
                                  std::uint32_t translation) const noexcept;
    [[nodiscard]] bool has_template_to_assure(const xvs_connection& record) const noexcept;
    void schedule_check(std::uint32_t connection, Tick at) noexcept;
    void fetch_entries(Batch& batch, Tick now) noexcept;
    void check(std::uint32_t connection, Tick now) noexcept;
    // When it must be looked at next: when it expires, or as soon as it may after a packet that
    // brings it shorter timeouts.
    [[nodiscard]] Tick next_check(const xvs_connection& record,
                                  Tick expires,
                                  Tick now) const noexcept;

    // Returns false when there is no room, or the key is that of somebody's requests.
    [[nodiscard]] bool install_outbound(std::uint32_t connection,
                                        const NewConnection<Ip>& wanted) noexcept;
    void retire(std::uint32_t connection, flow::SlotIndex slot) noexcept;
    [[nodiscard]] Tick last_seen(const xvs_connection& record) const noexcept;
    [[nodiscard]] Tick timeout(const xvs_connection& record, Tick last) const noexcept;
    [[nodiscard]] Tick table_timeout(const xvs_connection& record) const noexcept;
    [[nodiscard]] static bool is_active_record(const xvs_connection& record) noexcept;

    flow::Tables& tables_;
    flow::FlowTable<Ip>& flows_;
    flow::ConnectionTable<Ip>& records_;
    flow::TranslationTable& translations_;
    Services& services_;
    Assistances& assistances_;
    const Clock& clock_;
    const Settings& settings_;
    Checks checks_;
    // Services whose stocks have run low in this burst; more than so many wait for the next one.
    std::array<ServiceState*, kTogether> low_services_{};
    std::size_t low_count_ = 0;
    std::uint64_t drawn_ = 0;
    std::uint32_t half_open_ = 0;  // of this worker's
    std::uint32_t looked_at_ = 0;  // by make_room(): where it goes on
    std::uint64_t ended_for_room_ = 0;
};

}  // namespace xvs::engine
