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
    // After a save that took long, an edit waits so many times as long, so that a stream of them
    // leaves the thread to others; at most kMaxDelay.
    static constexpr int kRest = 5;
    static constexpr Nanoseconds kMaxDelay = std::chrono::seconds(5);
    // What is no longer than this is written at once as well, before the edit is answered, though
    // without waiting for the disk: whoever comes after a daemon that was killed finds the edit.
    static constexpr std::size_t kWrittenAtOnce = std::size_t{64} << 10;
    // How many real servers are put into words between two looks at the event loop, some 1 ms.
    static constexpr std::size_t kServersAtOnce = 1024;

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
          on_failure_(std::move(on_failure)),
          last_size_(file.size()) {}

    StateSaver(const StateSaver&) = delete;
    StateSaver& operator=(const StateSaver&) = delete;
    ~StateSaver();

    // Something was edited: it is on disk kDelay later, or kRest times what the last save took; in
    // the file at once where that is small.
    void edited();

    // Returns when on_timer() is due; nullopt if there is nothing to do.
    [[nodiscard]] std::optional<Nanoseconds> next_deadline() const noexcept;

    void on_timer();

    // Writes what is not on disk yet and waits for it: at the end.
    [[nodiscard]] Status save_now();

private:
    void write_at_once();
    void start_collecting();
    void collect_all();
    void collect(std::size_t limit);
    // Each takes off `limit` what it has done; false: there is more of this service.
    void gather_rules(std::size_t& limit);
    bool gather(std::size_t& limit);
    bool write_gathered(std::size_t& limit);
    void take_result();

    [[nodiscard]] bool is_collected() const noexcept {
        return !has_more_rules_ && next_service_ == listed_.size();
    }

    const StateFile& file_;
    const ServiceManager& services_;
    const SyncDaemons& daemons_;
    const Clock& clock_;
    std::function<void(const Error&)> on_failure_;
    std::optional<Nanoseconds> due_;  // of the next save
    Nanoseconds wake_at_{};           // of the one that is going on
    bool collecting_ = false;
    Nanoseconds started_at_{};
    Nanoseconds delay_ = kDelay;
    std::vector<model::VirtualService> listed_;
    std::size_t next_service_ = 0;
    AccessPlace rules_place_;
    bool has_more_rules_ = false;
    // Of the next service: its real servers so far, newest first.
    std::vector<model::Destination> gathered_;
    model::DestinationPlace place_;
    bool is_gathered_ = false;
    std::string text_;
    std::size_t last_size_;  // of what was written
    std::future<Status> writing_;
};

}  // namespace xvs::control
