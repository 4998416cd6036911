// Programs of an object whose other programs are loaded already.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

struct bpf_object;

namespace xvs::offload {

// Loads the programs of these names from the object file `elf`, of which `loaded` has been made:
// they use its maps, constants and variables. Returns them in the order of the names, all or none;
// an error's `code` is system_error()'s. Takes as long as the kernel takes to verify them, tens of
// milliseconds. REQUIRES: register_sections() has been called.
[[nodiscard]] Result<std::vector<UniqueFd>> load_more_programs(std::span<const std::byte> elf,
                                                               const bpf_object& loaded,
                                                               std::span<const char* const> names);

}  // namespace xvs::offload
