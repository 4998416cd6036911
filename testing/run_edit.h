// run_edit: an ipvsadm command that changes something, on a director in this process or behind a
// netlink port.
#pragma once

#include <type_traits>

#include "base/result.h"
#include "cli/command.h"

namespace xvs::test {
namespace detail {

template <class Call>
Status status_of(Call call) {
    if constexpr (std::is_void_v<decltype(call())>) {
        call();
        return {};
    } else {
        return call();
    }
}

}  // namespace detail

// `Manager` is control::ServiceManager or control::netlink::Client. Commands of other kinds are
// refused.
template <class Manager>
[[nodiscard]] Status run_edit(Manager& manager, const cli::Command& command) {
    using cli::Verb;
    const model::ServiceKey& key = command.service.key;
    switch (command.verb) {
        case Verb::AddService:
            return manager.add_service(command.service);
        case Verb::EditService:
            return manager.edit_service(command.service);
        case Verb::DeleteService:
            return manager.remove_service(key);
        case Verb::AddServer:
            return manager.add_destination(key, command.destination);
        case Verb::EditServer:
            return manager.edit_destination(key, command.destination);
        case Verb::DeleteServer:
            return manager.remove_destination(key, command.destination.real);
        case Verb::SetTimeouts:
            return detail::status_of([&] { return manager.set_timeouts(command.timeouts); });
        case Verb::Flush:
            return detail::status_of([&] { return manager.flush(); });
        case Verb::Zero:
            if (command.options.has(cli::Option::Service)) return manager.zero(key);
            return detail::status_of([&] { return manager.zero_all(); });
        default:
            return fail(ErrorCode::NotSupported,
                        "this command changes nothing that a test compares");
    }
}

}  // namespace xvs::test
