// What lets the steering program read an array without a look-up: the array is one value as a
// whole, and the instruction that would load the map's address loads that of its value.
#pragma once

#include <string_view>

#include "base/result.h"
#include "flow/sizes.h"

namespace xvs::offload {

// Returns whether the steering program reads the array of this name so (VALUE_OF() in
// steer_maps.bpf.h).
[[nodiscard]] bool is_one_value(std::string_view array) noexcept;

// Kernels before Linux 6.0 take values of 4 MiB at most: there are fewer translations then.
[[nodiscard]] flow::Sizes fit_to_kernel(flow::Sizes sizes);

// Has libbpf load programs of the sections "xvs/tc" and "xvs/xdp" with such instructions. Once a
// process; not while another thread uses libbpf.
[[nodiscard]] Status register_sections();

}  // namespace xvs::offload
