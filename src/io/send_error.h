// SendError: why a frame that the engine sent did not leave, as a few named reasons.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace xvs::io {

enum class SendError : std::uint8_t {
    TooLong,         // EMSGSIZE: longer than the interface's MTU allows
    QueueFull,       // ENOBUFS: the interface's queue stayed full
    BufferFull,      // EAGAIN: the socket's buffer stayed full
    InterfaceDown,   // ENETDOWN
    InterfaceGone,   // ENXIO, ENODEV
    NotSegmentable,  // EINVAL, ENOMEM: the kernel does not take its offload
    NotServed,       // to the host, or encapsulated, on an interface that is not served
    Other,
};

inline constexpr std::size_t kSendErrorCount = 8;

[[nodiscard]] SendError send_error_of(int error_number) noexcept;

// The word for logs and metrics: "too-long".
[[nodiscard]] std::string_view send_error_name(SendError error) noexcept;

}  // namespace xvs::io
