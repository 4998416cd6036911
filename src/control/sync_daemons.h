// SyncDaemons: which sides of connection synchronisation an administrator has started, with the
// defaults and the refusals of the kernel (ip_vs_sync.c, start_sync_thread).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/sync_daemon.h"

namespace xvs::control {

class SyncDaemons {
public:
    // Returns the MTU of the interface of that name, or nullopt where there is none.
    using InterfaceMtu = std::function<std::optional<unsigned>(const std::string& name)>;

    // Asks Linux, in the network namespace of the calling thread.
    [[nodiscard]] static std::optional<unsigned> interface_mtu(const std::string& name);

    explicit SyncDaemons(InterfaceMtu mtu = interface_mtu) : mtu_(std::move(mtu)) {}

    // NoSuchDevice, AlreadyExists where that role runs, InvalidArgument for a group that is not
    // multicast. What is zero in `wanted` becomes the default.
    Status start(model::SyncDaemon wanted);

    // NoSuchService where that role does not run.
    Status stop(model::SyncRole role);

    [[nodiscard]] bool is_running() const noexcept { return !running_.empty(); }

    // Master first.
    [[nodiscard]] const std::vector<model::SyncDaemon>& running() const noexcept {
        return running_;
    }

private:
    InterfaceMtu mtu_;
    std::vector<model::SyncDaemon> running_;
};

}  // namespace xvs::control
