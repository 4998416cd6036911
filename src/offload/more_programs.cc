#include "offload/more_programs.h"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string_view>
#include <utility>

#include <bpf/libbpf.h>
#include <fcntl.h>
#include <fmt/format.h>

namespace xvs::offload {
namespace {

struct Close {
    void operator()(bpf_object* object) const noexcept { ::bpf_object__close(object); }
};

using Object = std::unique_ptr<bpf_object, Close>;

Error refusal(std::span<const char* const> names, int error_number) {
    return system_error(fmt::format("the kernel refuses program {}", names.front()), error_number);
}

// Maps of the same number are the same: both objects were made of one file.
int share_maps(const bpf_object& loaded, bpf_object& object) {
    const bpf_map* theirs = nullptr;
    bpf_map* mine = nullptr;
    while ((theirs = ::bpf_object__next_map(&loaded, theirs)) != nullptr &&
           (mine = ::bpf_object__next_map(&object, mine)) != nullptr) {
        const int fd = ::bpf_map__fd(theirs);
        const int error =
            fd < 0 ? ::bpf_map__set_autocreate(mine, false) : ::bpf_map__reuse_fd(mine, fd);
        if (error != 0) return error;
    }
    return 0;
}

void choose_programs(bpf_object& object, std::span<const char* const> names) {
    bpf_program* program = nullptr;
    while ((program = ::bpf_object__next_program(&object, program)) != nullptr) {
        const std::string_view name = ::bpf_program__name(program);
        (void)::bpf_program__set_autoload(
            program, std::find(names.begin(), names.end(), name) != names.end());
    }
}

}  // namespace

Result<std::vector<UniqueFd>> load_more_programs(std::span<const std::byte> elf,
                                                 const bpf_object& loaded,
                                                 std::span<const char* const> names) {
    const Object object(::bpf_object__open_mem(elf.data(), elf.size(), nullptr));
    if (object == nullptr) return fail(refusal(names, errno));
    if (const int error = share_maps(loaded, *object)) return fail(refusal(names, -error));
    choose_programs(*object, names);
    if (const int error = ::bpf_object__load(object.get())) return fail(refusal(names, -error));
    std::vector<UniqueFd> programs;
    for (const char* name : names) {
        const bpf_program* program = ::bpf_object__find_program_by_name(object.get(), name);
        UniqueFd kept(::fcntl(::bpf_program__fd(program), F_DUPFD_CLOEXEC, 0));
        if (!kept.is_open()) return fail(refusal(names, errno));
        programs.push_back(std::move(kept));
    }
    return programs;
}

}  // namespace xvs::offload
