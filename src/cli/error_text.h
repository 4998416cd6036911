// ipvsadm's words for what a director refuses.
#pragma once

#include <string>

#include "base/error.h"
#include "cli/command.h"

namespace xvs::cli {

// Which function of libipvs an error came from; the same errno reads differently.
enum class Operation {
    Initialize,
    AddService,
    EditService,
    RemoveService,
    ZeroService,
    GetService,
    AddDestination,
    EditDestination,
    RemoveDestination,
    StartDaemon,
    StopDaemon,
    AddMarkRule,
    RemoveMarkRule,
    AddAccessRule,
    RemoveAccessRule,
    Other,
};

// Without an end of line.
[[nodiscard]] std::string error_text(Operation operation, const Error& error);

}  // namespace xvs::cli
