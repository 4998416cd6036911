// SharingMutex: a mutex that is only locked where there is somebody to share with.
#pragma once

#include <mutex>

namespace xvs {

// Nobody but one thread uses what it guards until share() is called; until then locking it costs a
// branch.
class SharingMutex {
public:
    SharingMutex() = default;
    SharingMutex(const SharingMutex&) = delete;
    SharingMutex& operator=(const SharingMutex&) = delete;
    ~SharingMutex() = default;

    // REQUIRES: it is not locked, and no other thread uses it yet.
    void share() noexcept { is_shared_ = true; }

    [[nodiscard]] bool is_shared() const noexcept { return is_shared_; }

    void lock() noexcept {
        if (is_shared_) mutex_.lock();
    }

    void unlock() noexcept {
        if (is_shared_) mutex_.unlock();
    }

private:
    bool is_shared_ = false;
    std::mutex mutex_;
};

using SharingLock = std::lock_guard<SharingMutex>;

}  // namespace xvs
