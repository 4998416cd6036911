#include "cli/error_text.h"

#include <cstring>

namespace xvs::cli {

namespace {

struct Text {
    Operation operation;
    ErrorCode code;
    const char* text;
};

constexpr const char* kNoScheduler = "Scheduler or persistence engine not found";
constexpr const char* kNoService = "No such service";
constexpr const char* kUndefined = "Service not defined";
constexpr const char* kNoRemoteChecksum =
    "A tunnel with --tun-remcsum is not supported; use --tun-csum or --tun-nocsum";

constexpr Text kTexts[] = {
    {Operation::AddService, ErrorCode::AlreadyExists, "Service already exists"},
    {Operation::AddService, ErrorCode::NotFound, kNoScheduler},
    {Operation::EditService, ErrorCode::NoSuchService, kNoService},
    {Operation::EditService, ErrorCode::NotFound, kNoScheduler},
    {Operation::RemoveService, ErrorCode::NoSuchService, kNoService},
    {Operation::ZeroService, ErrorCode::NoSuchService, kNoService},
    {Operation::GetService, ErrorCode::NoSuchService, kNoService},
    {Operation::AddDestination, ErrorCode::NoSuchService, kUndefined},
    {Operation::AddDestination, ErrorCode::AlreadyExists, "Destination already exists"},
    {Operation::AddDestination, ErrorCode::NotSupported, kNoRemoteChecksum},
    {Operation::EditDestination, ErrorCode::NotSupported, kNoRemoteChecksum},
    {Operation::EditDestination, ErrorCode::NoSuchService, kUndefined},
    {Operation::EditDestination, ErrorCode::NotFound, "No such destination"},
    {Operation::RemoveDestination, ErrorCode::NoSuchService, kUndefined},
    {Operation::RemoveDestination, ErrorCode::NotFound, "No such destination"},
    {Operation::StartDaemon, ErrorCode::AlreadyExists, "Daemon has already run"},
    {Operation::StopDaemon, ErrorCode::NoSuchService, "No daemon is running"},
    {Operation::AddMarkRule, ErrorCode::AlreadyExists, "Mark rule already exists"},
    {Operation::AddMarkRule, ErrorCode::OutOfMemory, "There is room for 64 mark rules"},
    {Operation::AddAccessRule, ErrorCode::NoSuchService, kUndefined},
    {Operation::AddAccessRule,
     ErrorCode::AlreadyExists,
     "The list has this prefix already, allowed or denied; see --list-access"},
    {Operation::AddAccessRule,
     ErrorCode::OutOfMemory,
     "There is room for 262144 prefixes in all access lists together; shorter ones may stand for "
     "many"},
    {Operation::RemoveAccessRule, ErrorCode::NoSuchService, kUndefined},
    {Operation::RemoveAccessRule, ErrorCode::NotFound, "No list says so; see --list-access"},
    {Operation::RemoveMarkRule, ErrorCode::NotFound, "No such mark rule"},
};

}  // namespace

std::string error_text(Operation operation, const Error& error) {
    for (const auto& entry : kTexts) {
        if (entry.operation == operation && entry.code == error.code) return entry.text;
    }
    switch (error.code) {
        case ErrorCode::NotPermitted:
            return "Permission denied (you must be root)";
        case ErrorCode::InvalidArgument:
            return "Invalid operation.  Possibly wrong module version, address not unicast, ...";
        case ErrorCode::NotAvailable:
            return "Protocol not available";
        case ErrorCode::OutOfMemory:
            return "Memory allocation problem";
        case ErrorCode::NotSupported:
            return "Operation not supported with IPv6";
        case ErrorCode::FamilyNotSupported:
            return "Operation not supported with specified address family";
        default:
            return std::strerror(static_cast<int>(error.code));
    }
}

}  // namespace xvs::cli
