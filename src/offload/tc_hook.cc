#include "offload/tc_hook.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include <linux/bpf.h>
#include <net/if.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>

#include "offload/link_info.h"

namespace xvs::offload {
namespace {

// Linux 6.6's BPF_TCX_INGRESS and BPF_TCX_EGRESS, which Debian 12's headers don't know by name.
constexpr auto kTcxIngress = static_cast<bpf_attach_type>(46);
constexpr auto kTcxEgress = static_cast<bpf_attach_type>(47);

// Before filters whose priority the kernel chose (49152 and down), after those that say a small
// one.
constexpr std::uint32_t kPriority = 22099;
constexpr std::uint32_t kHandle = 0x58565331;

bpf_attach_type tcx_type(TcDirection direction) noexcept {
    return direction == TcDirection::Ingress ? kTcxIngress : kTcxEgress;
}

bpf_tc_hook clsact_hook(std::uint32_t ifindex, TcDirection direction) noexcept {
    LIBBPF_OPTS(bpf_tc_hook,
                hook,
                .ifindex = static_cast<int>(ifindex),
                .attach_point = direction == TcDirection::Ingress ? BPF_TC_INGRESS : BPF_TC_EGRESS);
    return hook;
}

std::string interface_name(std::uint32_t ifindex) {
    std::array<char, IF_NAMESIZE> name{};
    if (::if_indextoname(ifindex, name.data()) == nullptr) return fmt::format("#{}", ifindex);
    return name.data();
}

Error attach_error(std::uint32_t ifindex, int error_number) {
    return system_error(
        fmt::format("attaching the steering program to {}", interface_name(ifindex)), error_number);
}

std::uint32_t id_of_program(int program) noexcept {
    bpf_prog_info info{};
    __u32 size = sizeof(info);
    return ::bpf_obj_get_info_by_fd(program, &info, &size) == 0 ? info.id : 0;
}

// A filter of ours that a daemon left behind when it was killed is replaced.
int attach_clsact(int program, std::uint32_t ifindex, TcDirection direction) {
    bpf_tc_hook hook = clsact_hook(ifindex, direction);
    if (const int error = ::bpf_tc_hook_create(&hook); error != 0 && error != -EEXIST) return error;
    LIBBPF_OPTS(bpf_tc_opts,
                filter,
                .prog_fd = program,
                .flags = BPF_TC_F_REPLACE,
                .handle = kHandle,
                .priority = kPriority);
    return ::bpf_tc_attach(&hook, &filter);
}

std::uint32_t clsact_program_id(std::uint32_t ifindex, TcDirection direction) {
    const bpf_tc_hook hook = clsact_hook(ifindex, direction);
    LIBBPF_OPTS(bpf_tc_opts, filter, .handle = kHandle, .priority = kPriority);
    return ::bpf_tc_query(&hook, &filter) == 0 ? filter.prog_id : 0;
}

std::string pin_name(std::uint32_t ifindex, TcDirection direction) {
    return fmt::format(
        "link-{}-{}", ifindex, direction == TcDirection::Ingress ? "ingress" : "egress");
}

// An earlier daemon's link, by which the program is replaced between two packets; or none.
UniqueFd take_over_link(int program,
                        std::uint32_t ifindex,
                        const std::string& name,
                        const PinDirectory& pins) {
    UniqueFd link = pins.get(name);
    if (!link.is_open()) return link;
    const bool is_ours = linked_interface(link.get()) == ifindex &&
                         ::bpf_link_update(link.get(), program, nullptr) == 0;
    if (is_ours) return link;
    pins.unpin(name);
    return {};
}

Result<UniqueFd> attach_tcx(int program,
                            std::uint32_t ifindex,
                            TcDirection direction,
                            const PinDirectory* pins) {
    const std::string name = pin_name(ifindex, direction);
    if (pins != nullptr) {
        UniqueFd link = take_over_link(program, ifindex, name, *pins);
        if (link.is_open()) return link;
    }
    UniqueFd link(
        ::bpf_link_create(program, static_cast<int>(ifindex), tcx_type(direction), nullptr));
    if (!link.is_open()) return fail(attach_error(ifindex, errno));
    if (pins == nullptr) return link;
    if (auto status = pins->pin(link.get(), name); !status) return fail(status.error());
    return link;
}

// bpf_link_info of a TCX link: type, id and prog_id, then the interface, 0 when the link is
// severed. The room is what a newer kernel may fill.
struct TcxLinkInfo {
    __u32 type;
    __u32 id;
    __u32 prog_id;
    __u32 alignment;
    __u32 ifindex;
    __u32 attach_type;
    std::array<__u64, 8> rest;
};

}  // namespace

std::uint32_t linked_interface(int link) noexcept {
    TcxLinkInfo info{};
    __u32 size = sizeof(info);
    return ::bpf_obj_get_info_by_fd(link, &info, &size) == 0 ? info.ifindex : 0;
}

TcAttach find_tc_attach(int program, std::uint32_t ifindex) {
    const UniqueFd link(
        ::bpf_link_create(program, static_cast<int>(ifindex), kTcxIngress, nullptr));
    return link.is_open() ? TcAttach::Tcx : TcAttach::Clsact;
}

Result<TcHook> TcHook::attach(int program, const Options& options) {
    if (options.how == TcAttach::Tcx) {
        auto link = attach_tcx(program, options.ifindex, options.direction, options.pins);
        if (!link) return fail(link.error());
        return TcHook(std::move(*link), options, 0);
    }
    if (const int error = attach_clsact(program, options.ifindex, options.direction); error != 0)
        return fail(attach_error(options.ifindex, -error));
    return TcHook({}, options, id_of_program(program));
}

TcHook::TcHook(UniqueFd link, const Options& options, std::uint32_t program_id)
    : link_(std::move(link)),
      ifindex_(options.ifindex),
      direction_(options.direction),
      pins_(options.pins),
      program_id_(program_id) {}

TcHook::TcHook(TcHook&& other) noexcept
    : link_(std::move(other.link_)),
      ifindex_(std::exchange(other.ifindex_, 0)),
      direction_(other.direction_),
      pins_(other.pins_),
      program_id_(other.program_id_) {}

TcHook& TcHook::operator=(TcHook&& other) noexcept {
    if (this != &other) {
        if (pins_ == nullptr) detach();
        link_ = std::move(other.link_);
        ifindex_ = std::exchange(other.ifindex_, 0);
        direction_ = other.direction_;
        pins_ = other.pins_;
        program_id_ = other.program_id_;
    }
    return *this;
}

TcHook::~TcHook() {
    if (pins_ == nullptr) detach();
}

bool TcHook::is_attached() const {
    if (ifindex_ == 0) return false;
    if (link_.is_open()) return linked_interface(link_.get()) == ifindex_;
    return program_id_ != 0 && clsact_program_id(ifindex_, direction_) == program_id_;
}

void TcHook::forget() noexcept {
    if (link_.is_open() && pins_ != nullptr && ifindex_ != 0)
        pins_->unpin(pin_name(ifindex_, direction_));
    ifindex_ = 0;
}

void TcHook::detach() noexcept {
    const bool is_filter = !link_.is_open() && ifindex_ != 0;
    if (link_.is_open() && pins_ != nullptr) pins_->unpin(pin_name(ifindex_, direction_));
    link_.reset();
    const std::uint32_t ifindex = std::exchange(ifindex_, 0);
    // What stands at our handle may be another daemon's by now.
    if (!is_filter || clsact_program_id(ifindex, direction_) != program_id_) return;
    const bpf_tc_hook hook = clsact_hook(ifindex, direction_);
    LIBBPF_OPTS(bpf_tc_opts, filter, .handle = kHandle, .priority = kPriority);
    ::bpf_tc_detach(&hook, &filter);
}

void TcHook::detach_leftover(std::uint32_t ifindex,
                             TcDirection direction,
                             const PinDirectory& pins) noexcept {
    pins.unpin(pin_name(ifindex, direction));
    // Most interfaces have no clsact, which libbpf would say of each.
    const libbpf_print_fn_t print = ::libbpf_set_print(nullptr);
    if (clsact_program_id(ifindex, direction) != 0) {
        const bpf_tc_hook hook = clsact_hook(ifindex, direction);
        LIBBPF_OPTS(bpf_tc_opts, filter, .handle = kHandle, .priority = kPriority);
        ::bpf_tc_detach(&hook, &filter);
    }
    ::libbpf_set_print(print);
}

}  // namespace xvs::offload
