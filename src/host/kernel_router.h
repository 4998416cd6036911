// KernelRouter: ways and neighbours as Linux's routing tables have them, kept as next-hop records.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <span>
#include <vector>

#include "base/clock.h"
#include "engine/router.h"
#include "flow/next_hop_table.h"
#include "host/mirror.h"
#include "host/neighbour_index.h"
#include "host/netlink_socket.h"
#include "host/path_mtus.h"
#include "host/reach.h"
#include "host/route_changes.h"
#include "host/taps.h"

namespace xvs::host {

// Whether programs may put packets straight into the other end of a veth, in another network
// namespace: the fastest way, of which nobody on this host's end sees anything.
enum class PeerRedirect : std::uint8_t {
    Auto,  // while nobody listens there
    On,
    Off,
};

// Thread: find_route() and resolve() by a worker at a time, under its gate; the rest by the control
// thread, under the gates of all. Nothing allocates but open().
class KernelRouter final : public engine::Router {
public:
    // Answers of Linux that are remembered, each for kAnswerLife at most: a path MTU changes
    // without an event.
    static constexpr std::size_t kAnswers = 1u << 15;
    static constexpr std::chrono::seconds kAnswerLife{10};
    // A neighbour is asked for at most this often.
    static constexpr std::chrono::milliseconds kResolveInterval{500};
    // Next hops that nobody asked for this long may be given up.
    static constexpr std::chrono::minutes kIdleLife{15};

    // `mirror`, `next_hops` and `clock` must outlive the router. `seed` keys its hashes. Next hops
    // of an earlier daemon that are there are taken over.
    [[nodiscard]] static Result<std::unique_ptr<KernelRouter>> open(
        const Mirror& mirror,
        flow::NextHopTable& next_hops,
        const Clock& clock,
        std::array<std::uint32_t, 2> seed);

    engine::Route find_route(const net::IpAddress& destination,
                             const net::IpAddress& source) noexcept override;
    engine::PathMtu learn_path_mtu(const net::IpAddress& destination,
                                   std::uint32_t mtu) noexcept override;
    void resolve(std::uint32_t index) noexcept override;
    [[nodiscard]] bool is_local(const net::IpAddress& address) noexcept override;
    [[nodiscard]] bool is_broadcast(const net::IpAddress& address) noexcept override;

    // What the mirror tells. Returns whether packets that waited for a neighbour can go now.
    bool neighbour_changed(const Neighbour& neighbour) noexcept;
    void neighbour_gone(const Neighbour& neighbour) noexcept;
    void link_changed(const Link& link) noexcept;
    void link_gone(const Link& link) noexcept;
    // Every answer is asked for anew. A next hop that may be concerned gets a new generation, and
    // whoever names it looks its way up again; the others stay. Cost: one look at each next hop,
    // none at Linux.
    void routes_changed(const RouteChanges& changes) noexcept;

    // By which next hops that are veths programs may use the other end; `taps` is who listens.
    void set_peer_redirect(PeerRedirect wanted, const Taps& taps) noexcept;

    // Whether frames may leave by this device at XDP, where the program is attached.
    void set_xdp(std::uint32_t device, bool is_attached);

    // Several workers ask, in turn: none of them takes a next hop from under another's hands. It is
    // make_room() that does, called now and then under the gates of all.
    void share() noexcept { is_shared_ = true; }

    void make_room() noexcept;

    // Tries paths again at their full length whose time is over; called now and then under the
    // gates of all.
    void forget_old_paths() noexcept;

    // How often Linux was asked for a way.
    [[nodiscard]] std::uint64_t questions() const noexcept { return questions_; }

private:
    struct Answer {
        net::IpAddress destination;
        net::IpAddress source;
        std::uint64_t epoch = 0;  // 0: none
        Nanoseconds until{};
        std::uint32_t generation = 0;  // of the next hop
        engine::Route route;
    };

    struct Use {
        Nanoseconds asked_at{};     // by find_route() or resolve()
        Nanoseconds resolved_at{};  // when Linux was asked for the neighbour
    };

    KernelRouter(const Mirror& mirror,
                 flow::NextHopTable& next_hops,
                 const Clock& clock,
                 std::array<std::uint32_t, 2> seed,
                 NetlinkSocket socket);

    void adopt() noexcept;
    [[nodiscard]] Answer& place_of(const net::IpAddress& destination,
                                   const net::IpAddress& source) noexcept;
    [[nodiscard]] bool is_valid(const Answer& answer) const noexcept;
    [[nodiscard]] engine::Route ask(const net::IpAddress& destination,
                                    const net::IpAddress& source) noexcept;
    [[nodiscard]] int look_up(const net::IpAddress& destination,
                              const net::IpAddress& source,
                              RouteEntry& found) noexcept;
    [[nodiscard]] std::uint32_t intern(const Link& link,
                                       const net::IpAddress& gateway,
                                       std::uint32_t limit) noexcept;
    void fill(std::uint32_t index, const Link& link, const net::IpAddress& gateway) noexcept;
    void set_peer_flag(std::uint32_t index, const Link& link) noexcept;
    void set_xdp_way(std::uint32_t index, const Link& link) noexcept;
    void set_flag(std::uint32_t index, std::uint8_t flag, bool is_set) noexcept;
    void take_neighbour(std::uint32_t index, const Neighbour& neighbour) noexcept;
    void forget_paths(const RouteChanges& changes) noexcept;
    void invalidate(std::uint32_t index) noexcept;
    [[nodiscard]] bool is_concerned(std::uint32_t index,
                                    const RouteChanges& changes) const noexcept;
    void free_idle() noexcept;
    void use_neighbour(std::uint32_t index) noexcept;

    const Mirror& mirror_;
    flow::NextHopTable& next_hops_;
    const Clock& clock_;
    NetlinkSocket socket_;
    xvs_hash_keys keys_;
    NeighbourIndex index_;
    PathMtus paths_;
    std::vector<Answer> answers_;
    std::vector<Use> uses_;
    Reach reach_;  // of each next hop in its present generation
    std::uint64_t epoch_ = 1;
    std::uint64_t questions_ = 0;
    bool is_shared_ = false;
    bool is_full_ = false;
    Nanoseconds freed_at_{};
    PeerRedirect peer_redirect_ = PeerRedirect::Off;
    Taps taps_;
    std::set<std::uint32_t> xdp_devices_;
};

}  // namespace xvs::host
