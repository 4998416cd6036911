// Error: what went wrong on the control path, as a code and a sentence.
#pragma once

#include <cerrno>
#include <string>
#include <string_view>

namespace xvs {

// Codes map 1:1 to the errno that the IPVS netlink protocol answers with.
enum class ErrorCode : int {
    NotPermitted = EPERM,
    NotFound = ENOENT,
    NoSuchService = ESRCH,
    OutOfMemory = ENOMEM,
    Busy = EBUSY,
    AlreadyExists = EEXIST,
    NoSuchDevice = ENODEV,
    InvalidArgument = EINVAL,
    OutOfRange = ERANGE,
    NotSupported = EOPNOTSUPP,
    FamilyNotSupported = EAFNOSUPPORT,
    InUse = EADDRINUSE,
    NotAvailable = ENOPROTOOPT,
    TimedOut = ETIMEDOUT,
    System = EIO,
};

struct Error {
    ErrorCode code = ErrorCode::System;
    // One sentence: the thing, the cause and, where there is one, the remedy. May be empty where
    // the code says it all (the netlink protocol carries no text).
    std::string context;
};

// Returns an Error of code System whose context is `what` and the text of `error_number`.
[[nodiscard]] Error system_error(std::string_view what, int error_number);

}  // namespace xvs
