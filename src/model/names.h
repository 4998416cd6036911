// The words that ipvsadm and /proc/net/ip_vs_conn print for protocols, states and methods.
#pragma once

#include <cstdint>
#include <string_view>

#include "model/connection.h"
#include "model/destination.h"
#include "model/virtual_service.h"

namespace xvs::model {

// "TCP", "UDP", "SCTP", "IP".
[[nodiscard]] std::string_view protocol_name(Protocol protocol) noexcept;

// The state's word in a connection listing: "ESTABLISHED", "UDP", "NONE". Kernel:
// tcp_state_name_table.
[[nodiscard]] std::string_view state_name(Protocol protocol, std::uint8_t state) noexcept;

// The same of a listed connection: a persistence template has states of its own, "NONE" and
// "ASSURED". Kernel: ip_vs_state_name().
[[nodiscard]] std::string_view state_name(const ConnectionInfo& connection) noexcept;

// "Masq", "Local", "Tunnel", "Route", "Bypass" (ipvsadm's column Forward), "FullNat".
[[nodiscard]] std::string_view method_name(ForwardingMethod method) noexcept;

}  // namespace xvs::model
