#include "offload/served_interfaces.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include <linux/bpf.h>

#include <bpf/bpf.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

namespace xvs::offload {
namespace {

SteeringPart part_for(TcDirection direction, const ServedInterface& interface) noexcept {
    const bool has_link_header = interface.has_link_header;
    if (interface.is_loopback) return SteeringPart::IngressLoopback;
    if (direction == TcDirection::Ingress)
        return has_link_header ? SteeringPart::Ingress : SteeringPart::IngressBare;
    return has_link_header ? SteeringPart::Egress : SteeringPart::EgressBare;
}

}  // namespace

ServedInterfaces::~ServedInterfaces() {
    if (pins_ == nullptr) release_all();
}

void ServedInterfaces::release_all() {
    while (!served_.empty())
        release(served_.begin()->first);
}

void ServedInterfaces::release_others() {
    const auto interfaces = program_.interfaces();
    for (std::size_t slot = 0; slot < interfaces.size(); ++slot) {
        const std::uint32_t ifindex = interfaces[slot].ifindex;
        if (ifindex == 0 || served_.contains(ifindex)) continue;
        for (const TcDirection direction : {TcDirection::Ingress, TcDirection::Egress}) {
            if (pins_ != nullptr) TcHook::detach_leftover(ifindex, direction, *pins_);
        }
        clear_slot(ifindex, static_cast<std::uint16_t>(slot));
    }
}

Result<std::uint16_t> ServedInterfaces::serve(const ServedInterface& interface) {
    if (const auto known = served_.find(interface.ifindex); known != served_.end()) {
        known->second.interface = interface;
        write_slot(known->second.slot, interface);
        return known->second.slot;
    }
    const auto slot = find_slot(interface.ifindex);
    if (!slot) {
        return fail(ErrorCode::OutOfRange,
                    fmt::format("interface {} is not served: XVS serves at most {} interfaces; "
                                "narrow them by --interface",
                                interface.name,
                                XVS_MAX_INTERFACES));
    }
    auto served = attach_both(interface, *slot);
    if (!served) {
        clear_slot(interface.ifindex, *slot);
        return fail(served.error());
    }
    served_.emplace(interface.ifindex, std::move(*served));
    return *slot;
}

Result<ServedInterfaces::Served> ServedInterfaces::attach_both(const ServedInterface& interface,
                                                               std::uint16_t slot) {
    write_slot(slot, interface);
    const std::uint32_t value = slot;
    if (::bpf_map_update_elem(
            program_.map(SteeringMap::Slots), &interface.ifindex, &value, BPF_ANY))
        return fail(system_error(fmt::format("serving interface {}", interface.name), errno));
    auto ingress = attach(interface, TcDirection::Ingress);
    if (!ingress) return fail(ingress.error());
    Served served{
        .interface = interface, .slot = slot, .ingress = std::move(*ingress), .egress = {}};
    if (interface.is_loopback) return served;
    auto egress = attach(interface, TcDirection::Egress);
    if (!egress) return fail(egress.error());
    served.egress.emplace(std::move(*egress));
    return served;
}

void ServedInterfaces::release(std::uint32_t ifindex) {
    const auto found = served_.find(ifindex);
    if (found == served_.end()) return;
    Served served = std::move(found->second);
    served_.erase(found);
    served.ingress.detach();
    if (served.egress) served.egress->detach();
    clear_slot(ifindex, served.slot);
}

void ServedInterfaces::forget(std::uint32_t ifindex) {
    const auto found = served_.find(ifindex);
    if (found == served_.end()) return;
    found->second.ingress.forget();
    if (found->second.egress) found->second.egress->forget();
    release(ifindex);
}

std::size_t ServedInterfaces::repair() {
    std::size_t repaired = 0;
    for (auto& [ifindex, served] : served_) {
        if (repair(served, served.ingress, TcDirection::Ingress)) ++repaired;
        if (served.egress && repair(served, *served.egress, TcDirection::Egress)) ++repaired;
    }
    return repaired;
}

bool ServedInterfaces::repair(Served& served, TcHook& hook, TcDirection direction) {
    if (hook.is_attached()) return false;
    hook.forget();
    auto again = attach(served.interface, direction);
    // The interface may be going at this moment: rtnetlink says so next.
    if (!again) return false;
    hook = std::move(*again);
    spdlog::warn(
        "another tool had removed the steering program from interface {}: attached it again",
        served.interface.name);
    return true;
}

Result<TcHook> ServedInterfaces::attach(const ServedInterface& interface, TcDirection direction) {
    const int program = program_.program(part_for(direction, interface));
    return TcHook::attach(
        program,
        {.ifindex = interface.ifindex, .direction = direction, .how = how_, .pins = pins_});
}

// An interface keeps the slot that an earlier daemon gave it: frames under way name it.
// Slots are used in turn, so that a frame still under way never names an interface that came since.
std::optional<std::uint16_t> ServedInterfaces::find_slot(std::uint32_t ifindex) noexcept {
    const auto interfaces = program_.interfaces();
    for (std::size_t slot = 0; slot < interfaces.size(); ++slot) {
        if (interfaces[slot].ifindex == ifindex) return static_cast<std::uint16_t>(slot);
    }
    for (std::size_t tried = 0; tried < interfaces.size(); ++tried) {
        const std::uint16_t slot = next_slot_;
        next_slot_ = static_cast<std::uint16_t>((next_slot_ + 1u) % interfaces.size());
        if (interfaces[slot].ifindex == 0) return slot;
    }
    return std::nullopt;
}

void ServedInterfaces::write_slot(std::uint16_t slot, const ServedInterface& interface) noexcept {
    xvs_interface& record = program_.interfaces()[slot];
    std::memcpy(record.mac, interface.mac.bytes().data(), sizeof(record.mac));
    record.link_header = interface.has_link_header ? 1 : 0;
    __atomic_store_n(&record.ifindex, interface.ifindex, __ATOMIC_RELEASE);
}

void ServedInterfaces::clear_slot(std::uint32_t ifindex, std::uint16_t slot) noexcept {
    ::bpf_map_delete_elem(program_.map(SteeringMap::Slots), &ifindex);
    __atomic_store_n(&program_.interfaces()[slot].ifindex, 0u, __ATOMIC_RELEASE);
}

}  // namespace xvs::offload
