// Result<T>: a value or an Error. Status: success or an Error.
#pragma once

#include <utility>

#include <tl/expected.hpp>

#include "base/error.h"

namespace xvs {

template <class T>
using Result = tl::expected<T, Error>;

using Status = Result<void>;

// Returns a failed Result: `return fail(ErrorCode::InvalidArgument, "...");`
[[nodiscard]] inline tl::unexpected<Error> fail(ErrorCode code, std::string context = {}) {
    return tl::unexpected<Error>(Error{code, std::move(context)});
}

[[nodiscard]] inline tl::unexpected<Error> fail(Error error) {
    return tl::unexpected<Error>(std::move(error));
}

}  // namespace xvs
