// What a network device may do for its driver's sake, as ethtool -k shows it.
#pragma once

#include <initializer_list>
#include <string_view>

namespace xvs::host {

// Turns the named features of an interface off; one that the kernel does not know is off already.
void turn_off_features(std::string_view interface,
                       std::initializer_list<std::string_view> names) noexcept;

// Whether the interface is a device on a bus, rather than one that the kernel makes up.
[[nodiscard]] bool is_physical(std::string_view interface) noexcept;

// Whether packet sockets take and give UDP super-packets (Linux 6.2).
[[nodiscard]] bool has_udp_super_packets() noexcept;

}  // namespace xvs::host
