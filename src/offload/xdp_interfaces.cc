#include "offload/xdp_interfaces.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include <linux/bpf.h>
#include <linux/if_link.h>

#include <bpf/bpf.h>
#include <fmt/format.h>

namespace xvs::offload {
namespace {

xvs_host_key key_of(const XdpInterface& interface) noexcept {
    xvs_host_key key{};
    key.ifindex = interface.lower;
    key.vlan = interface.vlan;
    std::memcpy(key.mac, interface.mac.bytes().data(), sizeof(key.mac));
    return key;
}

constexpr const char* kPinPrefix = "xdp-";

std::string pin_name(std::uint32_t ifindex) {
    return kPinPrefix + std::to_string(ifindex);
}

// 0 once the device is gone.
std::uint32_t device_of(int link) noexcept {
    bpf_link_info info{};
    __u32 size = sizeof(info);
    const bool is_known = ::bpf_obj_get_info_by_fd(link, &info, &size) == 0;
    return is_known && info.type == BPF_LINK_TYPE_XDP ? info.xdp.ifindex : 0;
}

Error attach_error(const std::string& name, int error_number) {
    if (error_number == EBUSY || error_number == EEXIST) {
        return Error{
            .code = ErrorCode::InUse,
            .context = fmt::format("interface {} has an XDP program of somebody else's: it "
                                   "is served at tc; see: ip link show dev {}",
                                   name,
                                   name)};
    }
    Error error = system_error(fmt::format("attaching to {} at XDP", name), error_number);
    error.context += fmt::format(
        "; its driver may not know XDP, or not with this MTU: it is served at tc", name);
    return error;
}

}  // namespace

Status XdpInterfaces::attach(std::uint32_t ifindex, const std::string& name) {
    if (is_attached(ifindex)) return {};
    if (UniqueFd kept = take_over(ifindex); kept.is_open()) {
        links_.emplace(ifindex, std::move(kept));
        return {};
    }
    LIBBPF_OPTS(bpf_link_create_opts, options, .flags = XDP_FLAGS_DRV_MODE);
    UniqueFd link(::bpf_link_create(
        program_.program(SteeringPart::Xdp), static_cast<int>(ifindex), BPF_XDP, &options));
    if (!link.is_open()) return fail(attach_error(name, errno));
    if (pins_ != nullptr) {
        if (auto status = pins_->pin(link.get(), pin_name(ifindex)); !status) return status;
    }
    links_.emplace(ifindex, std::move(link));
    return {};
}

UniqueFd XdpInterfaces::take_over(std::uint32_t ifindex) const {
    if (pins_ == nullptr) return {};
    UniqueFd link = pins_->get(pin_name(ifindex));
    if (!link.is_open() || device_of(link.get()) != ifindex) return {};
    const int program = program_.program(SteeringPart::Xdp);
    return ::bpf_link_update(link.get(), program, nullptr) == 0 ? std::move(link) : UniqueFd();
}

void XdpInterfaces::detach(std::uint32_t ifindex) {
    disconnect(ifindex);
    if (links_.erase(ifindex) > 0 && pins_ != nullptr) pins_->unpin(pin_name(ifindex));
}

void XdpInterfaces::release_others() {
    if (pins_ == nullptr) return;
    for (const std::string& name : pins_->names()) {
        if (name.rfind(kPinPrefix, 0) != 0) continue;
        const bool is_ours = std::any_of(links_.begin(), links_.end(), [&](const auto& link) {
            return pin_name(link.first) == name;
        });
        if (!is_ours) pins_->unpin(name);
    }
}

Status XdpInterfaces::connect(std::uint32_t device, std::span<const int> sockets) {
    disconnect(device);
    const auto first = find_room(sockets.size());
    if (!first) {
        return fail(ErrorCode::OutOfRange,
                    fmt::format("all devices together may have {} AF_XDP sockets, one a receive "
                                "queue",
                                XVS_MAX_XDP_SOCKETS));
    }
    const Sockets range{.first = *first, .count = static_cast<std::uint16_t>(sockets.size())};
    for (std::uint32_t i = 0; i < range.count; ++i) {
        const std::uint32_t key = range.first + i;
        const auto value = static_cast<std::uint32_t>(sockets[i]);
        if (::bpf_map_update_elem(program_.map(SteeringMap::XdpSockets), &key, &value, BPF_ANY) !=
            0)
            return fail(system_error("telling the steering program of an AF_XDP socket", errno));
    }
    sockets_[device] = range;
    write_all_of(device);
    return {};
}

void XdpInterfaces::disconnect(std::uint32_t device) {
    const auto found = sockets_.find(device);
    if (found == sockets_.end()) return;
    const Sockets range = found->second;
    sockets_.erase(found);
    write_all_of(device);
    for (std::uint32_t key = range.first; key < std::uint32_t{range.first} + range.count; ++key)
        ::bpf_map_delete_elem(program_.map(SteeringMap::XdpSockets), &key);
}

// The first gap that is long enough.
std::optional<std::uint16_t> XdpInterfaces::find_room(std::size_t count) const {
    std::vector<bool> used(XVS_MAX_XDP_SOCKETS);
    for (const auto& [device, range] : sockets_)
        std::fill_n(used.begin() + range.first, range.count, true);
    const auto gap = std::search_n(used.begin(), used.end(), static_cast<int>(count), false);
    if (count == 0 || gap == used.end()) return std::nullopt;
    return static_cast<std::uint16_t>(gap - used.begin());
}

bool XdpInterfaces::write(const XdpInterface& interface) const {
    const xvs_host_key key = key_of(interface);
    const auto found = sockets_.find(interface.lower);
    const Sockets range = found == sockets_.end() ? Sockets{} : found->second;
    const xvs_host host{
        .slot = interface.slot,
        .flags = static_cast<std::uint16_t>(interface.leaves_checksums ? XVS_HOST_UNFILLED : 0),
        .first_socket = range.first,
        .sockets = range.count};
    return ::bpf_map_update_elem(program_.map(SteeringMap::Hosts), &key, &host, BPF_ANY) == 0;
}

void XdpInterfaces::write_all_of(std::uint32_t device) const {
    for (const auto& [ifindex, interface] : served_) {
        if (interface.lower == device) (void)write(interface);
    }
}

void XdpInterfaces::serve(const XdpInterface& interface) {
    const auto known = served_.find(interface.ifindex);
    if (known != served_.end()) {
        if (known->second == interface) return;
        release(interface.ifindex);
    }
    // Where it does not fit, its frames are replayed at tc.
    if (write(interface)) served_.emplace(interface.ifindex, interface);
}

void XdpInterfaces::release(std::uint32_t ifindex) {
    const auto found = served_.find(ifindex);
    if (found == served_.end()) return;
    const xvs_host_key key = key_of(found->second);
    served_.erase(found);
    ::bpf_map_delete_elem(program_.map(SteeringMap::Hosts), &key);
}

}  // namespace xvs::offload
