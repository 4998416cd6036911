// SlowPipe: a named pipe that curl reads or writes, and a thread at its other end. It moves bytes
// slowly until it is told to finish, so that a transfer lasts as long as what happens meanwhile.
#pragma once

#include <atomic>
#include <cstddef>
#include <filesystem>
#include <string>
#include <thread>

#include <sys/types.h>

#include "base/unique_fd.h"
#include "lab/sha256.h"

namespace xvs::lab {

class SlowPipe {
public:
    enum class Way { ToCurl, FromCurl };

    // Moves `size` bytes: to curl pattern()'s, from curl what comes.
    // REQUIRES: `size` is more than kKeptBack.
    SlowPipe(const std::filesystem::path& path, Way way, std::size_t size);
    SlowPipe(const SlowPipe&) = delete;
    SlowPipe& operator=(const SlowPipe&) = delete;
    ~SlowPipe();

    // How many bytes have passed until now.
    [[nodiscard]] std::size_t moved() const noexcept { return moved_; }

    // Moves the rest as fast as it can; returns the SHA-256 of all that passed.
    [[nodiscard]] std::string finish();

    // Moved by finish() only, so that no transfer is over before: more than sockets hold.
    static constexpr std::size_t kKeptBack = 20'000'000;

private:
    void move_all();
    [[nodiscard]] ssize_t move_some(std::string& bytes, std::size_t at);

    Way way_;
    std::size_t size_;
    UniqueFd pipe_;
    std::atomic<bool> is_over_ = false;
    std::atomic<std::size_t> moved_ = 0;
    Sha256 sha_;
    std::thread thread_;
};

}  // namespace xvs::lab
