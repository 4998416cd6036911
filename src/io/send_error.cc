#include "io/send_error.h"

#include <array>
#include <cerrno>

namespace xvs::io {

SendError send_error_of(int error_number) noexcept {
    switch (error_number) {
        case EMSGSIZE:
            return SendError::TooLong;
        case ENOBUFS:
            return SendError::QueueFull;
        case EAGAIN:
            return SendError::BufferFull;
        case ENETDOWN:
            return SendError::InterfaceDown;
        case ENXIO:
        case ENODEV:
            return SendError::InterfaceGone;
        case EINVAL:
        case ENOMEM:
            return SendError::NotSegmentable;
        default:
            return SendError::Other;
    }
}

std::string_view send_error_name(SendError error) noexcept {
    static constexpr std::array<std::string_view, kSendErrorCount> kNames = {"too-long",
                                                                             "queue-full",
                                                                             "buffer-full",
                                                                             "interface-down",
                                                                             "interface-gone",
                                                                             "not-segmentable",
                                                                             "not-served",
                                                                             "other"};
    return kNames[static_cast<std::size_t>(error)];
}

}  // namespace xvs::io
