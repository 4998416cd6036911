#include "offload/array_values.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <linux/bpf.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/unique_fd.h"
#include "flow/layout.h"

namespace xvs::offload {
namespace {

// Whether `map` is one of those arrays, by what it looks like: this process made it.
bool is_one_value(int map) {
    bpf_map_info info{};
    __u32 size = sizeof(info);
    return ::bpf_obj_get_info_by_fd(map, &info, &size) == 0 && info.type == BPF_MAP_TYPE_ARRAY &&
           info.max_entries == 1 && offload::is_one_value(std::string_view(info.name));
}

// An instruction of two words: "load the address of map <descriptor>" becomes "load that of its
// value". Nothing else in the program uses these maps.
int load_values_of_arrays(bpf_program* program, bpf_prog_load_opts* /*options*/, long /*cookie*/) {
    const std::size_t count = ::bpf_program__insn_cnt(program);
    const std::span<const bpf_insn> before(::bpf_program__insns(program), count);
    std::vector<bpf_insn> after(before.begin(), before.end());
    for (std::size_t at = 0; at + 1 < count; ++at) {
        if (after[at].code != (BPF_LD | BPF_IMM | BPF_DW)) continue;
        if (after[at].src_reg == BPF_PSEUDO_MAP_FD && is_one_value(after[at].imm)) {
            after[at].src_reg = BPF_PSEUDO_MAP_VALUE;
            after[at + 1].imm = 0;
        }
        ++at;
    }
    return ::bpf_program__set_insns(program, after.data(), count);
}

Status register_section(const char* name, bpf_prog_type type, bpf_attach_type attach_type) {
    LIBBPF_OPTS(libbpf_prog_handler_opts, options, .prog_prepare_load_fn = load_values_of_arrays);
    const int handler = ::libbpf_register_prog_handler(name, type, attach_type, &options);
    if (handler < 0)
        return fail(system_error("registering the steering program's sections", -handler));
    return {};
}

}  // namespace

bool is_one_value(std::string_view array) noexcept {
    constexpr std::array<std::string_view, 3> kThose = {"header", "translations", "next_hops"};
    return std::find(kThose.begin(), kThose.end(), array) != kThose.end();
}

flow::Sizes fit_to_kernel(flow::Sizes sizes) {
    constexpr std::uint32_t kOldLimit = 4u << 20;
    LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_MMAPABLE);
    const UniqueFd probe(::bpf_map_create(
        BPF_MAP_TYPE_ARRAY, "xvs_probe", sizeof(std::uint32_t), kOldLimit + 8, 1, &options));
    if (probe.is_open()) return sizes;
    constexpr auto kMost = static_cast<std::uint32_t>(kOldLimit / sizeof(xvs_translation));
    sizes.translations = std::min(sizes.translations, kMost);
    return sizes;
}

Status register_sections() {
    static const Status registered = [] {
        if (auto status = register_section("xvs/tc", BPF_PROG_TYPE_SCHED_CLS, bpf_attach_type{});
            !status)
            return status;
        return register_section("xvs/xdp", BPF_PROG_TYPE_XDP, BPF_XDP);
    }();
    return registered;
}

}  // namespace xvs::offload
