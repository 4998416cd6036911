#include "base/error.h"

#include <system_error>

#include <fmt/format.h>

namespace xvs {

Error system_error(std::string_view what, int error_number) {
    return Error{
        .code = ErrorCode::System,
        .context = fmt::format("{}: {}", what, std::generic_category().message(error_number))};
}

}  // namespace xvs
