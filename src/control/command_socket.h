// Commands to a running xvsd: a line each, over a Unix socket whose name its network namespace has
// once. Both sides look who the other is.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace xvs::control {

struct CommandAnswer {
    std::string text;
    std::vector<UniqueFd> descriptors;  // that the daemon hands over
};

// Sends `command` and waits for the answer. Error NotAvailable: no xvsd is ready here. What the
// daemon says of a command that failed is the error's context.
[[nodiscard]] Result<CommandAnswer> ask_daemon(std::string_view command,
                                               std::chrono::milliseconds patience);

// Whether one is ready to be asked.
[[nodiscard]] bool is_daemon_ready();

// The daemon's end. The name goes with the process, however it ends.
class CommandSocket {
public:
    // Error AlreadyExists: another process has the name.
    [[nodiscard]] static Result<CommandSocket> bind();

    // One that another daemon handed over.
    [[nodiscard]] static CommandSocket take_over(UniqueFd socket) {
        return CommandSocket(std::move(socket));
    }

    // From now on commands may come.
    [[nodiscard]] Status listen();

    // Readable when one has come.
    [[nodiscard]] int fd() const noexcept { return socket_.get(); }

    struct Reply {
        Result<std::string> text;
        std::vector<int> descriptors;
    };

    // Answers those that have come. Whoever is neither root nor of this process's user is not
    // heard.
    void answer(const std::function<Reply(std::string_view)>& handle) noexcept;

private:
    explicit CommandSocket(UniqueFd socket) noexcept : socket_(std::move(socket)) {}

    UniqueFd socket_;
};

}  // namespace xvs::control
