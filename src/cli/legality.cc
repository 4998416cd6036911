#include "cli/legality.h"

#include <array>
#include <optional>

#include <fmt/format.h>

namespace xvs::cli {

namespace {

constexpr std::array<std::string_view, kOptionCount> kOptionNames{"numeric",
                                                                  "connection",
                                                                  "service-address",
                                                                  "scheduler",
                                                                  "persistent",
                                                                  "netmask",
                                                                  "real-server",
                                                                  "forwarding-method",
                                                                  "weight",
                                                                  "u-threshold",
                                                                  "l-threshold",
                                                                  "mcast-interface",
                                                                  "timeout",
                                                                  "daemon",
                                                                  "stats",
                                                                  "rate",
                                                                  "thresholds",
                                                                  "persistent-conn",
                                                                  "nosort",
                                                                  "syncid",
                                                                  "exact",
                                                                  "ops",
                                                                  "pe",
                                                                  "sched-flags",
                                                                  "mcast-group",
                                                                  "mcast-port",
                                                                  "mcast-ttl",
                                                                  "sync-maxlen",
                                                                  "tun-info",
                                                                  "tun-type",
                                                                  "tun-port",
                                                                  "tun-nocsum",
                                                                  "tun-csum",
                                                                  "tun-remcsum",
                                                                  "mss-clamp"};

constexpr char kRequired = '+';
constexpr char kIllegal = 'x';
constexpr char kExclusive = '1';  // of these at most one
constexpr std::string_view kFree = "                                   ";

struct Row {
    std::string_view name;
    std::string_view rules;  // one letter an option, blank where it is welcome
};

// Recorded from ipvsadm 1.31, but for the last column.
// clang-format off
constexpr std::array<Row, 16> kVerbs{{
    //                  nc.srvc-sched-real-w/x/y-d timeout.....exact-ops..mcast.tunnelM
    {"add-service",    "xx+   xxxxxxxxxxxxxxx   xxxxxxxxxx "},
    {"edit-service",   "xx+   xxxxxxxxxxxxxxx   xxxxxxxxxx "},
    {"delete-service", "xx+xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"},
    {"flush",          "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"},
    {"add-server",     "xx+xxx+    xxxxxxxxxxxxxxxxxx     x"},
    {"edit-server",    "xx+xxx+    xxxxxxxxxxxxxxxxxx     x"},
    {"delete-server",  "xx+xxx+xxxxxxxxxxxxxxxxxxxxxxxxxxxx"},
    {"list",           " 11xxxxxxxxx11       xxxxxxx xxxxxx"},
    {"set",            "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"},
    {"start-daemon",   "xxxxxxxxxxx xxxxxxx xxxx    xxxxxxx"},
    {"stop-daemon",    "xxxxxxxxxxxxxxxxxxx xxxxxxxxxxxxxxx"},
    {"restore",        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"},
    {"save",           " xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"},
    {"zero",           "xx xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"},
    {"help",           kFree},
    {"version",        kFree},
}};

constexpr std::array<Row, 3> kTunnels{{
    {"ipip",           "                              xxxx "},
    {"gue",            "                              +111 "},
    {"gre",            "                              x11x "},
}};

// clang-format on

Outcome<void> check(const Row& row, std::string_view kind, OptionSet options) {
    std::optional<Option> taken;
    for (unsigned i = 0; i < kOptionCount; ++i) {
        const auto option = static_cast<Option>(i);
        const std::string_view name = option_name(option);
        const char rule = row.rules[i];
        if (!options.has(option)) {
            if (rule != kRequired) continue;
            return usage_error(fmt::format(
                "You need to supply the '{}' option for the '{}' {}", name, row.name, kind));
        }
        if (rule == kIllegal) {
            return usage_error(
                fmt::format("Illegal '{}' option with the '{}' {}", name, row.name, kind));
        }
        if (rule != kExclusive) continue;
        if (taken) {
            return usage_error(
                fmt::format("The option '{}' conflicts with the '{}' option in the "
                            "'{}' {}",
                            name,
                            option_name(*taken),
                            row.name,
                            kind));
        }
        taken = option;
    }
    return {};
}

}  // namespace

std::string_view option_name(Option option) noexcept {
    return kOptionNames[static_cast<unsigned>(option)];
}

std::string_view verb_name(Verb verb) noexcept {
    return kVerbs[static_cast<unsigned>(verb)].name;
}

Outcome<void> check_options(Verb verb, OptionSet options) {
    return check(kVerbs[static_cast<unsigned>(verb)], "command", options);
}

Outcome<void> check_tunnel_options(model::TunnelType type, OptionSet options) {
    return check(kTunnels[static_cast<unsigned>(type)], "tunnel type", options);
}

}  // namespace xvs::cli
