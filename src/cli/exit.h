// Exit: the end of the program before its time, with what it says on standard error.
#pragma once

#include <string>
#include <utility>

#include <tl/expected.hpp>

namespace xvs::cli {

inline constexpr int kListFailed = 1;
inline constexpr int kUsage = 2;
inline constexpr int kFailed = 255;

struct Exit {
    int status = kUsage;
    std::string message;  // with its newline
};

template <class T>
using Outcome = tl::expected<T, Exit>;

// Returns what ends the program over a command line that makes no sense.
[[nodiscard]] inline tl::unexpected<Exit> usage_error(std::string message) {
    return tl::unexpected<Exit>(Exit{.status = kUsage, .message = std::move(message) + "\n"});
}

}  // namespace xvs::cli
