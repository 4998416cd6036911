// SetupWatch: has services looked over for mistakes after changes, a few at a time.
#pragma once

#include <optional>
#include <vector>

#include "base/clock.h"
#include "control/service_manager.h"
#include "host/setup_warnings.h"

namespace xvs::xvsd {

// Thread: the control thread.
class SetupWatch {
public:
    // How soon after the last change, so that a thousand edits are looked at once.
    static constexpr Nanoseconds kDelay = std::chrono::milliseconds(500);
    // Services or real servers between two looks at the event loop: a question to Linux each.
    static constexpr std::size_t kAtOnce = 256;

    // All of them must outlive it.
    SetupWatch(host::SetupWarnings warnings,
               const control::ServiceManager& services,
               const Clock& clock)
        : warnings_(std::move(warnings)), services_(services), clock_(clock) {
        edited();
    }

    // Services were edited.
    void edited() { due_ = clock_.now() + kDelay; }

    // Addresses, links or routes have changed.
    void host_changed();

    // Returns when on_timer() is due; nullopt if there is nothing to do.
    [[nodiscard]] std::optional<Nanoseconds> next_deadline() const noexcept;

    void on_timer();

private:
    void look_at_some();

    host::SetupWarnings warnings_;
    const control::ServiceManager& services_;
    const Clock& clock_;
    std::optional<Nanoseconds> due_;  // of the next round
    bool is_looking_ = false;
    Nanoseconds go_on_at_{};
    std::vector<model::VirtualService> listed_;
    std::size_t next_service_ = 0;
    model::DestinationPlace place_;
};

}  // namespace xvs::xvsd
