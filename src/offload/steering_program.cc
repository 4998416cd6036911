#include "offload/steering_program.h"

#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstddef>
#include <cstdio>
#include <string>
#include <string_view>

#include <sys/socket.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "offload/bpf_storage.h"
#include "offload/steer.skel.h"

namespace xvs::offload {
namespace {

[[gnu::format(printf, 2, 0)]] int log_libbpf(enum libbpf_print_level level,
                                             const char* format,
                                             va_list arguments) {
    if (level != LIBBPF_WARN) return 0;
    std::array<char, 1024> text{};
    std::vsnprintf(text.data(), text.size(), format, arguments);
    std::string_view line(text.data());
    while (line.ends_with('\n'))
        line.remove_suffix(1);
    spdlog::debug("{}", line);
    return 0;
}

Error load_error(int error_number) {
    switch (error_number) {
        case EPERM:
        case EACCES:
            return Error{.code = ErrorCode::NotPermitted,
                         .context =
                             "the kernel refuses the steering program: run xvsd as root, or "
                             "with CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON"};
        case ENOSYS:
            return Error{.code = ErrorCode::NotSupported,
                         .context =
                             "this kernel has no BPF: XVS needs CONFIG_BPF_SYSCALL and Linux "
                             "5.15 or later"};
        default: {
            Error error = system_error("loading the steering program", error_number);
            error.context += " (Linux 5.15 or later with BPF is needed)";
            return error;
        }
    }
}

Status reuse(bpf_map* map, const char* name, int fd) {
    if (fd < 0) return {};
    if (const int error = ::bpf_map__reuse_fd(map, fd))
        return fail(system_error(fmt::format("sharing table {}", name), -error));
    return {};
}

Status prepare(const steer_bpf& skeleton, const SteeringProgram::Options& options) {
    skeleton.rodata->constants = {.near_ifindex = options.near_ifindex,
                                  .watched = options.is_watched ? 1u : 0u};
    if (auto status = reuse(skeleton.maps.header, "header", options.header); !status) return status;
    if (auto status = reuse(skeleton.maps.flows4, "flows4", options.flows4); !status) return status;
    return reuse(skeleton.maps.flows6, "flows6", options.flows6);
}

template <class Element>
Result<std::span<Element>> map_elements(const bpf_map* map, std::size_t count) {
    static_assert(sizeof(Element) % 8 == 0);
    const auto bytes = map_array(::bpf_map__fd(map), count * sizeof(Element));
    if (!bytes) return fail(bytes.error());
    return std::span(reinterpret_cast<Element*>(bytes->data()), count);
}

}  // namespace

Result<std::unique_ptr<SteeringProgram>> SteeringProgram::load(const Options& options) {
    ::libbpf_set_print(log_libbpf);
    steer_bpf* skeleton = ::steer_bpf__open();
    if (skeleton == nullptr) return fail(load_error(errno));
    std::unique_ptr<SteeringProgram> program(new SteeringProgram(skeleton));
    if (auto status = prepare(*skeleton, options); !status) return fail(status.error());
    if (const int error = ::steer_bpf__load(skeleton)) return fail(load_error(-error));
    if (auto status = program->map_arrays(); !status) return fail(status.error());
    if (options.is_watched) {
        if (auto status = program->watch(); !status) return fail(status.error());
    }
    return program;
}

SteeringProgram::~SteeringProgram() {
    unmap_array(std::as_writable_bytes(interfaces_));
    unmap_array(std::as_writable_bytes(outers_));
    ::steer_bpf__destroy(skeleton_);
}

xvs_steer_kinds& SteeringProgram::kinds() const noexcept {
    return skeleton_->bss->kinds;
}

Status SteeringProgram::map_arrays() {
    const auto interfaces =
        map_elements<xvs_interface>(skeleton_->maps.interfaces, XVS_MAX_INTERFACES);
    if (!interfaces) return fail(interfaces.error());
    interfaces_ = *interfaces;
    const auto outers =
        map_elements<xvs_outer_header>(skeleton_->maps.outer_headers, XVS_MAX_OUTER_HEADERS);
    if (!outers) return fail(outers.error());
    outers_ = *outers;
    return {};
}

// A socket leaves a socket map when it is closed, which the kernel does for a dead process too.
Status SteeringProgram::watch() {
    std::array<int, 2> pair{};
    if (::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair.data()) != 0)
        return fail(
            system_error("the socket that tells the steering program that xvsd lives", errno));
    watched_ = UniqueFd(pair[0]);
    watched_peer_ = UniqueFd(pair[1]);
    const std::uint32_t key = 0;
    const auto value = static_cast<std::uint64_t>(pair[0]);
    const int map = ::bpf_map__fd(skeleton_->maps.alive);
    if (::bpf_map_update_elem(map, &key, &value, BPF_ANY) != 0)
        return fail(
            system_error("the socket that tells the steering program that xvsd lives", errno));
    return {};
}

int SteeringProgram::program(SteeringPart part) const noexcept {
    const auto& programs = skeleton_->progs;
    const std::array<const bpf_program*, 6> by_part = {programs.xvs_ingress,
                                                       programs.xvs_ingress_bare,
                                                       programs.xvs_egress,
                                                       programs.xvs_egress_bare,
                                                       programs.xvs_return,
                                                       programs.xvs_drop};
    return ::bpf_program__fd(by_part[static_cast<std::size_t>(part)]);
}

int SteeringProgram::map(SteeringMap map) const noexcept {
    const auto& maps = skeleton_->maps;
    const std::array<const bpf_map*, 6> by_name = {
        maps.services, maps.nat_sources, maps.addresses, maps.local4, maps.local6, maps.slots};
    return ::bpf_map__fd(by_name[static_cast<std::size_t>(map)]);
}

}  // namespace xvs::offload
