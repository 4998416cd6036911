#include "tests/lab/slow_pipe.h"

#include <algorithm>
#include <chrono>
#include <span>

#include <sys/stat.h>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include "lab/real_service.h"

namespace xvs::lab {
namespace {

constexpr std::size_t kSteps = 1000;  // of a transfer that nobody tells to finish
constexpr std::chrono::milliseconds kBetween{20};
constexpr int kRoom = 1 << 20;  // of the pipe, in bytes

}  // namespace

SlowPipe::SlowPipe(const std::filesystem::path& path, Way way, std::size_t size)
    : way_(way), size_(size) {
    EXPECT_EQ(::mkfifo(path.c_str(), 0600), 0);
    // Both ends: to open it waits for nobody.
    pipe_ = UniqueFd(::open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
    ::fcntl(pipe_.get(), F_SETPIPE_SZ, kRoom);
    thread_ = std::thread([this] { move_all(); });
}

SlowPipe::~SlowPipe() {
    if (thread_.joinable()) (void)finish();
}

std::string SlowPipe::finish() {
    is_over_ = true;
    thread_.join();
    return sha_.finish();
}

void SlowPipe::move_all() {
    std::string bytes(size_ / kSteps, '\0');
    while (moved_ < size_) {
        if (!is_over_) {
            std::this_thread::sleep_for(kBetween);
            if (moved_ + kKeptBack >= size_) continue;
        }
        constexpr int kPatience = 30'000;
        pollfd waiting{.fd = pipe_.get(),
                       .events = static_cast<short>(way_ == Way::ToCurl ? POLLOUT : POLLIN),
                       .revents = 0};
        if (::poll(&waiting, 1, kPatience) <= 0) break;
        const ssize_t done = move_some(bytes, moved_);
        if (done < 0) continue;
        const auto count = static_cast<std::size_t>(done);
        sha_.update(std::as_bytes(std::span(bytes.data(), count)));
        moved_ += count;
    }
    // curl has sent all when nobody writes any more.
    if (way_ == Way::ToCurl) pipe_ = UniqueFd();
}

ssize_t SlowPipe::move_some(std::string& bytes, std::size_t at) {
    const std::size_t size = std::min(bytes.size(), size_ - at);
    if (way_ == Way::FromCurl) return ::read(pipe_.get(), bytes.data(), size);
    for (std::size_t i = 0; i < size; ++i)
        bytes[i] = static_cast<char>(pattern(at + i));
    return ::write(pipe_.get(), bytes.data(), size);
}

}  // namespace xvs::lab
