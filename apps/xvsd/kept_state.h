// KeptState: where what outlives a daemon lies, of this network namespace.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "offload/pin_directory.h"
#include "xvsd/options.h"

namespace xvs::xvsd {

class KeptState {
public:
    // Finds the places while this process may still look everywhere: before privileges are dropped.
    [[nodiscard]] static Result<KeptState> find(const Options& options);

    // Makes the directory for pins, if they are to be and can be, and removes those of network
    // namespaces that are gone. Says in the log what cannot be.
    void open();

    // Returns nullptr where nothing outlives this daemon; why_not() says why.
    [[nodiscard]] const offload::PinDirectory* pins() const noexcept {
        return pins_ ? &*pins_ : nullptr;
    }

    [[nodiscard]] const std::string& why_not() const noexcept { return why_not_; }

    // Where services are kept.
    [[nodiscard]] const std::string& state_directory() const noexcept { return state_directory_; }

    // Hands back to the host what a dead daemon left: programs, tables and the private link.
    // Returns whether there was anything.
    [[nodiscard]] Result<bool> remove_leftover();

private:
    KeptState() = default;

    bool is_ephemeral_ = false;
    UniqueFd bpffs_;
    std::optional<offload::PinDirectory> pins_;
    std::string why_not_;
    std::string state_directory_;
};

}  // namespace xvs::xvsd
