// Instance: one xvsd a network namespace; how others see that it is ready.
#pragma once

#include <chrono>

#include "base/result.h"
#include "base/unique_fd.h"

namespace xvs::xvsd {

// Holds a name in this network namespace that goes with the process, however it ends.
class Instance {
public:
    // Error InUse names the process that is here already.
    [[nodiscard]] static Result<Instance> claim();

    // From now on wait_until_ready() succeeds, and systemd is told where it asks.
    void announce_ready();
    void announce_stopping();

    // A connection of wait_until_ready() waits at this descriptor; answer() closes it.
    [[nodiscard]] int fd() const noexcept { return socket_.get(); }

    void answer() noexcept;

private:
    explicit Instance(UniqueFd socket) noexcept : socket_(std::move(socket)) {}

    UniqueFd socket_;
};

// Waits until the daemon of this network namespace is ready, for `patience` at most.
[[nodiscard]] Status wait_until_ready(std::chrono::milliseconds patience);

}  // namespace xvs::xvsd
