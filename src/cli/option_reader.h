// OptionReader: puts one option after the other into a Command. Order counts, as in ipvsadm: a
// netmask is read by the family of the service that came before it.
#pragma once

#include <optional>
#include <span>

#include "cli/argument_scanner.h"
#include "cli/command.h"
#include "cli/exit.h"

namespace xvs::cli {

[[nodiscard]] std::span<const OptionSpec> all_options() noexcept;

// Returns the command that an option stands for, if it is one.
[[nodiscard]] std::optional<Verb> verb_of(int id) noexcept;

// Of --start-daemon and --stop-daemon; other commands have no role.
[[nodiscard]] Outcome<void> read_daemon_role(Verb verb,
                                             const ArgumentScanner::Option& option,
                                             model::SyncDaemon& daemon);

// Seconds, from `minimum` to a month.
[[nodiscard]] Outcome<std::uint32_t> parse_timeout(const std::string& text, std::int64_t minimum);

class OptionReader {
public:
    explicit OptionReader(Command& command) noexcept : command_(command) {}

    [[nodiscard]] Outcome<void> read(const ArgumentScanner::Option& option);

    // They can be understood only when the scheduler is known for good.
    [[nodiscard]] const std::optional<std::string>& scheduler_flags() const noexcept {
        return scheduler_flags_;
    }

private:
    Outcome<void> read_address(model::Protocol protocol, const std::string& value);
    Outcome<void> read_fwmark(const std::string& value);
    Outcome<void> read_ipv6();
    Outcome<void> read_netmask(const std::string& value);
    Outcome<void> read_persistence(const std::optional<std::string>& value);
    Outcome<void> read_real_server(const std::string& value);
    Outcome<void> read_tunnel_type(const std::string& value);
    Outcome<void> read_group(const std::string& value);
    Outcome<void> read_plain(Option kind, int id, const std::string& value);
    Outcome<void> read_daemon_option(Option kind, const std::string& value);

    Command& command_;
    std::optional<std::string> scheduler_flags_;
};

}  // namespace xvs::cli
