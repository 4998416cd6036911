// Instance: one xvsd a network namespace; how others see that it is ready.
#pragma once

#include <chrono>

#include "base/result.h"
#include "base/unique_fd.h"
#include "control/command_socket.h"

namespace xvs::xvsd {

// Holds a name in this network namespace that goes with the process, however it ends.
class Instance {
public:
    // Error InUse names the process that is here already.
    [[nodiscard]] static Result<Instance> claim();

    // The name of a daemon that hands everything over.
    [[nodiscard]] static Instance take_over(UniqueFd socket) {
        return Instance(control::CommandSocket::take_over(std::move(socket)));
    }

    // From now on wait_until_ready() succeeds, and systemd is told where it asks.
    void announce_ready();
    void announce_stopping();

    // Where commands come, and those of wait_until_ready().
    [[nodiscard]] control::CommandSocket& commands() noexcept { return socket_; }

private:
    explicit Instance(control::CommandSocket socket) noexcept : socket_(std::move(socket)) {}

    control::CommandSocket socket_;
};

// Waits until the daemon of this network namespace is ready, for `patience` at most.
[[nodiscard]] Status wait_until_ready(std::chrono::milliseconds patience);

}  // namespace xvs::xvsd
