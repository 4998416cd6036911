// AccessRule: a prefix of clients that a service, or every service, serves or refuses, as xvsadm
// --allow and --deny take it.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/virtual_service.h"
#include "net/prefix.h"

namespace xvs::model {

enum class AccessAction : std::uint8_t { Allow = 1, Deny = 2 };

// "allow", "deny".
[[nodiscard]] std::string_view access_action_name(AccessAction action) noexcept;

struct AccessRule {
    std::optional<ServiceKey> service;  // nullopt: all services
    net::Prefix prefix;
    AccessAction action = AccessAction::Deny;

    // "deny 192.0.2.0/24", "allow 2001:db8::/32 for TCP 192.0.2.1:80", for messages.
    [[nodiscard]] std::string to_string() const;

    bool operator==(const AccessRule&) const = default;
};

// Returns the prefix that a word says; an address is a prefix of one. InvalidArgument says how it
// is written.
[[nodiscard]] Result<net::Prefix> parse_client_prefix(std::string_view text);

}  // namespace xvs::model
