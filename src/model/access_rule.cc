#include "model/access_rule.h"

#include <fmt/format.h>

namespace xvs::model {

std::string_view access_action_name(AccessAction action) noexcept {
    return action == AccessAction::Allow ? "allow" : "deny";
}

std::string AccessRule::to_string() const {
    const std::string text = fmt::format("{} {}", access_action_name(action), prefix.to_string());
    return service ? fmt::format("{} for {}", text, service->to_string()) : text;
}

Result<net::Prefix> parse_client_prefix(std::string_view text) {
    const auto prefix = net::Prefix::parse(text);
    if (prefix) return *prefix;
    return fail(
        ErrorCode::InvalidArgument,
        fmt::format("\"{}\" is no prefix of clients: write 203.0.113.0/24, 2001:db8::/32 or "
                    "an address",
                    text));
}

}  // namespace xvs::model
