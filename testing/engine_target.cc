#include "testing/engine_target.h"

#include <algorithm>
#include <utility>

#include "testing/ipvsadm_session.h"

namespace xvs::test {
namespace {

Side side_of(std::uint32_t interface) {
    return interface == interface_of(Side::Client) ? Side::Client : Side::Real;
}

// Where a frame leaves is told by the MAC address that it is sent to.
Side side_of_receiver(const Bytes& frame) {
    const TestHost* host = find_host(net::MacAddress::load(frame.data()));
    return host == nullptr ? Side::Client : host->side;
}

}  // namespace

CommandOutput EngineTarget::ipvsadm(const std::vector<std::string>& arguments) {
    return run_ipvsadm(manager_, arguments);
}

void EngineTarget::send(const TestHost& from, const Packet& packet) {
    const Bytes frame = packet.frame(from.mac, director_link(from.side).mac);
    follow(entrance_->admit(frame, from.side), from.side, false);
}

// The stack has resolved the next hop already when the packet is met on its way out.
void EngineTarget::send_from_host(const Packet& packet) {
    const auto sighting = HostStack::send(packet.bytes());
    if (const TestHost* to = find_host(sighting->host)) {
        const Bytes frame = packet.frame(director_link(to->side).mac, to->mac);
        follow(entrance_->release(frame, to->side), to->side, true);
    } else {
        sightings_.push_back(*sighting);
    }
}

void EngineTarget::follow(Passage passage, Side side, bool is_leaving) {
    std::optional<Sighting> sighting;
    switch (passage.way) {
        case Passage::Way::Engine:
            director_.ports[passage.worker]->inject(passage.frame,
                                                    {.interface = interface_of(side),
                                                     .reason = passage.reason,
                                                     .report_ring = passage.report_ring,
                                                     .report_position = passage.report_position,
                                                     .offload = {}});
            process();
            break;
        case Passage::Way::Host:
            sighting = is_leaving ? HostStack::send(without_link_header(passage.frame))
                                  : host_.take(without_link_header(passage.frame));
            break;
        case Passage::Way::Replayed:
            sighting = sighting_of(side_of_receiver(passage.frame), passage.frame);
            break;
        case Passage::Way::Dropped:
            if (passage.refusal) {
                ++refusals_[*passage.refusal];
                break;
            }
            sighting = Sighting{.host = "nobody (dropped before the engine)",
                                .packet = without_link_header(passage.frame)};
            break;
    }
    if (sighting) sightings_.push_back(std::move(*sighting));
}

void EngineTarget::process() {
    while (director_.engine.process_burst() > 0)
        take_output();
}

void EngineTarget::take_output() {
    for (const io::MemoryPort::Output& output : director_.take_output()) {
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

Status EngineTarget::set_sysctl(const std::string& name, const std::string& value) {
    return director_.engine.set_sysctl(name, value);
}

Status EngineTarget::add_mark(const model::MarkRule& rule) {
    return manager_.add_mark_rule(rule);
}

std::optional<std::map<std::string, std::uint64_t>> EngineTarget::drops() {
    std::map<std::string, std::uint64_t> counts;
    for (const auto& [reason, count] : director_.drops())
        counts[std::string(engine::drop_reason_name(reason))] += count;
    for (const auto& [reason, count] : refusals_)
        counts[std::string(engine::drop_reason_name(reason))] += count;
    return counts;
}

}  // namespace xvs::test
