#include "offload/steering_program.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <numeric>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sys/socket.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "flow/report_rings.h"
#include "offload/array_values.h"
#include "offload/bpf_storage.h"
#include "offload/more_programs.h"
#include "offload/steer.skel.h"

namespace xvs::offload {
namespace {

// What a frame's metadata has room for is what the other side counts in.
static_assert(XVS_POSITION_BITS == flow::ReportRings::kPositionBits);
static_assert(XVS_MAX_INTERFACES == 1u << XVS_SLOT_BITS);

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

Status share_tables(const steer_bpf& skeleton, const BpfStorage& storage) {
    const auto& maps = skeleton.maps;
    const std::pair<bpf_map*, const char*> shared[] = {{maps.header, "header"},
                                                       {maps.flows4, "flows4"},
                                                       {maps.flows6, "flows6"},
                                                       {maps.translations, "translations"},
                                                       {maps.next_hops, "next_hops"},
                                                       {maps.destinations, "destinations"},
                                                       {maps.counters, "counters"},
                                                       {maps.stocks, "stocks"},
                                                       {maps.places, "places"},
                                                       {maps.decisions, "decisions"},
                                                       {maps.stripes, "stripes"},
                                                       {maps.client_ways, "client_ways"},
                                                       {maps.report_rings, "report_rings"},
                                                       {maps.reports, "reports"}};
    for (const auto& [map, name] : shared) {
        if (auto status = reuse(map, name, storage.find_map(name)); !status) return status;
    }
    return {};
}

// What successive daemons' programs have in common: frames under way name these.
Status share_steering(const steer_bpf& skeleton, const BpfStorage& storage) {
    const auto& maps = skeleton.maps;
    const std::pair<bpf_map*, const char*> shared[] = {{maps.control, "control"},
                                                       {maps.interfaces, "interfaces"},
                                                       {maps.outer_headers, "outer_headers"}};
    for (const auto& [map, name] : shared) {
        if (auto status = reuse(map, name, storage.find_map(name)); !status) return status;
    }
    return {};
}

// Linux 6.2 and later let a tc program look into a packet's sk_buff.
bool has_cast() {
    btf* kernel = ::btf__load_vmlinux_btf();
    if (kernel == nullptr) return false;
    const int type = ::btf__find_by_name_kind(kernel, "bpf_cast_to_kern_ctx", BTF_KIND_FUNC);
    ::btf__free(kernel);
    return type > 0;
}

// Slots in use (4 MB) from which on it pays.
constexpr std::uint32_t kReadAheadFrom = 131072;

Status prepare(const steer_bpf& skeleton, const SteeringProgram::Options& options) {
    xvs_steer_constants& constants = skeleton.rodata->constants;
    constants = {};
    constants.watched = options.is_watched ? 1 : 0;
    constants.is_tested = options.is_tested ? 1 : 0;
    constants.has_sockets = ::libbpf_probe_bpf_map_type(BPF_MAP_TYPE_XSKMAP, nullptr) == 1 ? 1 : 0;
    // What the program does not reach any more may refer to a map that is not there.
    if (constants.has_sockets == 0) ::bpf_map__set_autocreate(skeleton.maps.xdp_sockets, false);
    if (auto status = reuse(skeleton.maps.control, "control", options.control); !status)
        return status;
    if (options.storage != nullptr) {
        if (auto status = share_steering(skeleton, *options.storage); !status) return status;
    }
    if (options.storage == nullptr || options.header == nullptr) return {};
    constants.keys = xvs_make_hash_keys(options.header->seed);
    constants.destinations = options.header->destinations;
    constants.workers = options.header->workers;
    constants.cpus = options.header->report_rings;
    constants.translations = options.header->translations;
    constants.next_hops = options.header->next_hops;
    constants.replays = options.replays ? 1 : 0;
    constants.draws = options.replays && options.draws && options.header->stocks != 0 ? 1 : 0;
    constants.can_cast = has_cast() ? 1 : 0;
    // Tests have few flows, and are to see what reading ahead does.
    if (!options.is_tested) constants.reads_ahead_from = kReadAheadFrom;
    if (constants.can_cast == 0) constants.reads_ahead_from = ~0u;
    return share_tables(skeleton, *options.storage);
}

template <class Element>
Result<std::span<Element>> map_elements(const bpf_map* map, std::size_t count) {
    static_assert(sizeof(Element) % 8 == 0);
    const auto bytes = map_array(::bpf_map__fd(map), count * sizeof(Element));
    if (!bytes) return fail(bytes.error());
    return std::span(reinterpret_cast<Element*>(bytes->data()), count);
}

const bpf_program* program_of(const steer_bpf& skeleton, SteeringPart part) noexcept {
    const auto& programs = skeleton.progs;
    const std::array<const bpf_program*, kSteeringParts> by_part = {programs.xvs_ingress,
                                                                    programs.xvs_ingress_bare,
                                                                    programs.xvs_ingress_loopback,
                                                                    programs.xvs_egress,
                                                                    programs.xvs_egress_bare,
                                                                    programs.xvs_return,
                                                                    programs.xvs_drop,
                                                                    programs.xvs_xdp};
    return by_part[static_cast<std::size_t>(part)];
}

std::vector<SteeringPart> parts_of(SteeringExtra extra) {
    if (extra == SteeringExtra::Xdp) return {SteeringPart::Xdp};
    return {SteeringPart::IngressBare, SteeringPart::EgressBare};
}

}  // namespace

Result<std::unique_ptr<SteeringProgram>> SteeringProgram::load(const Options& options) {
    ::libbpf_set_print(log_libbpf);
    if (auto status = register_sections(); !status) return fail(status.error());
    steer_bpf* skeleton = ::steer_bpf__open();
    if (skeleton == nullptr) return fail(load_error(errno));
    std::unique_ptr<SteeringProgram> program(new SteeringProgram(skeleton));
    if (auto status = prepare(*skeleton, options); !status) return fail(status.error());
    for (bpf_program* each : {skeleton->progs.xvs_ingress_bare,
                              skeleton->progs.xvs_egress_bare,
                              skeleton->progs.xvs_xdp})
        (void)::bpf_program__set_autoload(each, false);
    if (const int error = ::steer_bpf__load(skeleton)) return fail(load_error(-error));
    if (auto status = program->map_arrays(); !status) return fail(status.error());
    if (options.is_watched) {
        if (auto status = program->watch(); !status) return fail(status.error());
    }
    return program;
}

Status SteeringProgram::make_shared_arrays(BpfStorage& storage) {
    struct Wanted {
        const char* name;
        std::size_t size;
        std::size_t count;
    };

    constexpr Wanted kWanted[] = {
        {"control", sizeof(xvs_steer_control), 1},
        {"interfaces", sizeof(xvs_interface), XVS_MAX_INTERFACES},
        {"outer_headers", sizeof(xvs_outer_header), XVS_MAX_OUTER_HEADERS}};
    for (const Wanted& wanted : kWanted) {
        auto memory = storage.find(wanted.name);
        if (!memory) return fail(memory.error());
        if (memory->size() == wanted.size * wanted.count) continue;
        memory = storage.allocate(wanted.name, wanted.size, wanted.count);
        if (!memory) return fail(memory.error());
    }
    return {};
}

SteeringProgram::~SteeringProgram() {
    unmap_array(std::as_writable_bytes(control_));
    unmap_array(std::as_writable_bytes(interfaces_));
    unmap_array(std::as_writable_bytes(outers_));
    ::steer_bpf__destroy(skeleton_);
}

bool SteeringProgram::replays() const noexcept {
    return skeleton_->rodata->constants.replays != 0;
}

bool SteeringProgram::draws() const noexcept {
    return skeleton_->rodata->constants.draws != 0;
}

xvs_steer_kinds& SteeringProgram::kinds() const noexcept {
    return skeleton_->bss->kinds;
}

bool SteeringProgram::has_sockets() const noexcept {
    return skeleton_->rodata->constants.has_sockets != 0;
}

std::uint32_t SteeringProgram::take_without_metadata() const noexcept {
    return __atomic_exchange_n(&skeleton_->bss->without_metadata, 0u, __ATOMIC_RELAXED);
}

std::array<std::uint64_t, XVS_ACCESS_REFUSALS> SteeringProgram::refusals() const {
    std::array<std::uint64_t, XVS_ACCESS_REFUSALS> sums{};
    const int cpus = ::libbpf_num_possible_cpus();
    if (cpus <= 0) return sums;
    std::vector<std::uint64_t> of_cpus(static_cast<std::size_t>(cpus));
    for (std::uint32_t reason = 0; reason < sums.size(); ++reason) {
        if (::bpf_map_lookup_elem(
                ::bpf_map__fd(skeleton_->maps.refusals), &reason, of_cpus.data()) == 0)
            sums[reason] = std::accumulate(of_cpus.begin(), of_cpus.end(), std::uint64_t{0});
    }
    return sums;
}

void SteeringProgram::remember(const net::IpAddress& address) const noexcept {
    std::uint32_t words[4];
    static_assert(sizeof(words) == sizeof(xvs_endpoint_key::address));
    std::memcpy(words, address.bytes().data(), sizeof(words));
    const std::uint64_t hash = address.family() == net::Family::Ipv4
                                   ? xvs_address_hash4(words[0])
                                   : xvs_address_hash6(words[0], words[1], words[2], words[3]);
    const std::uint64_t bit = hash >> (64 - XVS_ADDRESS_BITS);
    __atomic_fetch_or(&skeleton_->bss->known_addresses[bit >> 6],
                      std::uint64_t{1} << (bit & 63),
                      __ATOMIC_RELAXED);
}

void SteeringProgram::remember_everyone() const noexcept {
    for (auto& word : skeleton_->bss->known_addresses)
        __atomic_store_n(&word, ~0ULL, __ATOMIC_RELAXED);
}

Status SteeringProgram::map_arrays() {
    const auto control = map_elements<xvs_steer_control>(skeleton_->maps.control, 1);
    if (!control) return fail(control.error());
    control_ = *control;
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

Status SteeringProgram::add(SteeringExtra extra) {
    if (has(extra)) return {};
    const std::vector<SteeringPart> parts = parts_of(extra);
    std::vector<const char*> names;
    for (const SteeringPart part : parts)
        names.push_back(::bpf_program__name(program_of(*skeleton_, part)));
    std::size_t size = 0;
    const auto* elf = static_cast<const std::byte*>(steer_bpf::elf_bytes(&size));
    auto programs = load_more_programs({elf, size}, *skeleton_->obj, names);
    if (!programs) return fail(programs.error());
    for (std::size_t i = 0; i < parts.size(); ++i)
        added_[static_cast<std::size_t>(parts[i])] = std::move((*programs)[i]);
    return {};
}

bool SteeringProgram::has(SteeringExtra extra) const noexcept {
    return program(extra == SteeringExtra::Xdp ? SteeringPart::Xdp : SteeringPart::IngressBare) >=
           0;
}

int SteeringProgram::program(SteeringPart part) const noexcept {
    const UniqueFd& added = added_[static_cast<std::size_t>(part)];
    if (added.is_open()) return added.get();
    return std::max(::bpf_program__fd(program_of(*skeleton_, part)), -1);
}

int SteeringProgram::map(SteeringMap map) const noexcept {
    const auto& maps = skeleton_->maps;
    const std::array<const bpf_map*, 12> by_name = {maps.services,
                                                    maps.nat_sources,
                                                    maps.addresses,
                                                    maps.local4,
                                                    maps.local6,
                                                    maps.slots,
                                                    maps.hosts,
                                                    maps.mark_rules,
                                                    maps.xdp_sockets,
                                                    maps.access_prefixes,
                                                    maps.access_lists,
                                                    maps.access_services};
    return ::bpf_map__fd(by_name[static_cast<std::size_t>(map)]);
}

}  // namespace xvs::offload
