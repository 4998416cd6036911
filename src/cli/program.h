// Program: xvsadm from its command line to its exit status.
#pragma once

#include <deque>
#include <functional>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/command.h"
#include "cli/error_text.h"
#include "cli/exit.h"
#include "cli/listing.h"
#include "control/netlink/client.h"

namespace xvs::cli {

class Program {
public:
    struct Streams {
        std::istream& in;
        std::ostream& out;
        std::ostream& err;
    };

    using Connect = std::function<Result<control::netlink::Client>()>;

    // `name` is what the messages call the program, `words` what followed it.
    Program(std::string name, Streams streams, Connect connect)
        : name_(std::move(name)), streams_(streams), connect_(std::move(connect)) {}

    // Returns the exit status.
    [[nodiscard]] int run(std::vector<std::string> words);

private:
    static constexpr std::string_view kSysctlOption = "--sysctl";
    static constexpr std::string_view kProcOption = "--proc";
    static constexpr std::string_view kAddMark = "--add-mark";
    static constexpr std::string_view kDeleteMark = "--delete-mark";
    static constexpr std::string_view kListMarks = "--list-marks";

    // Returns 0, or the exit status once it has said why there is no director.
    int connect();
    // Runs one command line. Returns the status of a command that failed, which does not end -R;
    // an Exit does.
    Outcome<int> execute(std::vector<std::string> words, bool restoring);
    Outcome<int> execute(const Command& command, bool restoring);
    Outcome<int> restore();
    Outcome<int> restore_line(std::string_view line);
    // An edit of -R has been answered.
    void settle(const Status& status);
    Outcome<int> list(const Command& command);
    Outcome<int> list_services(const Format& format, bool with_version);
    // Hands each of `services` to `visit` with its real servers.
    Status for_each_listed(
        const std::vector<control::ServiceStatus>& services,
        const std::function<void(const control::ServiceStatus&,
                                 std::vector<control::DestinationStatus>)>& visit);
    Outcome<int> list_service(const Command& command, const Format& format);
    Outcome<int> list_connections(const Format& format);
    [[nodiscard]] static bool is_about_marks(const std::vector<std::string>& words);
    Outcome<int> marks(const std::vector<std::string>& words, bool restoring);
    Outcome<int> list_marks(std::string_view before_each);
    // --allow, --deny and so on.
    Outcome<int> access(const std::vector<std::string>& words, bool restoring);
    Outcome<int> list_access();
    // --proc NAME, which ipvsadm does not have either.
    Outcome<int> proc(const std::vector<std::string>& words);
    Outcome<int> proc_services();
    Outcome<int> proc_connections(
        const std::string& heading,
        const std::function<std::string(const model::ConnectionInfo&)>& line);
    // --sysctl [NAME[=VALUE]], which ipvsadm does not have.
    Outcome<int> sysctl(const std::vector<std::string>& words, bool restoring);
    Outcome<int> show_sysctls(std::string_view name);
    Outcome<int> save(const Format& format);
    Outcome<int> list_daemons();
    Outcome<int> list_timeouts();
    Status edit(const Command& command);
    // Says why an edit failed, if it did. Returns its status.
    [[nodiscard]] int report(Operation operation, const Status& status) const;
    [[nodiscard]] std::string message(Operation operation, const Error& error) const;
    // A listing that fails ends the program, even in the middle of -R.
    [[nodiscard]] tl::unexpected<Exit> list_failed(Operation operation, const Error& error) const;

    std::string name_;
    Streams streams_;
    Connect connect_;
    std::optional<control::netlink::Client> client_;
    // Of -R: the edits whose answers are due, and the status of the last line that is through.
    std::deque<Operation> sent_;
    int restored_ = 0;
};

}  // namespace xvs::cli
