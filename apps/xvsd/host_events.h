// HostEvents: what changes in Linux, handed on to whom it concerns.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "host/kernel_router.h"
#include "host/mirror.h"
#include "host/private_link.h"
#include "offload/served_interfaces.h"
#include "offload/steering_maps.h"
#include "offload/xdp_interfaces.h"
#include "xvsd/af_xdp.h"
#include "xvsd/packet_ports.h"

namespace xvs::xvsd {

// The mirror is made before those who follow it: whoever is nullptr is told nothing.
// Thread: the control thread under the gates of all workers.
class HostEvents final : public host::HostObserver {
public:
    // Serves the named interfaces alone, or all where there are no names; `attach_at_xdp` says
    // where they are met if that is not to be found out.
    HostEvents(std::vector<std::string> interfaces, std::map<std::string, bool> attach_at_xdp)
        : interfaces_(std::move(interfaces)), attach_at_xdp_(std::move(attach_at_xdp)) {}

    struct Followers {
        host::KernelRouter* router = nullptr;
        engine::Engine* engine = nullptr;
        PacketPorts* ports = nullptr;
        offload::ServedInterfaces* served = nullptr;
        offload::XdpInterfaces* xdp = nullptr;  // nullptr: there is nothing to do at XDP
        AfXdp* af_xdp = nullptr;
        offload::SteeringMaps* steering = nullptr;
        const offload::SteeringProgram* program = nullptr;
        const host::PrivateLink* private_link = nullptr;
    };

    // Returns what programs the interfaces of `mirror` need beyond the usual ones; `at_xdp`:
    // whether there is anything to do at XDP.
    [[nodiscard]] std::set<offload::SteeringExtra> extras_for(const host::Mirror& mirror,
                                                              bool at_xdp) const;

    // Tells them all that is known, and from now on what changes.
    void attach(const Followers& followers, const host::Mirror& mirror);

    // Where the packets of each served interface are met, and why there: "eth0: tc, a veth".
    [[nodiscard]] std::vector<std::string> attach_points(const host::Mirror& mirror) const;

    // Returns what programs interfaces have come to need since it was asked last: these wait until
    // extra_added() says what has become of it. Until then they are served without.
    [[nodiscard]] std::set<offload::SteeringExtra> take_missing() {
        return std::exchange(missing_, {});
    }

    void extra_added(offload::SteeringExtra extra, const Status& outcome);

    // Returns whether addresses or routes have changed since it was asked last.
    [[nodiscard]] bool take_has_changed() noexcept { return std::exchange(has_changed_, false); }

    // Returns whether a filter may have been removed since it was asked last.
    [[nodiscard]] bool take_may_need_repair() noexcept {
        return std::exchange(may_need_repair_, false);
    }

    void link_changed(const host::Link& link) override;
    void link_gone(const host::Link& link) override;
    void neighbour_changed(const host::Neighbour& neighbour) override;
    void neighbour_gone(const host::Neighbour& neighbour) override;
    void local_prefixes_changed(const std::set<net::Prefix>& prefixes) override;
    void routes_changed(const host::RouteChanges& changes) override;
    void filter_removed(std::uint32_t ifindex) override;

private:
    [[nodiscard]] bool is_chosen(const host::Link& link) const;
    [[nodiscard]] bool is_wanted(const host::Link& link) const;
    [[nodiscard]] Status check_extra(offload::SteeringExtra extra, std::uint32_t ifindex);
    void refuse(std::uint32_t ifindex, const std::string& why);
    void serve(const host::Link& link);
    void release(const host::Link& link);
    [[nodiscard]] bool wants_xdp(const host::Link& link) const;
    void attach_at_xdp(const host::Link& link);
    void serve_at_xdp(const host::Link& link, std::uint16_t slot);
    [[nodiscard]] bool is_at_xdp(const host::Link& link) const;
    [[nodiscard]] std::string why_at_xdp(const host::Link& link, const host::Mirror& mirror) const;
    [[nodiscard]] std::string why_not_at_xdp(const host::Link& link) const;
    void leave_xdp(std::uint32_t ifindex);

    std::vector<std::string> interfaces_;
    std::map<std::string, bool> attach_at_xdp_;
    Followers followers_;
    const host::Mirror* mirror_ = nullptr;
    // Interfaces that could not be served, and what was logged then.
    std::map<std::uint32_t, std::string> refused_;
    std::set<offload::SteeringExtra> missing_;
    std::map<offload::SteeringExtra, Error> unavailable_;  // refused by the kernel
    std::set<std::uint32_t> waiting_;                      // interfaces, for programs
    // Devices that refused the program, and what was logged then.
    std::map<std::uint32_t, std::string> without_xdp_;
    bool has_changed_ = false;
    bool may_need_repair_ = false;
};

}  // namespace xvs::xvsd
