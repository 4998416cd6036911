// Decapsulation on a real server by a BPF program, for kernels without ipip and ip6_tunnel.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "net/address.h"

namespace xvs::lab {

inline constexpr std::size_t kMaxDecapsulatedVips = 16;  // of each family; decapsulate.bpf.c

struct DecapsulationAttached {
    bool made_clsact = false;  // the interface had no clsact qdisc before
};

// Attaches the program to `interface` (of the calling thread's network namespace) for packets to
// `vips`, in place of an earlier one. It stays when the caller ends.
[[nodiscard]] Result<DecapsulationAttached> attach_decapsulation(
    const std::string& interface, const std::vector<net::IpAddress>& vips);

// Takes the program off, and the clsact qdisc with it when `remove_clsact`.
[[nodiscard]] Status detach_decapsulation(const std::string& interface, bool remove_clsact);

[[nodiscard]] bool is_decapsulating(const std::string& interface);

}  // namespace xvs::lab
