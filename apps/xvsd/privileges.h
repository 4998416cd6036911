// Privileges: what xvsd must be allowed to do, and giving up the rest.
#pragma once

#include "base/result.h"

namespace xvs::xvsd {

// Fails with a sentence that names each capability that is missing.
[[nodiscard]] Status check_privileges();

// Keeps the four capabilities that a director needs, and no way to more.
[[nodiscard]] Status drop_privileges();

}  // namespace xvs::xvsd
