#include "testing/engine_target.h"

#include <algorithm>
#include <utility>

#include "net/ethernet.h"
#include "testing/ipvsadm_session.h"
#include "testing/steering_model.h"

namespace xvs::test {
namespace {

Side side_of(std::uint32_t interface) {
    return interface == interface_of(Side::Client) ? Side::Client : Side::Real;
}

Bytes without_link_header(const Bytes& frame) {
    return {frame.begin() + net::EthernetView::kHeaderSize, frame.end()};
}

}  // namespace

CommandOutput EngineTarget::ipvsadm(const std::vector<std::string>& arguments) {
    return run_ipvsadm(manager_, arguments);
}

void EngineTarget::send(const TestHost& from, const Packet& packet) {
    const Bytes bytes = packet.bytes();
    if (const auto reason = judge_ingress(director_, bytes)) {
        director_.port.inject(
            packet.frame(from.mac, director_link(from.side).mac), interface_of(from.side), *reason);
        process();
    } else if (auto sighting = host_.take(bytes)) {
        sightings_.push_back(std::move(*sighting));
    }
}

// The stack has resolved the next hop already when the packet is met on its way out.
void EngineTarget::send_from_host(const Packet& packet) {
    const Bytes bytes = packet.bytes();
    const auto sighting = HostStack::send(bytes);
    const TestHost* to = sighting ? find_host(sighting->host) : nullptr;
    const auto reason = judge_egress(director_, bytes);
    if (reason && to != nullptr) {
        director_.port.inject(
            packet.frame(director_link(to->side).mac, to->mac), interface_of(to->side), *reason);
        process();
    } else if (sighting) {
        sightings_.push_back(*sighting);
    }
}

void EngineTarget::process() {
    while (director_.engine.process_burst() > 0)
        take_output();
}

void EngineTarget::take_output() {
    for (const io::MemoryPort::Output& output : director_.port.take_output()) {
        const bool is_to_host = output.way == io::MemoryPort::Way::ToHost;
        std::optional<Sighting> sighting;
        if (is_to_host && output.reason == XVS_REASON_EGRESS) {
            sighting = HostStack::send(without_link_header(output.bytes));
        } else if (is_to_host) {
            sighting = host_.take(without_link_header(output.bytes));
        } else {
            sighting = sighting_of(side_of(output.interface), output.bytes);
        }
        if (sighting) sightings_.push_back(std::move(*sighting));
    }
}

std::vector<Sighting> EngineTarget::collect() {
    return std::exchange(sightings_, {});
}

void EngineTarget::advance(std::chrono::milliseconds by) {
    Nanoseconds left = by;
    while (left > Nanoseconds::zero()) {
        const Nanoseconds step = std::min<Nanoseconds>(left, engine::Engine::kTimerInterval);
        director_.clock.advance(step);
        left -= step;
        director_.engine.run_timers();
    }
    take_output();
}

Status EngineTarget::set_mtu(Side side, std::uint32_t mtu) {
    for (const TestHost& host : topology::kHosts) {
        if (host.side != side) continue;
        const DirectorLink& link = director_link(side);
        for (const net::IpAddress& address : {host.v4, host.v6}) {
            const bool is_v4 = address.family() == net::Family::Ipv4;
            director_.router.remove_route(address);
            director_.router.add_route(address,
                                       {.index = interface_of(side), .mac = link.mac, .mtu = mtu},
                                       host.mac,
                                       is_v4 ? link.v4 : link.v6);
        }
    }
    return {};
}

Status EngineTarget::set_sysctl(const std::string& name, const std::string& /*value*/) {
    return fail(ErrorCode::NotSupported, "the engine has no setting " + name);
}

std::optional<std::map<std::string, std::uint64_t>> EngineTarget::drops() {
    std::map<std::string, std::uint64_t> counts;
    for (const auto& [reason, count] : director_.drops())
        counts[std::string(engine::drop_reason_name(reason))] = count;
    return counts;
}

}  // namespace xvs::test
