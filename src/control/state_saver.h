// StateSaver: writes the state file after edits, a while later and all at once, off the threads
// that have better things to do.
#pragma once

#include <functional>
#include <future>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "control/state_file.h"

namespace xvs::control {

// Thread: the control thread, all of it; only the writing itself has one of its own.
class StateSaver {
public:
    static constexpr Nanoseconds kDelay = std::chrono::milliseconds(100);
    // How many services are put into words between two looks at the event loop.
    static constexpr std::size_t kServicesAtOnce = 256;

    // `on_failure` is called, on the control thread, with why a write failed; it is tried again
    // after kRetry.
    static constexpr Nanoseconds kRetry = std::chrono::seconds(5);

    StateSaver(const StateFile& file,
               const ServiceManager& services,
               const SyncDaemons& daemons,
               const Clock& clock,
               std::function<void(const Error&)> on_failure)
        : file_(file),
          services_(services),
          daemons_(daemons),
          clock_(clock),
          on_failure_(std::move(on_failure)) {}

    StateSaver(const StateSaver&) = delete;
    StateSaver& operator=(const StateSaver&) = delete;
    ~StateSaver();

    // Something was edited: it is on disk kDelay later, or a little more under a stream of edits.
    void edited();

    // Returns when on_timer() is due; nullopt if there is nothing to do.
    [[nodiscard]] std::optional<Nanoseconds> next_deadline() const noexcept;

    void on_timer();

    // Writes what is not on disk yet and waits for it: at the end.
    [[nodiscard]] Status save_now();

private:
    void start_collecting();
    void collect(std::size_t limit);
    void take_result();

    [[nodiscard]] bool is_collected() const noexcept { return next_service_ == listed_.size(); }

    const StateFile& file_;
    const ServiceManager& services_;
    const SyncDaemons& daemons_;
    const Clock& clock_;
    std::function<void(const Error&)> on_failure_;
    std::optional<Nanoseconds> due_;  // of the next save
    Nanoseconds wake_at_{};           // of the one that is going on
    bool collecting_ = false;
    std::vector<ServiceStatus> listed_;
    std::size_t next_service_ = 0;
    std::string text_;
    std::future<Status> writing_;
};

}  // namespace xvs::control
