// What the kernel says of a TCX link.
#pragma once

#include <cstdint>

namespace xvs::offload {

// Returns the interface that the link is attached to; 0 once it is severed, or is no TCX link.
[[nodiscard]] std::uint32_t linked_interface(int link) noexcept;

}  // namespace xvs::offload
