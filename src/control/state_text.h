// Services and settings as text: the lines of ipvsadm -S, and of what -S leaves out (thresholds,
// timeouts, other settings, sync daemons). docs/state-file.md describes the format.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "control/service_manager.h"
#include "model/sync_daemon.h"

namespace xvs::control {

struct SavedService {
    model::VirtualService service;
    std::vector<model::Destination> destinations;  // in the order they are to be added
};

struct SavedState {
    model::Timeouts timeouts;
    std::vector<model::SysctlValue> sysctls;
    std::vector<model::MarkRule> mark_rules;
    std::vector<model::AccessRule> access_rules;  // of all services
    std::vector<model::SyncDaemon> daemons;
    std::vector<SavedService> services;
};

inline constexpr std::string_view kStateFirstLine = "# xvs services 1\n";
inline constexpr std::string_view kStateLastLine = "# end\n";

// Each returns whole lines.
[[nodiscard]] std::string to_text(const model::Timeouts& timeouts);
[[nodiscard]] std::string to_text(const model::SysctlValue& value);
[[nodiscard]] std::string to_text(const model::MarkRule& rule);
[[nodiscard]] std::string to_text(const model::AccessRule& rule);
[[nodiscard]] std::string to_text(const model::SyncDaemon& daemon);
// A service; its real servers follow it, the oldest first.
[[nodiscard]] std::string to_text(const model::VirtualService& service);
[[nodiscard]] std::string to_text(const model::ServiceKey& service,
                                  const model::Destination& destination);

// Of a whole file, first and last line included. InvalidArgument names the line.
[[nodiscard]] Result<SavedState> parse_state(std::string_view text);

}  // namespace xvs::control
